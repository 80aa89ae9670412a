"""How far chance alone moves a score: intervals by the bootstrap, and what two sets of predictions differ by.

The percentile bootstrap over texts (Efron & Tibshirani 1993, chapter 13): a resample draws as many texts as there are,
with replacement, and the interval holds the middle 95 % of the score over all resamples. It is stratified by gold
label so far that every label that has a text has one in every resample, and macro-F1 stays the mean over the same
labels. How many texts a label gets is drawn as well: the test set is a random draw, so its label counts are chance
too, and resamples with fixed counts would give intervals that are too narrow (`python -m benchmarks.bootstrap` shows
it). A text of a multi-label task belongs to every label that it carries.

Resamples are columns of multiplicities: how often each text was drawn. Then all counts behind F1 are one product of
matrices, and a ROC curve is one cumulative sum, for many resamples at once. All counts are whole numbers, so no order
of summation changes a bit, and neither does the number of threads.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelrounds.core.task import Task
from labelrounds.measures import scores

RESAMPLES = 2000
LEVEL = 0.95
CELLS = 2**18  # texts x resamples at a time: what a processor's cache holds

Scores = dict[str, np.ndarray]


def intervals(gold: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray, task: Task, seed: int, count: int = RESAMPLES) -> dict[str, Any]:
    """Returns the 95 % interval [low, high] of every score of `scores.summary`, under the same names.

    gold, predicted : 0/1 arrays of shape (n_texts, n_labels); probabilities : float array of the same shape
    count : number of resamples. A score that is None has no interval (None). An interval always holds the score
    itself. It knows only the mistakes that it sees: without any, it is [1, 1], however few the texts.
    """
    curves = _curves(gold, probabilities)
    whole = _scores(np.ones((len(gold), 1), dtype=np.float32), gold, predicted, task, curves)
    drawn = _gather(_scores(weights, gold, predicted, task, curves) for weights in resamples(gold, seed, count))
    bounds = {name: _bounds(drawn[name], whole[name]) for name in whole}
    f1 = bounds.pop("f1")
    return {name: found[0] for name, found in bounds.items()} | {"f1": dict(zip(task.labels, f1, strict=True))}


@dataclass(frozen=True)
class Change:
    """One score of two sets of predictions on the same texts: before, after, and the 95 % interval of after - before."""

    before: float | None
    after: float | None
    difference: float | None
    ci95: tuple[float, float] | None


def changes(gold: np.ndarray, before: np.ndarray, after: np.ndarray, task: Task, seed: int, count: int = RESAMPLES) -> dict[str, Any]:
    """Returns {score: Change} of two sets of predictions, and under `f1` {label: Change}: the paired bootstrap.

    All three are 0/1 arrays of shape (n_texts, n_labels). Both sets are scored on the same resamples, so what makes a
    text hard for both cancels out (Berg-Kirkpatrick et al. 2012, "An Empirical Investigation of Statistical
    Significance in NLP"). Equal predictions give exactly 0. A label without gold texts has no F1 and no difference.
    """
    ones = np.ones((len(gold), 1), dtype=np.float32)
    first, second = (_scores(ones, gold, predicted, task) for predicted in (before, after))
    both = ((_scores(weights, gold, before, task), _scores(weights, gold, after, task)) for weights in resamples(gold, seed, count))
    drawn = _gather({name: other[name] - one[name] for name in one} for one, other in both)
    found = {}
    for name in first:
        bounds = _bounds(drawn[name], second[name] - first[name])
        found[name] = [_change(*values) for values in zip(first[name][:, 0], second[name][:, 0], bounds, strict=True)]
    f1 = found.pop("f1")
    return {name: change[0] for name, change in found.items()} | {"f1": dict(zip(task.labels, f1, strict=True))}


def standard_error(gold: np.ndarray, before: np.ndarray, after: np.ndarray, task: Task, seed: int, count: int = RESAMPLES) -> float:
    """Returns the standard error of the difference in macro-F1 between two sets of predictions, by the paired bootstrap."""
    drawn = [_scores(w, gold, after, task)["f1_macro"] - _scores(w, gold, before, task)["f1_macro"] for w in resamples(gold, seed, count)]
    return float(np.hstack(drawn).std())


def _change(before: float, after: float, bounds: list[float] | None) -> Change:
    one, other = (None if np.isnan(value) else round(float(value), 6) for value in (before, after))
    return Change(one, other, None, None) if bounds is None else Change(one, other, round(float(after - before), 6), (bounds[0], bounds[1]))


def mcnemar(lost: int, won: int) -> float:
    """Returns the exact two-sided p-value of McNemar's test (McNemar 1947).

    lost : texts that only the first labeler had right; won : texts that only the second has right
    """
    from scipy.special import bdtr  # the binomial distribution; scipy.stats has a test for it, and takes a second to import

    return min(1.0, 2 * float(bdtr(min(lost, won), lost + won, 0.5)))


def resamples(gold: np.ndarray, seed: int, count: int = RESAMPLES) -> Iterator[np.ndarray]:
    """Yields `count` resamples in parts: float32 arrays of shape (n_texts, part), how often each text was drawn."""
    draw = np.random.default_rng(seed)
    n = len(gold)
    positive = gold.astype(np.float32)
    part = max(CELLS // max(n, 1), 16)
    for begin in range(0, count, part):
        size = min(part, count - begin)
        cells = draw.integers(0, n, size=(size, n)) * size + np.arange(size)[:, None]
        weights = np.bincount(cells.ravel(), minlength=n * size).reshape(n, size).astype(np.float32)
        lacking = (_totals(positive, weights) == 0) & scores.tested(gold)[:, None]
        for label in np.flatnonzero(lacking.any(axis=1)):
            columns = np.flatnonzero(lacking[label])
            members = np.flatnonzero(gold[:, label])
            weights[members[draw.integers(0, len(members), size=len(columns))], columns] += 1
        yield weights


@dataclass(frozen=True)
class _Curve:
    """The texts of one label by rising score, cut at every positive text.

    positive, negative : the texts; starts : where the pieces of `negative` between two positives begin
    below, level : for each positive text, how many pieces of `negative` score lower, and how many no higher
    """

    positive: np.ndarray
    negative: np.ndarray
    starts: np.ndarray
    below: np.ndarray
    level: np.ndarray


def _curves(gold: np.ndarray, probabilities: np.ndarray) -> list[_Curve | None]:
    """Returns what the ROC curve of each label needs; None where gold lacks either side."""
    found: list[_Curve | None] = []
    for label in range(gold.shape[1]):
        if not 0 < gold[:, label].sum() < len(gold):
            found.append(None)
            continue
        order = np.argsort(probabilities[:, label], kind="stable")
        ranked, yes = probabilities[order, label], gold[order, label] == 1
        below, level = (np.searchsorted(ranked[~yes], ranked[yes], side=side) for side in ("left", "right"))
        ends = np.unique(np.concatenate([below, level, [0, (~yes).sum()]]))
        found.append(_Curve(order[yes], order[~yes], ends[:-1], np.searchsorted(ends, below), np.searchsorted(ends, level)))
    return found


def _scores(
    weights: np.ndarray, gold: np.ndarray, predicted: np.ndarray, task: Task, curves: list[_Curve | None] | None = None
) -> dict[str, np.ndarray]:
    """Returns every score in every resample: {name: float64 array of shape (1 or n_labels, n_resamples)}, NaN for none.

    The names, and what they mean, are those of `scores.summary`.
    """
    k = gold.shape[1]
    right = (gold == predicted).all(axis=1)
    columns = np.hstack([gold & predicted, gold, predicted, right[:, None], np.ones((len(gold), 1))]).astype(np.float32)
    counts = _totals(columns, weights).astype(np.float64)
    hits, support, said, n = counts[:k], counts[k : 2 * k], counts[2 * k : 3 * k], counts[-1:]
    both = support + said
    f1 = 2 * hits / np.maximum(both, 1)
    seen = scores.tested(gold)
    found = {
        "accuracy": counts[-2:-1] / n,
        "f1_micro": 2 * hits.sum(axis=0, keepdims=True) / np.maximum(both.sum(axis=0, keepdims=True), 1),
        "f1_macro": f1[seen].mean(axis=0, keepdims=True) if seen.any() else np.zeros_like(n),
        "f1_weighted": (f1 * support).sum(axis=0, keepdims=True) / np.maximum(support.sum(axis=0, keepdims=True), 1),
    }
    if curves is not None:
        found["roc_auc"] = _areas(weights, curves)
    if task.multi_label:
        either = (gold | predicted).sum(axis=1)
        share = np.where(either == 0, 1.0, (gold & predicted).sum(axis=1) / np.maximum(either, 1))
        found["jaccard"] = _totals(share[:, None], weights) / n
    return found | {"f1": np.where(seen[:, None], f1, np.nan)}


def _totals(columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the sum of each column over the texts of each resample, shape (n_columns, n_resamples).

    A matrix product, but not by BLAS, whose threads wait for each other wherever another program wants the same cores.
    """
    return np.einsum("ct,tb->cb", np.ascontiguousarray(columns.T), weights)


def _areas(weights: np.ndarray, curves: list[_Curve | None]) -> np.ndarray:
    """Returns the mean area under the ROC curve over the labels in every resample, shape (1, n_resamples).

    The area is the share of pairs (positive, negative) in the right order, ties as halves (Mann & Whitney 1947).
    """
    total, known = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
    for curve in curves:
        if curve is None:
            continue
        positive = weights[curve.positive]
        below = np.zeros((len(curve.starts) + 1, weights.shape[1]), dtype=np.float32)
        np.cumsum(np.add.reduceat(weights[curve.negative], curve.starts, axis=0), axis=0, out=below[1:])
        ordered = np.einsum("ij,ij->j", positive, below[curve.below] + below[curve.level], dtype=np.float64)
        pairs = positive.sum(axis=0, dtype=np.float64) * below[-1]
        total += np.divide(ordered, 2 * pairs, out=np.zeros_like(total), where=pairs > 0)
        known += pairs > 0
    return np.divide(total, known, out=np.full_like(total, np.nan), where=known > 0)[None, :]


def _gather(parts: Iterator[Scores]) -> Scores:
    """Returns the scores of all parts side by side."""
    every = list(parts)
    return {name: np.hstack([part[name] for part in every]) for name in every[0]}


def _bounds(drawn: np.ndarray, whole: np.ndarray) -> list[list[float] | None]:
    """Returns [low, high] of every row, six digits, widened where it would not hold the score of the whole; None for none."""
    found: list[list[float] | None] = []
    for row, value in zip(drawn, whole[:, 0], strict=True):
        row = row[~np.isnan(row)]
        if np.isnan(value) or not len(row):
            found.append(None)
            continue
        low, high = np.quantile(row, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        found.append([round(float(min(low, value)), 6), round(float(max(high, value)), 6)])
    return found
