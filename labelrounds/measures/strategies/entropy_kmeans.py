"""Ask about texts of high entropy that are spread over the clusters of their embeddings (Zhdanov 2019, "Diverse mini-batch Active Learning")."""

from typing import Any

import numpy as np

from labelrounds.measures import acquisition


def uncertainty(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns the entropy of the scores, float array of shape (n,)."""
    return acquisition.entropy(scores, multi_label)


def spread(vectors: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Returns `size` numbers, the text nearest to each of `size` k-means centres, in row order.

    vectors : float array of shape (n, d)
    """
    from sklearn.cluster import KMeans

    if len(vectors) <= size:
        return np.arange(len(vectors))
    vectors = acquisition.unit(vectors)
    options: dict[str, Any] = {"n_init": 1, "random_state": seed}  # scikit-learn names no types
    distances = KMeans(size, **options).fit(vectors).transform(vectors)
    chosen: list[int] = []
    for centre in range(size):
        order = np.argsort(distances[:, centre], kind="stable")
        chosen.append(int(next(number for number in order if number not in set(chosen))))
    return np.sort(chosen)
