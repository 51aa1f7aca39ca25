"""Figures: counts of each day, for the numbers page.

Answer times are counted in buckets that grow by a tenth, so the median and the 95th percentile of
any span of days come from a few dozen counts, and are off by five percent at most.
"""

from __future__ import annotations

import math

_GROWTH = math.log(1.1)
_PREFIX = "took:"


def bucket(milliseconds: int) -> str:
    """The name of the count that an answer of so many milliseconds belongs to."""
    return f"{_PREFIX}{round(math.log(max(milliseconds, 1)) / _GROWTH)}"
