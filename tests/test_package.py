import ast
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

import sb3_ext
from sb3_ext.envs import register_envs

ENV_IDS = ("AdSpend-v0", "AdSpendAdstock-v0", "AdSpendSeasonal-v0", "AdSpendProfit-v0")


ROOT = Path(__file__).resolve().parent.parent


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_citation_names_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == sb3_ext.__version__
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()


def test_import_is_light() -> None:
    heavy = ("torch", "stable_baselines3", "rl_zoo3", "optuna", "matplotlib")
    loaded = run_python(f"import sys, sb3_ext; print([name for name in {heavy} if name in sys.modules])")
    assert loaded.strip() == "[]"


def test_import_registers_the_environments_and_leaves_gymnasium_as_it_is() -> None:
    code = """
import gymnasium
before = gymnasium.wrappers.TimeLimit, set(gymnasium.registry)
import sb3_ext
assert gymnasium.wrappers.TimeLimit is before[0]
print(*sorted(set(gymnasium.registry) - before[1]))
"""
    assert set(ENV_IDS) <= set(run_python(code).split())


def test_environments_are_made_without_importing_the_package_first() -> None:
    code = """
import gymnasium
env = gymnasium.make("sb3_ext:AdSpend-v0")
observation, _ = env.reset(seed=0)
assert env.observation_space.contains(observation)
print(env.spec.id)
"""
    assert run_python(code).strip() == "AdSpend-v0"


def test_registering_again_changes_nothing(recwarn: pytest.WarningsRecorder) -> None:
    import gymnasium

    before = dict(gymnasium.registry)
    register_envs()
    assert gymnasium.registry == before
    assert not recwarn.list


def test_public_names_are_importable_and_listed() -> None:
    for name in sb3_ext.__all__:
        assert getattr(sb3_ext, name) is not None
        assert name in dir(sb3_ext)
    with pytest.raises(AttributeError, match="NoSuchName"):
        sb3_ext.NoSuchName  # noqa: B018


def test_rooms_are_found_without_importing_them_first() -> None:
    rooms = "sb3_ext.checkpoint.save, sb3_ext.replay.PrioritizedReplayBuffer, sb3_ext.vec_env.GymnasiumVecEnv"
    assert run_python(f"import sb3_ext; print(all([{rooms}]))").strip() == "True"


def test_version_is_that_of_the_installed_package() -> None:
    assert version("sb3-ext") == sb3_ext.__version__


def test_distributions_hold_the_package_without_what_writes_the_pages() -> None:
    targets = hatch()["build"]["targets"]
    assert targets["wheel"]["packages"] == ["sb3_ext"]
    assert set(targets["wheel"]["force-include"]) == {"hyperparams"}
    assert {"/docs/results", "/scripts/docs"} <= set(targets["sdist"]["exclude"])


def test_a_package_index_shows_the_readme_without_links_into_the_repository() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for each in hatch()["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(each["pattern"], each["replacement"], text)
    assert "![" not in text
    links = re.findall(r"\]\(([^)]*)\)", text)
    assert links and all(link.startswith("https://") for link in links)


def hatch() -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib")
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"])


def test_numbers_are_formatted_as_the_oldest_python_can() -> None:
    for file in Path(sb3_ext.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FormattedValue) and isinstance(node.format_spec, ast.JoinedStr):
                spec = "".join(str(part.value) for part in node.format_spec.values if isinstance(part, ast.Constant))
                assert not re.match(r"(.?[<>=^])?[-+ ]?z", spec), (
                    f"{file}:{node.lineno}: `z` in a format needs Python 3.11"
                )
