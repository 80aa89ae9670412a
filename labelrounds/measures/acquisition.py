"""Which texts to ask about: what the selection strategies share. Arrays in, indices out; no torch.

Uncertainty is larger for texts that the model knows less about. For multi-label every label is a decision of
its own, and a text's uncertainty is the mean over its labels (least confidence: the worst label).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from labelrounds.core import registry

EPSILON = 1e-12


@dataclass(frozen=True)
class Strategy:
    """The functions of one module of `strategies`, which says what they take; `spread` is None where embeddings do not matter."""

    uncertainty: Callable[[np.ndarray, bool], np.ndarray]
    order: Callable[[np.ndarray, int], np.ndarray]
    spread: Callable[[np.ndarray, int, int], np.ndarray] | None


def strategy(name: str) -> Strategy:
    """Returns the strategy of this name; a UserError that lists the names where there is none."""
    module = registry.find(registry.STRATEGIES, name, "strategy")
    return Strategy(module.uncertainty, getattr(module, "order", most_uncertain_first), getattr(module, "spread", None))


def most_uncertain_first(uncertainty: np.ndarray, seed: int = 0) -> np.ndarray:
    """Returns the n numbers from the most uncertain text to the least; equals keep their order. No chance is in it, so no `seed`."""
    return np.argsort(-uncertainty, kind="stable")


def entropy(scores: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns the entropy of the scores in nats (Shannon 1948; mean binary entropy for multi-label), float array of shape (n,).

    scores : float array of shape (n, n_labels)
    """
    clipped = np.clip(scores, EPSILON, 1 - EPSILON)
    if multi_label:
        return -(clipped * np.log(clipped) + (1 - clipped) * np.log(1 - clipped)).mean(axis=1)
    return -(clipped * np.log(clipped)).sum(axis=1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Returns the vectors with length 1, float64 array of shape (n, d)."""
    vectors = vectors.astype(np.float64)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), EPSILON)
