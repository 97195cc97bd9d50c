"""What no policy without foresight exceeds in random campaigns, in words."""

from __future__ import annotations

from sb3_ext.common.wording import amount
from sb3_ext.spend_plan.plan import SpendPlan


def unreached(plan: SpendPlan) -> str:
    """How far the best policy is from that, to go on with; empty where it is not known."""
    left = plan.unreached
    if left is None:
        return ""
    interval = f"95% interval {left.low:,.0f} to {left.high:,.0f}, from these campaigns"
    if left.low <= 0.0:
        return (
            f" Without foresight no policy can earn significantly more on average than {left.name} does: at best "
            f"{left.mean:+,.0f} ({interval})."
        )
    most = plan.score_of(left.name).value + left.mean
    return (
        f" Without foresight no policy can earn more than {amount(most)} on average, {amount(left.mean)} more than "
        f"{left.name} does ({interval})."
    )
