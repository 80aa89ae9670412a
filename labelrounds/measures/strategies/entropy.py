"""Ask about the texts whose scores have the highest entropy."""

import numpy as np

from labelrounds.measures import acquisition


def uncertainty(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns the entropy of the scores, float array of shape (n,)."""
    return acquisition.entropy(scores, multi_label)
