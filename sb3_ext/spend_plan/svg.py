"""Matplotlib figures as SVG inside a page. Importing this needs matplotlib."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from html import escape

import matplotlib
from matplotlib.figure import Figure

_FONTS = ["Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans", "sans-serif"]


def inline_svg(draw: Callable[[], Figure], name: str, label: str) -> str:
    """Draw a figure as an ``<svg>`` element: text stays text, nothing is loaded, ids start with the name."""
    text = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # Names of channels are no formulas, and equal plans give equal files.
    with (
        warnings.catch_warnings(),
        matplotlib.rc_context(
            {"svg.fonttype": "none", "svg.hashsalt": name, "text.parse_math": False, "font.sans-serif": _FONTS}
        ),
    ):
        # The browser has its own fonts.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        draw().savefig(text, format="svg", metadata=metadata, transparent=True)
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box is not None
    head = f'<svg {box[0]} class="chart" role="img" aria-label="{escape(label)}">'
    return head + svg[svg.index(">") + 1 :]
