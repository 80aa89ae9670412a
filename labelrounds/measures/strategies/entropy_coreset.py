"""Ask about texts of high entropy that lie far apart: k-centre greedy (Sener and Savarese 2018, "Active Learning for Convolutional Neural Networks")."""

import numpy as np

from labelrounds.measures import acquisition


def uncertainty(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns the entropy of the scores, float array of shape (n,)."""
    return acquisition.entropy(scores, multi_label)


def spread(vectors: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Returns `size` numbers, the first row's and then each time that of the text farthest from those before it; no chance, no `seed`.

    vectors : float array of shape (n, d), the most uncertain text first
    """
    if len(vectors) <= size:
        return np.arange(len(vectors))
    vectors = acquisition.unit(vectors)
    chosen = [0]
    nearest = np.linalg.norm(vectors - vectors[0], axis=1)
    while len(chosen) < size:
        nearest[chosen] = -1.0
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(vectors - vectors[chosen[-1]], axis=1))
    return np.asarray(chosen)
