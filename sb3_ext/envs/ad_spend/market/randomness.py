"""What is random in a market: which quantities, and how much."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from sb3_ext.envs.ad_spend.market.checks import check_number


@dataclass(frozen=True)
class Randomness:
    """
    What is random in a market, independently between channels. All factors have the mean 1, delivery but for its limit.

    :param price_sigma: Standard deviation of the log price shock ``z`` of every channel, in [0, 2]: a unit of money
        buys ``exp(z - sigma**2 / 2)`` media. Known before the spend of a period is decided.
    :param price_persistence: Autocorrelation of the shocks from one period to the next, in [0, 1):
        ``z' = rho * z + sqrt(1 - rho**2) * sigma * eps``, stationary from the first period on.
    :param beta_sigma: Log standard deviation of beta, in [0, 2], drawn once per campaign and never observed.
    :param kappa_sigma: The same of kappa.
    :param use_draws: Whether every campaign takes its parameters from one of ``Market.draws``, all equally likely.
    :param drift_sigma: Standard deviation of the change of log beta from one period to the next, in [0, 2]: a random
        walk that starts at 0 in the first period and is not observed.
    :param delivery_sigma: Log standard deviation of delivered over ordered spend, in [0, 2]; at most twice the order is
        delivered, which lowers the mean to 0.9985 at 0.3, 0.97 at 0.5 and 0.81 at 1. Only delivered spend is paid.
    :param sales_sigma: Standard deviation of noise added to the sales of a period, relative to the sum of all beta, in
        [0, 10].
    :raises ValueError: If a parameter is out of its range.
    """

    price_sigma: float = 0.0
    price_persistence: float = 0.7
    beta_sigma: float = 0.0
    kappa_sigma: float = 0.0
    use_draws: bool = False
    drift_sigma: float = 0.0
    delivery_sigma: float = 0.0
    sales_sigma: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.use_draws, bool):
            raise ValueError(f"use_draws must be true or false, got {self.use_draws!r}")
        for field in fields(self):
            if field.name == "use_draws":
                continue
            highest = {"price_persistence": 1.0, "sales_sigma": 10.0}.get(field.name, 2.0)
            number = check_number(
                getattr(self, field.name), field.name, 0.0, highest, high_open=field.name == "price_persistence"
            )
            if 0.0 < number < 1e-6 and field.name != "price_persistence":
                raise ValueError(f"{field.name} must be 0 or at least 1e-6, got {number!r}")
            object.__setattr__(self, field.name, number)
        if self.use_draws and (self.beta_sigma or self.kappa_sigma):
            raise ValueError("use_draws takes all parameters from the draws: beta_sigma and kappa_sigma must be 0")

    @property
    def draws_parameters(self) -> bool:
        """Whether campaigns differ in the parameters of their response curves."""
        return self.use_draws or self.beta_sigma > 0.0 or self.kappa_sigma > 0.0

    @property
    def any(self) -> bool:
        """Whether anything is random."""
        sigmas = (self.price_sigma, self.drift_sigma, self.delivery_sigma, self.sales_sigma)
        return self.draws_parameters or any(sigma > 0.0 for sigma in sigmas)

    def with_period(self, ratio: float) -> Randomness:
        """
        The same randomness for periods of another length.

        :param ratio: New over old length, > 0.
        :return: Persistence and drift over the same time, noise averaged over the new period.
        """
        return replace(
            self,
            price_persistence=self.price_persistence**ratio,
            drift_sigma=self.drift_sigma * ratio**0.5,
            sales_sigma=self.sales_sigma / ratio**0.5,
        )
