"""Calibration: scores that mean what they say, fitted on validation; arrays in, numbers out; no torch.

Multi-class logits are divided by one temperature (Guo et al. 2017), which changes no label. Multi-label logits
get a slope and an intercept per label (Platt 1999), and each label a threshold chosen for F1. Every fit is
pulled towards "change nothing" by a prior, so that twenty validation texts, or a label that two of them have,
cannot do harm.
"""

from typing import Any

import numpy as np

SPREAD = 0.5  # standard deviation of the prior of log(temperature) and log(slope): factors beyond 3 need evidence
SHIFT = 1.0  # of the prior of the intercept
PULL = 20  # a threshold counts as much as the label's examples against this many that say 0.5
LARGEST = 30.0  # a label's logits are clipped here while fitting: one that the training data lacks has -inf
BINS, PER_BIN = 15, 20
DIGITS = 6


def temperature(logits: np.ndarray, gold: np.ndarray) -> float:
    """Returns what logits of shape (n, k) should be divided by: the mode of likelihood and prior; gold : int array of shape (n,)."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    # A label that the training data lacks has -inf: no temperature makes it possible, and to try would flatten all others.
    possible = np.isfinite(logits[np.arange(len(gold)), gold])
    logits, gold = logits[possible].astype(np.float64), gold[possible]

    def loss(log_temperature: float) -> float:
        likelihood = log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(gold)), gold].sum()
        return -likelihood + log_temperature**2 / (2 * SPREAD**2)

    found: Any = minimize_scalar(loss, bounds=(-3, 3), method="bounded")
    return round(float(np.exp(found.x)), DIGITS)


def platt(logits: np.ndarray, gold: np.ndarray) -> tuple[float, float]:
    """Returns (slope above 0, intercept) for one label's logits of shape (n,): the mode of likelihood and prior."""
    from scipy.optimize import minimize
    from scipy.special import expit

    logits = np.clip(logits.astype(np.float64), -LARGEST, LARGEST)

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        slope, intercept = np.exp(point[0]), point[1]
        scaled = slope * logits + intercept
        value = (np.logaddexp(0, scaled) - gold * scaled).sum() + point[0] ** 2 / (2 * SPREAD**2) + intercept**2 / (2 * SHIFT**2)
        miss = expit(scaled) - gold
        return value, np.array([(miss * slope * logits).sum() + point[0] / SPREAD**2, miss.sum() + intercept / SHIFT**2])

    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(-3, 3), (-LARGEST, LARGEST)]).x
    return round(float(np.exp(found[0])), DIGITS), round(float(found[1]), DIGITS)


def threshold(scores: np.ndarray, gold: np.ndarray) -> float:
    """Returns from which score on a label applies: what gives the best F1, pulled towards 0.5 where examples are few.

    The best threshold is half the best F1 for calibrated scores (Lipton et al. 2014), and overfits a rare label
    badly: so the one found counts with the label's positives against PULL for 0.5, and one that does not
    beat 0.5 on the same texts is not taken.
    """
    positives = int(gold.sum())
    if not positives:
        return 0.5
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True))  # equal scores fall on one side together
    hits = np.cumsum(gold[order])[ends]
    f1 = 2 * hits / (ends + 1 + positives)
    best = np.flatnonzero(f1 >= f1.max() - 1e-12)
    below = np.append(ranked[1:], 0.0)[ends]
    middles = (ranked[ends] + below) / 2
    found = middles[best[np.argmin(np.abs(middles[best] - 0.5))]]
    pulled = round(float((positives * found + PULL * 0.5) / (positives + PULL)), DIGITS)

    def reached(bound: float) -> float:
        above = scores >= np.asarray(bound, dtype=scores.dtype)
        return 2 * float((above & (gold > 0)).sum()) / max(float(above.sum()) + positives, 1)

    return pulled if reached(pulled) > reached(0.5) else 0.5


def claims(scores: np.ndarray, gold: np.ndarray, multi_label: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns (confidence, whether it was right) of every claim: a text's label, or, for multi-label, every label of every text."""
    if multi_label:
        return scores.ravel().astype(np.float64), gold.ravel().astype(np.float64)
    return scores.max(axis=1).astype(np.float64), (scores.argmax(axis=1) == gold.argmax(axis=1)).astype(np.float64)


def reliability(confidence: np.ndarray, right: np.ndarray) -> list[dict[str, Any]]:
    """Returns one row per bin: n, the mean confidence in it, and the share that is right.

    Bins hold the same number of claims each, at least PER_BIN and at most BINS bins: bins of equal width would
    leave most of them nearly empty, and their noise in the sum (Nixon et al. 2019).
    """
    if not len(confidence):
        return []
    _, place, count = np.unique(confidence, return_inverse=True, return_counts=True)
    right = (np.bincount(place, weights=right) / count)[place]  # which of equal claims falls into which bin says nothing
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, max(1, min(BINS, len(order) // PER_BIN)))
    return [{"n": len(part), "confidence": float(confidence[part].mean()), "right": float(right[part].mean())} for part in parts]


def error(rows: list[dict[str, Any]]) -> float:
    """Returns the expected calibration error of a reliability table: the mean gap between confidence and the share that is right."""
    total = sum(row["n"] for row in rows)
    return sum(row["n"] * abs(row["confidence"] - row["right"]) for row in rows) / max(total, 1)
