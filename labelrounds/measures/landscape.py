"""The map of the pool: texts as points of a plane, in groups, with the words that are typical of each group. Vectors in; no torch.

The plane is that of the two first principal components of the labeler's own vectors: near points are texts that it finds
alike. A plane shows a part of what the vectors hold, so groups are found among the whole vectors.
"""

import heapq
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from labelrounds.measures import acquisition
from labelrounds.pool import predictions

COLUMNS = ["id", "text", "label", "confidence", "x", "y", "group", "mark"]
UNSURE, QUEUED = "unsure", "queued"
LEAST_SURE = 0.1  # share of the texts that are marked as those of which the labeler is least sure
GROUP, GROUPS = 40, 16  # texts of a group, on average; and groups at most
WORD = re.compile(r"\w+")


def sample(size: int) -> dict[str, int]:
    """Returns {id: its first row in the pool} of the `size` texts with the smallest ids.

    Ids are digests, so this is a random sample, and nearly the same one after every round: the map changes where the labeler does.
    """
    first: dict[str, int] = {}
    for number, identity in enumerate(predictions.ids()):
        first.setdefault(identity, number)
    return dict(heapq.nsmallest(size, first.items()))


def plane(vectors: np.ndarray) -> np.ndarray:
    """Returns points in [-1, 1] x [-1, 1], float array of shape (n, 2), for unit vectors made of those of shape (n, d).

    The two first principal components (Pearson 1901). Each points to where its largest weight is positive, so that the same
    vectors are never drawn mirrored.
    """
    from sklearn.decomposition import PCA

    points = np.zeros((len(vectors), 2))
    vectors = acquisition.unit(vectors)
    count = min(2, len(vectors), vectors.shape[1])
    if count and np.ptp(vectors, axis=0).any():
        fitted = PCA(count, svd_solver="full").fit(vectors)
        weights: Any = fitted.components_
        sign = np.sign(weights[np.arange(count), np.abs(weights).argmax(axis=1)])
        points[:, :count] = fitted.transform(vectors) * sign
        points /= max(float(np.abs(points).max()), acquisition.EPSILON)
    return points


def groups(vectors: np.ndarray, seed: int) -> np.ndarray:
    """Returns the number of each text's group by k-means, int array of shape (n,); some 40 texts make a group."""
    from sklearn.cluster import KMeans

    k = min(max(len(vectors) // GROUP, 1), GROUPS)
    options: dict[str, Any] = {"n_init": 1, "random_state": seed}  # scikit-learn names no types
    return KMeans(k, **options).fit_predict(acquisition.unit(vectors)) if k > 1 else np.zeros(len(vectors), dtype=int)


def marks(confidence: np.ndarray, queued: np.ndarray) -> list[str]:
    """Returns what is special of each text: that it waits in the queue, or is among the least sure tenth of the others.

    confidence : float array of shape (n,); queued : bool array of the same shape
    """
    others = np.flatnonzero(~queued)
    least = set(others[np.argsort(confidence[others], kind="stable")[: round(LEAST_SURE * len(others))]].tolist())
    return [QUEUED if waits else UNSURE if number in least else "" for number, waits in enumerate(queued)]


def typical(texts: Sequence[str], of: np.ndarray, count: int) -> list[list[str]]:
    """Returns the words that tell each group from the others, the most typical first.

    of : int array of shape (n,), the group of each text. A word counts once per text. It is ranked by the z-score of its
    log-odds against the other groups, with the whole sample as prior (Monroe, Colaresi and Quinn 2008, "Fightin' Words"): no
    list of stop words, so it serves every language. Where texts have no blanks, pairs of signs stand for words.
    """
    seen = [set(parts(text)) for text in texts]
    index = {word: number for number, word in enumerate(sorted({word for some in seen for word in some}))}
    k = int(of.max()) + 1 if len(of) else 0
    counts = np.zeros((k, len(index)))
    for group, some in zip(of, seen, strict=True):
        counts[group, [index[word] for word in some]] += 1
    words, whole = list(index), counts.sum(axis=0)
    found = []
    for own in counts:
        rest, prior = whole - own, whole / max(whole.sum(), 1) * 100
        odds, others = ((some + prior) / (some.sum() + 100 - some - prior) for some in (own, rest))
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.nan_to_num((np.log(odds) - np.log(others)) / np.sqrt(1 / (own + prior) + 1 / (rest + prior)), nan=-np.inf)
        ranked = np.argsort(-z, kind="stable")[:count]
        found.append([words[number] for number in ranked if z[number] > 0 and own[number] > 1])
    return found


def parts(text: str) -> list[str]:
    """Returns the words of a text in lower case; of a text that has no blanks, its pairs of signs."""
    words = WORD.findall(text.lower())
    if words and max(map(len, words)) > 15 and not words[0].isascii():
        return [word[place : place + 2] for word in words for place in range(max(len(word) - 1, 1))]
    return [word for word in words if len(word) > 1 and not word.isdigit()]
