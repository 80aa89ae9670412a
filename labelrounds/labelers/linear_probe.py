"""A linear head on an encoder's unit vectors: zero-shot by descriptions, or learnt (SetFit)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core import files
from labelrounds.core.params import Params
from labelrounds.labelers import contract, vectors
from labelrounds.models import base_models

HEAD = "head.safetensors"


@dataclass
class LinearProbe:
    """weights : float32 (n_labels, d); bias : float32 (n_labels,), -inf for a label that the training data lacks"""

    card: contract.Card
    fingerprint: str
    embedder: vectors.Embedder
    weights: np.ndarray
    bias: np.ndarray

    def scores(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns float32 probabilities of shape (n_texts, n_labels)."""
        return contract.probabilities(self.logits(texts, batch_size, progress), self.card)

    def logits(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns what the head says before calibration, float32 of shape (n_texts, n_labels)."""
        return self.embedder.embed(texts, batch_size, progress) @ self.weights.T + self.bias

    def embed(self, texts: list[str], batch_size: int) -> np.ndarray:
        """Returns the unit vectors of shape (n_texts, d)."""
        return self.embedder.embed(texts, batch_size)


def save(encoder: Path, weights: np.ndarray, bias: np.ndarray, card: contract.Card, folder: Path) -> None:
    """Writes a sealed labeler folder in one step. encoder : the model's folder, which is copied"""
    from safetensors.numpy import save_file

    made = files.beside(folder)
    base_models.copy(encoder, made)
    save_file({"weights": np.ascontiguousarray(weights, np.float32), "bias": np.ascontiguousarray(bias, np.float32)}, str(made / HEAD))
    contract.write_card(made, card, vectors.LIBRARIES)
    files.seal(made)
    files.publish(made, folder)


def load(folder: Path, card: contract.Card, machine: Any, settings: Params | None = None) -> LinearProbe:
    """Returns the labeler, ready to score."""
    from safetensors.numpy import load_file

    head = load_file(str(folder / HEAD))
    return LinearProbe(card, files.fingerprint(folder), vectors.load(folder, card, machine), head["weights"], head["bias"])
