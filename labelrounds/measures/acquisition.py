"""Which texts to ask about: arrays in, indices out; no torch.

Uncertainty is larger for texts that the model knows less about. For multi-label every label is a decision of
its own, and a text's uncertainty is the mean over its labels (least confidence: the worst label).
"""

import numpy as np

EPSILON = 1e-12


def least_confidence(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns 1 - the score of the decision (Lewis and Gale 1994), float array of shape (n,)."""
    if multi_label:
        return 1 - np.maximum(scores, 1 - scores).min(axis=1)
    return 1 - scores.max(axis=1)


def margin(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns 1 - the lead of the best answer over the second (Scheffer et al. 2001), of shape (n,)."""
    if multi_label:
        return 1 - np.abs(2 * scores - 1).mean(axis=1)
    top = np.sort(scores, axis=1)[:, -2:]
    return 1 - (top[:, 1] - top[:, 0])


def entropy(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns the entropy of the scores in nats (Shannon 1948; mean binary entropy for multi-label), of shape (n,)."""
    clipped = np.clip(scores, EPSILON, 1 - EPSILON)
    if multi_label:
        return -(clipped * np.log(clipped) + (1 - clipped) * np.log(1 - clipped)).mean(axis=1)
    return -(clipped * np.log(clipped)).sum(axis=1)


UNCERTAINTY = {"least-confidence": least_confidence, "margin": margin, "entropy": entropy}


def ranked(uncertainty: np.ndarray) -> np.ndarray:
    """Returns indices from the most uncertain text to the least; equals keep their order."""
    return np.argsort(-uncertainty, kind="stable")


def spread_kmeans(vectors: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Returns `size` indices, the text nearest to each of `size` k-means centres (Zhdanov 2019), in row order."""
    from sklearn.cluster import KMeans

    if len(vectors) <= size:
        return np.arange(len(vectors))
    vectors = _unit(vectors)
    distances = KMeans(size, n_init=1, random_state=seed).fit(vectors).transform(vectors)
    chosen: list[int] = []
    for centre in range(size):
        order = np.argsort(distances[:, centre], kind="stable")
        chosen.append(int(next(number for number in order if number not in set(chosen))))
    return np.sort(chosen)


def spread_coreset(vectors: np.ndarray, size: int) -> np.ndarray:
    """Returns `size` indices, each the text farthest from those before it (k-centre greedy, Sener and Savarese 2018)."""
    if len(vectors) <= size:
        return np.arange(len(vectors))
    vectors = _unit(vectors)
    chosen = [0]  # rows come most uncertain first
    nearest = np.linalg.norm(vectors - vectors[0], axis=1)
    while len(chosen) < size:
        nearest[chosen] = -1.0
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(vectors - vectors[chosen[-1]], axis=1))
    return np.asarray(chosen)


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), EPSILON)
