"""Ask about the texts whose decision has the lowest score (Lewis and Gale 1994, "A Sequential Algorithm for Training Text Classifiers")."""

import numpy as np


def uncertainty(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns 1 - the score of the decision, of its worst label for multi-label; float array of shape (n,).

    scores : float array of shape (n, n_labels)
    """
    if multi_label:
        return 1 - np.maximum(scores, 1 - scores).min(axis=1)
    return 1 - scores.max(axis=1)
