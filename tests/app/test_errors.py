import sys

import pytest

from sb3_ext.app.errors import UserError, need


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    need("the page", "argparse")
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UserError, match=r"the page needs jinja2: pip install 'jinja2>=[\d.]+'") as error:
        need("the page", "argparse", "jinja2")
    assert error.value.exit_code == 1
