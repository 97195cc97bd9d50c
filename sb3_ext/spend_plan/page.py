"""The plan as one self-contained HTML page. Importing this needs matplotlib and Jinja."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import warnings
from collections.abc import Callable
from functools import partial
from html import escape
from importlib import resources
from typing import Any

import jinja2
import matplotlib
from markupsafe import Markup
from matplotlib.figure import Figure

from sb3_ext.app.versions import versions
from sb3_ext.common import charts as look
from sb3_ext.common.palette import color_of
from sb3_ext.common.wording import period_name
from sb3_ext.spend_plan import charts, tables
from sb3_ext.spend_plan.caveats import find_caveats
from sb3_ext.spend_plan.plan import SpendPlan
from sb3_ext.spend_plan.standouts import find_standouts
from sb3_ext.spend_plan.what_if import what_if
from sb3_ext.spend_plan.wording import Wording

_FONTS = ["Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans", "sans-serif"]
_CHART_COLORS = {
    "ink": look.INK,
    "muted": look.MUTED,
    "grid": look.GRID,
    "line": look.LINE,
    "accent": look.ACCENT,
    "paper": "#ffffff",
}


def render_page(plan: SpendPlan, command: str) -> str:
    """The page as HTML: it loads nothing, so it can be mailed and opened anywhere."""
    words, market = Wording(plan), plan.campaign.market
    spends = f"Spend per {period_name(market.period_days)} and channel, and the sales expected from it"
    pictures = (
        ("plan", charts.plan_figure, spends, words.plan_caption),
        ("comparison", charts.comparison_figure, "What every policy earns", words.comparison_caption),
        ("budgets", charts.budget_figure, "What other budgets would earn", words.budgets_caption),
        ("curves", charts.curves_figure, "Response curve of every channel", words.curves_caption),
    )
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sb3_ext.spend_plan", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    folder = resources.files("sb3_ext.spend_plan")
    names = ["sorting.js"]
    data = what_if(plan)
    if data is not None:
        names.append("what_if.js")
    scripts = [folder.joinpath(name).read_text(encoding="utf-8") for name in names]
    return environment.get_template("template.html.j2").render(
        scripts=[Markup(script) for script in scripts],
        # No other script runs, whatever a name holds.
        script_hashes=" ".join(map(_hash, scripts)),
        what_if=data and _shown(data, plan),
        words=words,
        warnings=list(find_caveats(plan)),
        standouts=list(find_standouts(plan)),
        figures={
            name: {
                "wide": _inline_svg(partial(draw, plan, charts.WIDE), name, label),
                "narrow": _inline_svg(partial(draw, plan, charts.NARROW), f"{name}-n", label),
                "caption": caption,
            }
            for name, draw, label, caption in pictures
            if name != "budgets" or plan.frontier is not None
        },
        chart_colors=_CHART_COLORS,
        colors=[color_of(index) for index in range(len(market.names))],
        tables={
            "changes": tables.what_changed(plan),
            "finance": tables.finance_table(plan),
            "channels": tables.channel_table(plan),
            "policies": tables.policy_table(plan),
            "prices": tables.price_table(plan.prices),
            "budgets": tables.budget_table(plan),
            "dates": tables.date_table(plan),
            "fits": tables.fit_table(plan) if plan.campaign.fits else None,
        },
        notes=plan.changes.notes if plan.changes else (),
        command=command,
        versions=versions(),
    )


def _shown(data: dict[str, Any], plan: SpendPlan) -> dict[str, Any]:
    """What the template needs of the data for other budgets."""
    note = ""
    if plan.n_paths:
        note = "All as if everything happened as expected."
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    # Nothing in it can end the element that holds it.
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return {
        "data": data,
        "json": Markup(text),
        "note": note,
        "n_plans": sum(len(channel["plans"]) for channel in data["channels"]),
        "unit": period_name(plan.campaign.market.period_days),
    }


def _hash(script: str) -> str:
    """A script's name in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _inline_svg(draw: Callable[[], Figure], name: str, label: str) -> Markup:
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
    # The page has other colours in the dark; what tells channels apart stays.
    for variable, color in _CHART_COLORS.items():
        svg = re.sub(rf"(?<=: ){color}(?=[;\"])", f"var(--chart-{variable})", svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box is not None
    head = f'<svg {box[0]} class="chart" role="img" aria-label="{escape(label)}">'
    # Matplotlib escapes the names of channels.
    return Markup(head + svg[svg.index(">") + 1 :])
