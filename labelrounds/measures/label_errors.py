"""Which labels look wrong? Confident learning: arrays in, ranking out; no torch.

Northcutt, Jiang & Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels". A model that never saw a
label says how probable it is. A label is likely if its probability reaches that label's mean (over the texts that carry it). A
label is denied if the model predicts another one, and another one is the most probable of the likely labels. Texts are
ranked by how probable the model holds their label ("self-confidence").

For multi-label every label is a decision of its own, between "applies" and "does not", and a text's rank is that of its
worst one, not the moving average of Thyagarajan et al. 2022 ("Identifying Incorrect Annotations in Multi-Label
Classification Data"): where most labels are rare, the many that are rightly absent would hide the wrong one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Judged:
    """What a model thinks of n labels that it has not seen.

    quality : float array of shape (n,), 0 to 1: how likely the labels are right, to rank by
    denied : bool array of shape (n,), whether confident learning counts them among the wrong ones
    better : 0/1 int array of shape (n, n_labels), what the model would say
    """

    quality: np.ndarray
    denied: np.ndarray
    better: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """The texts' numbers, the most doubtful first; equals keep their order."""
        return np.argsort(self.quality, kind="stable")


def judge(gold: np.ndarray, probabilities: np.ndarray, multi_label: bool) -> Judged:
    """Returns what out-of-fold `probabilities` say of the labels `gold`, both of shape (n, n_labels)."""
    return _judge_each(gold, probabilities) if multi_label else _judge_one(gold, probabilities)


def _judge_one(gold: np.ndarray, probabilities: np.ndarray) -> Judged:
    given = gold.argmax(axis=1)
    quality = probabilities[np.arange(len(gold)), given]
    # A label that nobody gave has no threshold: it denies nothing.
    usual = np.array([probabilities[given == label, label].mean() if (given == label).any() else np.inf for label in range(gold.shape[1])])
    likely = np.where(probabilities >= usual, probabilities, -1.0)
    said = probabilities.argmax(axis=1)
    denied = (likely.max(axis=1) >= 0) & (likely.argmax(axis=1) != given) & (said != given)
    return Judged(quality, denied, np.eye(gold.shape[1], dtype=np.int64)[np.where(denied, likely.argmax(axis=1), said)])


def _judge_each(gold: np.ndarray, probabilities: np.ndarray) -> Judged:
    confidence = np.where(gold == 1, probabilities, 1 - probabilities)
    better = (probabilities >= 0.5).astype(np.int64)
    denied = np.zeros(len(gold), dtype=bool)
    for label in range(gold.shape[1]):
        one = _judge_one(
            np.stack([1 - gold[:, label], gold[:, label]], axis=1), np.stack([1 - probabilities[:, label], probabilities[:, label]], axis=1)
        )
        denied |= one.denied
        better[:, label] = np.where(one.denied, one.better[:, 1], better[:, label])
    return Judged(confidence.min(axis=1), denied, better)


def folds(gold: np.ndarray, groups: Sequence[str], count: int, seed: int, multi_label: bool) -> np.ndarray:
    """Returns the number of each text's fold, int array of shape (n,): near-duplicates together, labels spread evenly.

    groups : the near-duplicate key of each text. Multi-label texts are spread by their rarest label.
    """
    strata = gold.argmax(axis=1)
    if multi_label:
        rarest = np.where(gold == 1, gold.sum(axis=0), len(gold) + 1).argmin(axis=1)
        strata = np.where(gold.any(axis=1), rarest, gold.shape[1])
    members: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    # Like cards: the groups of one label after those of another, in random order, dealt one by one.
    dealt = np.random.default_rng(seed).permutation(len(members))
    together = list(members.values())
    found = np.zeros(len(gold), dtype=np.int64)
    for place, number in enumerate(sorted(dealt, key=lambda number: strata[together[number][0]])):
        found[together[number]] = place % count
    return found


def probe(vectors: np.ndarray, gold: np.ndarray, fold: np.ndarray, multi_label: bool, seed: int) -> np.ndarray:
    """Returns out-of-fold probabilities of shape (n, n_labels): a logistic regression on unit vectors for every fold.

    vectors : float array of shape (n, d); fold : int array of shape (n,). A label that the other folds lack gets 0.
    """
    from sklearn.linear_model import LogisticRegression

    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    found = np.zeros(gold.shape, dtype=np.float32)

    def fitted(seen: np.ndarray, target: np.ndarray, unseen: np.ndarray) -> np.ndarray:
        return LogisticRegression(max_iter=1000, random_state=seed).fit(vectors[seen], target[seen]).predict_proba(vectors[unseen])

    for number in np.unique(fold):
        seen, unseen = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if multi_label:
            for label in range(gold.shape[1]):
                both = 0 < gold[seen, label].sum() < len(seen)
                found[unseen, label] = fitted(seen, gold[:, label], unseen)[:, 1] if both else gold[seen, label].mean()
        else:
            present = np.unique(gold[seen].argmax(axis=1))
            found[np.ix_(unseen, present)] = fitted(seen, gold.argmax(axis=1), unseen) if len(present) > 1 else 1.0
    return found


def found_among(order: np.ndarray, wrong: np.ndarray, share: float) -> float:
    """Returns which share of the texts that are known to be `wrong` stands in the first `share` of a ranking."""
    first = order[: round(share * len(order))]
    return float(wrong[first].sum() / max(wrong.sum(), 1))
