"""Texts as unit vectors: what nearest neighbours, linear probes and descriptions are compared by."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.labelers import transformer
from labelrounds.models import base_models
from labelrounds.models.runtime import Machine

LIBRARIES = ("torch", "transformers", "tokenizers", "scikit-learn")


@dataclass(frozen=True)
class Embedder:
    """An encoder without a head."""

    model: Any
    tokenizer: Any
    max_length: int
    machine: Machine

    def embed(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns the mean last hidden state over each text's tokens, at length 1: float32 of shape (n_texts, d)."""
        rows = transformer.tokenize(texts, self.tokenizer, self.max_length)
        found = transformer.run(rows, self.model, self.tokenizer, self.machine, batch_size, transformer.mean_hidden_state, progress)
        if not len(found):
            return np.zeros((0, self.model.config.hidden_size), np.float32)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def load(folder: Path, max_length: int, machine: Any) -> Embedder:
    """Returns the embedder of a labeler's folder, on the machine's device."""
    machine = machine() if callable(machine) else machine
    tokenizer = base_models.load_tokenizer(folder / base_models.COPY)
    model = base_models.load_encoder(base_models.BaseModel(folder / base_models.COPY, "", tokenizer), machine)
    return Embedder(model, tokenizer, max_length, machine)
