"""Ask about texts drawn at random, whatever the model says: the strategy that every other one has to beat."""

import numpy as np

from labelrounds.measures import acquisition


def uncertainty(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns the entropy of the scores, of shape (n,): shown in the queue, and without influence on it."""
    return acquisition.entropy(scores, multi_label)


def order(uncertainty: np.ndarray, seed: int) -> np.ndarray:
    """Returns the n numbers in random order."""
    return np.random.default_rng(seed).permutation(len(uncertainty))
