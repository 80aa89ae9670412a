"""Ask about the texts where two answers lie close together (Scheffer et al. 2001, "Active Hidden Markov Models for Information Extraction")."""

import numpy as np


def uncertainty(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns 1 - the lead of the best answer over the second, for multi-label the mean over the labels; float array of shape (n,).

    scores : float array of shape (n, n_labels)
    """
    if multi_label:
        return 1 - np.abs(2 * scores - 1).mean(axis=1)
    top = np.sort(scores, axis=1)[:, -2:]
    return 1 - (top[:, 1] - top[:, 0])
