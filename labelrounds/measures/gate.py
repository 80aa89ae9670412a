"""What the model may label alone: a confidence cut below which people look, with a proof.

The promise: with probability 1 - `risk`, of the texts that the gate lets through as `auto`, at least `precision`
are right; for each label that is frequent enough by itself, and for the rarer ones together.

A text's stratum is the label on which its decision depends: the least certain of the labels that the model gives it. Texts
without any label are a stratum of their own. A group is a frequent stratum alone, or all rare ones together.

The proof is fixed-sequence testing (Bauer 1991; learn then test, Angelopoulos et al. 2021). The scores of the
pool's unlabelled texts decide, without any label, which labels stand alone and in which order cuts are tried.
Validation texts, drawn from the same pool, only test: a cut passes if so few of those above it are wrong that
the exact binomial lower bound of the precision (see `binomial`) reaches the promise, and the first
cut that fails ends the sequence. Take the first cut whose true precision is too low. The promise breaks only if
that cut passes its test. This happens with probability `risk` at most. Groups share the risk (Bonferroni).

It assumes that the texts to label come from where the validation texts came from, and that validation did not
choose the model. It did choose the epoch and the calibration: benchmarks/gate_precision.py measures what that costs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelrounds.measures.binomial import allowed, least_texts, lower_bound

STEPS = 12  # cuts of one sequence: every cut is one more test that may end it by chance
ENOUGH = 2  # a label stands alone if so many times the least number of validation texts is expected for it
BELIEF = 20  # texts that the model's own expectation counts as, in an estimate of the texts needed
POWER = 0.8  # the chance to pass that an estimate of the texts needed aims at


# What is tested


def strata(scores: np.ndarray, said: np.ndarray) -> np.ndarray:
    """Returns the label that each text's decision stands or falls with, int array of shape (n,): the least sure of those it is given.

    scores, said : arrays of shape (n, k), `said` 0/1; a text without any label gets k
    """
    weakest = np.where(said > 0, scores, np.inf).argmin(axis=1)
    return np.where(said.any(axis=1), weakest, said.shape[1])


def right(said: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Returns whether each decision is right, bool array of shape (n,), from 0/1 arrays of shape (n, k).

    A text is right if it is given no label that people do not give; without any label, if people give none.
    A label that it lacks is not counted: precision is about what is said.
    """
    return ~((said > 0) & (gold == 0)).any(axis=1) & (said.any(axis=1) | ~gold.any(axis=1))


@dataclass(frozen=True)
class Scored:
    """What a labeler says of n texts: its 0/1 labels of shape (n, k), its confidence and the label that it hangs on, both of shape (n,)."""

    said: np.ndarray
    confidence: np.ndarray
    stratum: np.ndarray


@dataclass(frozen=True)
class CutPath:
    """One group of labels and its cuts, strictest first; testing begins at cut number `first`, those before it serve estimates alone.

    strata : numbers of the group's labels; cuts : least confidences; shares : of the pool, above each cut; mistaken : what the
    model itself expects to get wrong there; risk : the group's part
    """

    strata: tuple[int, ...]
    cuts: np.ndarray
    shares: np.ndarray
    mistaken: np.ndarray
    risk: float
    first: int


@dataclass(frozen=True)
class Verdict:
    """What validation said of one group: the last cut that passed (None: closed), and n texts above it (closed: above the first), right ones.

    bound : proven precision; share : of the pool above the cut
    """

    strata: tuple[int, ...]
    risk: float
    cut: float | None
    n: int
    right: int
    bound: float
    share: float


@dataclass(frozen=True)
class Outcome:
    """The cuts of a labeler and how they came about.

    paths, verdicts : of each group of labels; texts_needed : for a closed group, an estimate of the validation texts that would open it
    floors, cuts : float arrays of shape (n_strata,), the least confidence that audits leave and that is `auto`
    is_right : bool array of shape (n_valid,), whether each validation text's decision is right
    """

    paths: list[CutPath]
    verdicts: list[Verdict]
    texts_needed: list[int | None]
    floors: np.ndarray
    cuts: np.ndarray
    is_right: np.ndarray


def outcome(free: Scored, tested: Scored, gold: np.ndarray, floors: np.ndarray, precision: float, risk: float) -> Outcome:
    """Returns what the pool's texts without labels, the validation texts and the audits decide together.

    free : the pool's texts, of which `said` is not read; tested : the validation texts, whose labels are `gold`, 0/1 of shape (n_valid, k)
    floors : see `floors`, of shape (n_strata,)
    """
    is_right = right(tested.said, gold)
    paths = plan(free.confidence, free.stratum, len(floors), len(gold), precision, risk, floors)
    verdicts = decide(paths, tested.confidence, tested.stratum, is_right, precision, floors)
    texts_needed = [
        needed(path, tested.confidence, tested.stratum, is_right, precision, floors) if verdict.cut is None else None
        for path, verdict in zip(paths, verdicts, strict=True)
    ]
    return Outcome(paths, verdicts, texts_needed, floors, cuts_by_stratum(verdicts, len(floors), floors), is_right)


def plan(
    confidence: np.ndarray, stratum: np.ndarray, n_strata: int, n_valid: int, precision: float, risk: float, floors: np.ndarray | None = None
) -> list[CutPath]:
    """Returns the groups of labels and their cuts, from the unlabelled pool alone: no label is read.

    confidence, stratum : arrays of shape (n_pool,); n_valid : number of validation texts that will test
    floors : float array of shape (n_strata,), the least confidence that audits leave to each label (see `floors`)
    """
    floors = np.full(n_strata, -np.inf) if floors is None else floors
    share = np.bincount(stratum[confidence >= floors[stratum]], minlength=n_strata) / max(len(stratum), 1)
    expected = n_valid * share
    there = np.flatnonzero(share > 0)
    if not len(there) or not n_valid:
        return []
    alone = [number for number in there if expected[number] >= ENOUGH * least_texts(precision, risk / len(there))]
    rest = [number for number in there if number not in alone]
    groups: list[tuple[int, ...]] = [(int(number),) for number in alone]
    # A group too small to pass would only take its part of the risk from the others.
    if rest and (not groups or expected[rest].sum() >= ENOUGH * least_texts(precision, risk / (len(groups) + 1))):
        groups.append(tuple(int(number) for number in rest))
    return [_cut_path(group, confidence, stratum, n_valid, precision, risk / len(groups), floors) for group in groups]


def _cut_path(
    group: tuple[int, ...], confidence: np.ndarray, stratum: np.ndarray, n_valid: int, precision: float, risk: float, floors: np.ndarray
) -> CutPath:
    from scipy.stats import binom

    inside = np.isin(stratum, group) & (confidence >= floors[stratum])
    ranked = -np.sort(-confidence[inside])
    per_text = n_valid / len(confidence)  # validation texts expected for each text of the pool
    largest, least = len(ranked) * per_text, least_texts(precision, risk)
    expected = np.unique(np.linspace(min(least, largest), largest, 200))

    def up_to(sizes: np.ndarray) -> np.ndarray:
        """Returns the last rank of the pool that is in, for each expected number of validation texts; equals are in together."""
        ranks = np.clip(np.ceil(sizes / per_text - 1e-9).astype(np.int64), 1, len(ranked))
        return np.searchsorted(-ranked, -ranked[ranks - 1], side="right")

    mistaken = np.cumsum(1 - ranked.astype(np.float64)) / np.arange(1, len(ranked) + 1)
    # The first cut is the one that would pass most probably, were the model's own confidence right: a wrong guess costs
    # texts that could have been `auto`, never the promise.
    ends = up_to(expected)
    n = _cautious(ends * per_text, ends / len(confidence))
    chance = binom.cdf(allowed(n, precision, risk), n, np.clip(mistaken[ends - 1], 0, 1))
    start = expected[int(chance.argmax())]
    ends = np.unique(up_to(np.geomspace(start, largest, STEPS)))
    stricter = up_to(np.geomspace(start / 20, start, STEPS))
    first = len(np.unique(stricter[stricter < ends[0]]))
    ends = np.union1d(stricter, ends)
    return CutPath(group, ranked[ends - 1], ends / len(confidence), mistaken[ends - 1], risk, first)


# The test


def decide(
    paths: Sequence[CutPath],
    confidence: np.ndarray,
    stratum: np.ndarray,
    is_right: np.ndarray,
    precision: float,
    floors: np.ndarray | None = None,
) -> list[Verdict]:
    """Returns the verdict of the validation texts on each group; arrays of shape (n_valid,)."""
    verdicts = []
    for path in paths:
        n, wrong = _counts(path, confidence, stratum, is_right, floors)
        passes = (wrong <= allowed(n, precision, path.risk))[path.first :]
        passed = len(passes) if passes.all() else int(passes.argmin())
        last = path.first + max(passed - 1, 0)
        counted, good = int(n[last]), int(n[last] - wrong[last])
        cut, share = (float(path.cuts[last]), float(path.shares[last])) if passed else (None, 0.0)
        verdicts.append(Verdict(path.strata, path.risk, cut, counted, good, lower_bound(good, counted, path.risk), share))
    return verdicts


def _counts(
    path: CutPath, confidence: np.ndarray, stratum: np.ndarray, is_right: np.ndarray, floors: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (texts, wrong ones among them) above each cut of a path."""
    inside = np.isin(stratum, path.strata)
    if floors is not None:
        inside &= confidence >= floors[stratum]
    above = inside[:, None] & (confidence[:, None] >= path.cuts)
    return above.sum(axis=0), (above & ~is_right[:, None]).sum(axis=0)


def needed(
    path: CutPath, confidence: np.ndarray, stratum: np.ndarray, is_right: np.ndarray, precision: float, floors: np.ndarray | None = None
) -> int | None:
    """Returns an estimate of how many validation texts in all would open a group with a chance of POWER; None: more alone would not do.

    The best cut of the path counts. Its share of errors is taken from the validation texts above it and from what
    the model expects there, which counts as BELIEF texts: an estimate from few texts, no promise.
    """
    from scipy.stats import binom

    n, wrong = _counts(path, confidence, stratum, is_right, floors)
    mistaken = (wrong + BELIEF * path.mistaken) / (n + BELIEF)
    sizes = np.unique(np.ceil(max(len(confidence), 10) * np.geomspace(1.05, 50, 60)).astype(np.int64))
    above = _cautious(np.outer(sizes, path.shares), path.shares)
    chance = np.where(mistaken < 1 - precision, binom.cdf(allowed(above, precision, path.risk), above, mistaken), 0.0)
    enough = np.flatnonzero((chance >= POWER).any(axis=1))
    return int(sizes[enough[0]]) if len(enough) else None


def _cautious(expected: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Returns one standard deviation less than the number of validation texts expected above a cut: too few prove nothing."""
    return np.maximum(np.floor(expected - np.sqrt(expected * np.maximum(1 - share, 0))), 0).astype(np.int64)


def cuts_by_stratum(verdicts: Sequence[Verdict], n_strata: int, floors: np.ndarray | None = None) -> np.ndarray:
    """Returns the least confidence that is `auto`, float array of shape (n_strata,); inf where a person must look."""
    cuts = np.full(n_strata, np.inf)
    for verdict in verdicts:
        if verdict.cut is not None:
            cuts[list(verdict.strata)] = verdict.cut
    return cuts if floors is None else np.maximum(cuts, floors)


# Audits


def floors(confidence: np.ndarray, stratum: np.ndarray, is_right: np.ndarray, n_strata: int, precision: float, risk: float) -> np.ndarray:
    """Returns the least confidence that audited texts leave to each label, float array of shape (n_strata,): -inf untouched, inf closed.

    Arrays of shape (n_audited,), by the labeler of today. A label whose audited texts contradict the promise (exact
    binomial test at `risk`) is tightened until of those left at least `precision` are right, and closed if none are;
    then the same for all texts together, where it takes no contradiction. An audit can only take texts out before the pool's cuts are chosen and tested,
    so that the cuts' proof holds for what is left.
    """
    from scipy.stats import binom

    found = np.full(n_strata, -np.inf)
    for number in np.unique(stratum):
        mine = stratum == number
        if binom.cdf(is_right[mine].sum(), mine.sum(), precision) <= risk:
            found[number] = _loosest(confidence[mine], is_right[mine], precision)
    inside = confidence >= found[stratum]
    if inside.any():
        found = np.maximum(found, _loosest(confidence[inside], is_right[inside], precision))
    return found


def _loosest(confidence: np.ndarray, is_right: np.ndarray, precision: float) -> float:
    """Returns the least confidence such that of the texts at or above it `precision` are right: -inf for all of them, inf for none."""
    order = np.argsort(-confidence, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True))
    good = np.flatnonzero(np.cumsum(is_right[order])[ends] >= precision * (ends + 1) - 1e-9)
    if not len(good):
        return np.inf
    return -np.inf if good[-1] == len(ends) - 1 else float(confidence[order][ends[good[-1]]])
