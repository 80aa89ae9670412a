"""How well people agree with each other, and the model with people: arrays in, numbers out; no torch.

Two labels of a multi-class text are alike or not. Two sets of labels of a multi-label text may also be half alike: their
distance is MASI (Passonneau 2006). So one chance-corrected measure, Krippendorff's alpha (2004, chapter 11), serves
both, any number of people, and texts that only some of them saw. 1 is full agreement, 0 is what chance gives.

Every measure is a ratio of sums over texts. A bootstrap resample is a column of weights, how often each text was
drawn, and all resamples are one product of matrices.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from labelrounds.core.task import Task
from labelrounds.measures import bootstrap, scores
from labelrounds.rounds import record

UNNAMED = "(not named)"


@dataclass(frozen=True)
class Opinions:
    """What people said of n texts.

    ids : the texts, sorted; people : their names, sorted; values : the distinct answers, each a tuple of labels
    said : int array of shape (n, n_people), the number of the answer in `values`, or -1 where that person gave none
    """

    ids: list[str]
    people: list[str]
    values: list[tuple[str, ...]]
    said: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """How many people gave each answer: float array of shape (n, n_values)."""
        return (self.said[:, :, None] == np.arange(len(self.values))).sum(axis=1).astype(float)

    def of(self, ids: Iterable[str]) -> "Opinions":
        """Returns the same for those of its texts that are among `ids`."""
        wanted = set(ids)
        rows = [number for number, identity in enumerate(self.ids) if identity in wanted]
        return Opinions([self.ids[row] for row in rows], self.people, self.values, self.said[rows])


def collect(annotations: Iterable[record.Annotation], task: Task, leave_out: Iterable[str] = ()) -> Opinions:
    """Returns the texts that two people or more labelled, each person's newest answer to each.

    People alone count, not models (`source`), nor corrections, which were asked for because the label looked wrong.
    leave_out : names that are no single person's, such as an adjudicator's. Answers without a name are by different
    people within a round; of several rounds, the newest counts.
    """
    skipped = set(leave_out)
    by_text: dict[str, dict[str, tuple[str, ...]]] = {}
    unnamed: dict[str, str] = {}
    for one in annotations:
        if one.source not in ("human", record.OPINION) or one.annotator in skipped or one.gone:
            continue
        given = by_text.setdefault(one.id, {})
        name = one.annotator
        if not name:
            if unnamed.setdefault(one.id, one.round) != one.round:
                unnamed[one.id] = one.round
                given = by_text[one.id] = {who: said for who, said in given.items() if not who.startswith(UNNAMED)}
            name = f"{UNNAMED} {1 + sum(who.startswith(UNNAMED) for who in given)}"
        given[name] = one.labels
    several = {identity: given for identity, given in by_text.items() if len(given) > 1}
    ids = sorted(several)
    people = sorted({who for given in several.values() for who in given})
    order = {labels: task.spell(labels) for given in several.values() for labels in given.values()}
    values = sorted(order, key=order.__getitem__)
    number, place = {labels: n for n, labels in enumerate(values)}, {who: n for n, who in enumerate(people)}
    said = np.full((len(ids), len(people)), -1)
    for row, identity in enumerate(ids):
        for who, labels in several[identity].items():
            said[row, place[who]] = number[labels]
    return Opinions(ids, people, values, said)


def beside(opinions: Opinions, predicted: dict[str, tuple[str, ...]]) -> tuple[Opinions, np.ndarray]:
    """Returns the opinions on the texts that the model labelled, too, and its answers: numbers in `values`, shape (n,)."""
    both = opinions.of(predicted)
    values = list(dict.fromkeys([*both.values, *(predicted[identity] for identity in both.ids)]))
    number = {labels: n for n, labels in enumerate(values)}
    return Opinions(both.ids, both.people, values, both.said), np.array([number[predicted[identity]] for identity in both.ids], dtype=int)


def weights(n: int, seed: int, count: int = bootstrap.RESAMPLES) -> np.ndarray:
    """Returns a column of ones, then one column per bootstrap resample of n texts: float array of shape (n, 1 + count)."""
    if not n:
        return np.ones((0, 1 + count))
    drawn = bootstrap.resamples(np.zeros((n, 1), dtype=np.int64), seed, count)
    return np.hstack([np.ones((n, 1)), *drawn]).astype(float)


def distances(values: list[tuple[str, ...]], multi_label: bool) -> np.ndarray:
    """Returns how unlike two answers are: 0 or 1, or for sets of labels MASI; array of shape (n_values, n_values)."""
    if not multi_label:
        return 1.0 - np.eye(len(values))
    return np.array([[masi(set(one), set(other)) for other in values] for one in values]).reshape(len(values), len(values))


def masi(one: set[str], other: set[str]) -> float:
    """Returns the distance of two sets, 0 to 1: 1 - Jaccard x (1 equal, 2/3 one within the other, 1/3 overlap, 0 apart).

    Passonneau 2006, "Measuring Agreement on Set-valued Items (MASI) for Semantic and Pragmatic Annotation". An empty
    set says "none of the labels": it is at 0 from itself and at 1 from any other.
    """
    if one == other:
        return 0.0
    if not one & other:
        return 1.0
    monotonic = 2 / 3 if one <= other or other <= one else 1 / 3
    return 1 - len(one & other) / len(one | other) * monotonic


def alpha(counts: np.ndarray, distance: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns Krippendorff's alpha among people in every resample, shape (n_resamples,); NaN where all answers are alike.

    counts : how many people gave each answer to each text, shape (n, n_values)
    weight : how often each text counts, shape (n, n_resamples)
    """
    people = counts.sum(axis=1)
    return _alpha(((counts @ distance) * counts).sum(axis=1) / np.maximum(people - 1, 1), counts, distance, weight)


def alpha_with(model: np.ndarray, counts: np.ndarray, distance: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns alpha of the pairs (model, person), one per answer of a person, in every resample.

    model : int array of shape (n,), the number of the model's answer. A text has as many pairs as people, so texts
    weigh here as they do among people: the two may be compared.
    """
    pairs = 2 * (counts * distance[model]).sum(axis=1)
    totals = counts.copy()
    totals[np.arange(len(model)), model] += counts.sum(axis=1)
    return _alpha(pairs, totals, distance, weight)


def _alpha(disagreement: np.ndarray, totals: np.ndarray, distance: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns 1 - observed / expected disagreement: `disagreement` of shape (n,), `totals` the answers, (n, n_values)."""
    given = totals.T @ weight
    n = given.sum(axis=0)
    expected = (given * (distance @ given)).sum(axis=0) / np.maximum(n * (n - 1), 1)
    observed = disagreement @ weight / np.maximum(n, 1)
    return np.divide(expected - observed, expected, out=np.full_like(n, np.nan), where=expected > 1e-12)


def raw(counts: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns the share of pairs of people who say the same, each text weighing as many times as it has answers."""
    people = counts.sum(axis=1)
    alike = (counts * (counts - 1)).sum(axis=1) / np.maximum(people - 1, 1)
    n = people @ weight
    return np.divide(alike @ weight, n, out=np.full_like(n, np.nan), where=n > 0)


def fleiss_kappa(counts: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns Fleiss' kappa (1971) in every resample, over the texts with the most usual number of answers.

    It is defined for the same number of answers to every text; alpha is not bound to that. NaN where all are alike.
    """
    people = counts.sum(axis=1).astype(int)
    if not len(people):
        return np.full(weight.shape[1], np.nan)
    usual = int(np.bincount(people).argmax())
    chosen = people == usual
    counts, weight = counts[chosen], weight[chosen]
    n = np.maximum(weight.sum(axis=0), 1)
    observed = ((counts * (counts - 1)).sum(axis=1) / (usual * (usual - 1))) @ weight / n
    expected = ((counts.T @ weight / (n * usual)) ** 2).sum(axis=0)
    return np.divide(observed - expected, 1 - expected, out=np.full_like(n, np.nan), where=1 - expected > 1e-12)


def cohen_kappa(one: np.ndarray, other: np.ndarray, multi_label: bool, weight: np.ndarray) -> np.ndarray:
    """Returns Cohen's kappa (1960) of two 0/1 arrays of shape (n, n_labels) in every resample.

    For multi-label: the mean of the labels' kappas, without those that neither ever gives. NaN where chance alone agrees fully.
    """
    n = np.maximum(weight.sum(axis=0), 1)
    first, second = one.T @ weight / n, other.T @ weight / n
    if multi_label:
        observed = (one == other).T @ weight / n
        expected = first * second + (1 - first) * (1 - second)
    else:
        observed = ((one == other).all(axis=1) @ weight / n)[None, :]
        expected = (first * second).sum(axis=0, keepdims=True)
    kappas = np.divide(observed - expected, 1 - expected, out=np.full_like(observed, np.nan), where=1 - expected > 1e-12)
    known = ~np.isnan(kappas)
    total = np.where(known, kappas, 0).sum(axis=0)
    return np.divide(total, known.sum(axis=0), out=np.full_like(total, np.nan), where=known.any(axis=0))


def interval(drawn: np.ndarray) -> tuple[float | None, list[float] | None]:
    """Returns (the value, its 95 % interval) of a row whose first entry is the value, the others the resamples'."""
    value, others = drawn[0], drawn[1:][~np.isnan(drawn[1:])]
    if np.isnan(value):
        return None, None
    low, high = np.quantile(others, [(1 - bootstrap.LEVEL) / 2, (1 + bootstrap.LEVEL) / 2]) if len(others) else (value, value)
    digits = scores.DIGITS
    return round(float(value), digits), [round(float(min(low, value)), digits), round(float(max(high, value)), digits)]


def one_label(opinions: Opinions, label: str) -> np.ndarray:
    """Returns the counts of "not this label" and "this label" per text: float array of shape (n, 2)."""
    has = np.array([label in labels for labels in opinions.values], dtype=bool)
    counts = opinions.counts
    return np.stack([counts[:, ~has].sum(axis=1), counts[:, has].sum(axis=1)], axis=1)
