"""The plan as one self-contained HTML page. Importing this needs matplotlib and Jinja."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jinja2
from markupsafe import Markup

from sb3_ext.common.charts import period_name
from sb3_ext.spend_plan import charts, tables, wording
from sb3_ext.spend_plan.plan import SpendPlan
from sb3_ext.spend_plan.svg import inline_svg


@dataclass(frozen=True)
class Picture:
    """A figure in two widths."""

    wide: Markup
    narrow: Markup
    caption: str


def render_page(plan: SpendPlan, command: str, versions: dict[str, str]) -> str:
    """
    Render the page: it loads nothing, so it can be mailed and opened anywhere.

    :param plan: The plan.
    :param command: The command that made it.
    :param versions: Versions of the packages behind it.
    :return: HTML.
    """
    unit = period_name(plan.campaign.market.period_days)
    figures = {
        "plan": (
            charts.plan_figure,
            f"Spend per {unit} and channel, and the sales expected from it",
            wording.plan_caption(plan),
        ),
        "comparison": (charts.comparison_figure, "What every policy earns", wording.comparison_caption(plan)),
        "curves": (charts.curves_figure, "Response curve of every channel", wording.curves_caption(plan)),
    }
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sb3_ext.spend_plan", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("template.html.j2").render(
        title="Spend plan",
        span=wording.span(plan),
        lead=wording.lead(plan),
        reaction=wording.reaction(plan),
        cards=wording.cards(plan),
        warnings=plan.warnings,
        figures={
            name: Picture(
                _svg(draw, plan, charts.WIDE, name, label), _svg(draw, plan, charts.NARROW, f"{name}-n", label), caption
            )
            for name, (draw, label, caption) in figures.items()
        },
        tables={
            "channels": tables.channel_table(plan),
            "policies": tables.policy_table(plan),
            "dates": tables.date_table(plan),
            "fits": tables.fit_table(plan) if plan.campaign.fits else None,
        },
        policies=wording.policies(plan),
        certificate=wording.certificate(plan),
        assumptions=wording.assumptions(plan),
        command=command,
        versions=versions,
    )


def _svg(draw: Any, plan: SpendPlan, width: float, name: str, label: str) -> Markup:
    # Matplotlib escapes the names of channels.
    return Markup(inline_svg(lambda: draw(plan, width), name, label))
