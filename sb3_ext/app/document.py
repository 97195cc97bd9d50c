"""What commands print for scripts: one JSON document in place of tables."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from sb3_ext.app.records import is_unknown


def add_json_argument(add: Callable[..., Any]) -> None:
    """Ask whether the results are printed for a script."""
    add("--json", action="store_true", help="print one JSON document, and no table, on standard output")


def print_json(content: Any) -> None:
    """Print the document; whatever a package has printed so far should have gone elsewhere."""
    print(json_text(content))


def json_text(content: Any) -> str:
    """A document of plain values; NaN, infinity and None are null, what JSON does not know is text."""
    return json.dumps(_finite(content), indent=1, ensure_ascii=False, default=str)


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {str(key): _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    if hasattr(content, "tolist"):
        return _finite(content.tolist())
    return None if is_unknown(content) or (isinstance(content, float) and math.isinf(content)) else content
