"""Shares and their confidence intervals."""

from dataclasses import dataclass
from math import sqrt

Z = 1.959964
"""Normal quantile for 95 % confidence."""
WIDEST = 0.20
"""Shares with a wider interval are too uncertain to act on. 93 observations always suffice."""


@dataclass(frozen=True)
class Share:
    """`count` out of `of`."""

    count: int
    of: int

    @property
    def fraction(self) -> float:
        """0 to 1; 0 if `of` is 0."""
        return self.count / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % confidence interval: Wilson's score interval (J. Am. Stat. Assoc. 22, 1927).

        It stays within 0 and 1 and works for few or no observations.
        """
        if not self.of:
            return 0.0, 1.0
        share, square = self.fraction, Z * Z / self.of
        middle = (share + square / 2) / (1 + square)
        reach = Z * sqrt(share * (1 - share) / self.of + square / (4 * self.of)) / (1 + square)
        # Rounding must not leave the scale.
        return max(0.0, middle - reach), min(1.0, middle + reach)

    @property
    def too_few(self) -> bool:
        """Whether there is too little data to draw a conclusion."""
        low, high = self.interval
        return high - low > WIDEST

    def __str__(self) -> str:
        """Return `34 of 934, 3.6 % (2.6 to 5.0 %)`."""
        if not self.of:
            return "0 of 0"
        low, high = self.interval
        return f"{self.count:,} of {self.of:,}, {100 * self.fraction:.1f} % ({100 * low:.1f} to {100 * high:.1f} %)"
