"""Exact binomial bounds: k of n texts are right; how low may the true precision be? (Clopper and Pearson 1934)"""

from functools import lru_cache

import numpy as np


def allowed(n: np.ndarray, precision: float, risk: float) -> np.ndarray:
    """Returns how many of n texts may be wrong for a proof of `precision` at `risk`; int array like n, -1: n are too few.

    As many as keep the Clopper-Pearson lower bound of the precision, one-sided at 1 - risk, at or above it.
    """
    n = np.asarray(n, dtype=np.int64)
    return _allowed_up_to(1 << int(n.max(initial=1)).bit_length(), precision, risk)[n]


@lru_cache(maxsize=64)
def _allowed_up_to(size: int, precision: float, risk: float) -> np.ndarray:
    """Returns `allowed` for 0 to size texts."""
    from scipy.stats import binom

    n = np.arange(1, size + 1)
    at_risk = binom.ppf(risk, n, 1 - precision)
    return np.append(-1, np.where(binom.cdf(at_risk, n, 1 - precision) <= risk, at_risk, at_risk - 1)).astype(np.int64)


def least_texts(precision: float, risk: float) -> int:
    """Returns how many texts prove `precision` at `risk` if none is wrong: 59 for 0.95 at 0.05."""
    return int(np.ceil(np.log(risk) / np.log(precision) - 1e-9))


def lower_bound(right: int, n: int, risk: float) -> float:
    """Returns the exact one-sided lower bound of the share of `right` ones among n, at 1 - risk."""
    from scipy.stats import binomtest

    return float(binomtest(right, n, alternative="greater").proportion_ci(1 - risk).low) if n else 0.0


def interval(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Returns the exact two-sided interval of the share of `right` ones among n; (0, 1) without any."""
    from scipy.stats import binomtest

    low, high = binomtest(right, n).proportion_ci(level) if n else (0.0, 1.0)
    return float(low), float(high)
