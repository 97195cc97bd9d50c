"""What to install for what an extra adds, as a command that works wherever this package came from."""

import importlib.metadata
import re


def install_command(*packages: str) -> str:
    """
    Say how to install packages that an extra asks for.

    Not by the extra's name, for which pip would have to find this package in an index.

    :param packages: names as an extra of this package has them, without their own extras
    :return: ``pip install 'matplotlib>=3.8'``, with the versions that this package allows where its metadata is known
    """
    try:
        requirements = importlib.metadata.requires("sb3-ext") or []
    except importlib.metadata.PackageNotFoundError:
        requirements = []
    allowed = {re.split(r"[^\w.-]", text)[0].lower(): text.partition(";")[0].strip() for text in requirements}
    return f"pip install {' '.join(repr(allowed.get(package, package)) for package in packages)}"
