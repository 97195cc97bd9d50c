"""The plan as one self-contained HTML page. Importing this needs matplotlib and Jinja."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from sb3_ext.app.versions import versions
from sb3_ext.common.charts import color_of
from sb3_ext.common.wording import period_name
from sb3_ext.spend_plan import charts, tables
from sb3_ext.spend_plan.caveats import find_caveats
from sb3_ext.spend_plan.plan import SpendPlan
from sb3_ext.spend_plan.svg import inline_svg
from sb3_ext.spend_plan.wording import Wording


def render_page(plan: SpendPlan, command: str) -> str:
    """The page as HTML: it loads nothing, so it can be mailed and opened anywhere."""
    words, market = Wording(plan), plan.campaign.market

    def picture(draw: Callable[[SpendPlan, float], Figure], name: str, label: str, caption: str) -> dict[str, str]:
        """A figure in two widths. Matplotlib escapes the names of channels."""
        wide, narrow = (
            Markup(inline_svg(partial(draw, plan, width), prefix, label))
            for width, prefix in ((charts.WIDE, name), (charts.NARROW, f"{name}-n"))
        )
        return {"wide": wide, "narrow": narrow, "caption": caption}

    spends = f"Spend per {period_name(market.period_days)} and channel, and the sales expected from it"
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sb3_ext.spend_plan", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("template.html.j2").render(
        title="Spend plan",
        words=words,
        warnings=list(find_caveats(plan)),
        figures={
            "plan": picture(charts.plan_figure, "plan", spends, words.plan_caption),
            "comparison": picture(
                charts.comparison_figure, "comparison", "What every policy earns", words.comparison_caption
            ),
            "curves": picture(charts.curves_figure, "curves", "Response curve of every channel", words.curves_caption),
        },
        colors=[color_of(index) for index in range(len(market.names))],
        tables={
            "channels": tables.channel_table(plan),
            "policies": tables.policy_table(plan),
            "dates": tables.date_table(plan),
            "fits": tables.fit_table(plan) if plan.campaign.fits else None,
        },
        command=command,
        versions=versions(),
    )
