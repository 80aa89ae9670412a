"""Texts as unit vectors: what nearest neighbours, linear probes and descriptions are compared by."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.labelers import contract, inference, transformer
from labelrounds.models import base_models, pooling
from labelrounds.models.runtime import Machine

LIBRARIES = ("torch", "transformers", "tokenizers", "scikit-learn")


@dataclass(frozen=True)
class Embedder:
    """An encoder without a head. pooling : how it makes one vector of a text's tokens (models/pooling.py)"""

    model: Any
    tokenizer: Any
    max_length: int
    machine: Machine
    pooling: str

    def embed(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns one vector per text at length 1: float32 of shape (n_texts, d)."""
        rows = transformer.tokenize(texts, self.tokenizer, self.max_length)
        found = transformer.run(rows, self.model, self.tokenizer, self.machine, batch_size, transformer.text_vectors(self.pooling), progress)
        if not len(found):
            return np.zeros((0, self.model.config.hidden_size), np.float32)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


def start(encoder: base_models.BaseModel, card: contract.Card, machine: Machine) -> Embedder:
    """Returns the embedder of a base model that is opened already, for the labeler that the card describes."""
    model = inference.ready(base_models.load_encoder(encoder, machine), machine, card.tokens)
    base_models.check_length(model, card.tokens)
    return Embedder(model, encoder.tokenizer, card.tokens, machine, card.pooling or pooling.MEAN)


def load(folder: Path, card: contract.Card, machine: Any) -> Embedder:
    """Returns the embedder of a labeler's folder, on the machine's device."""
    machine = machine() if callable(machine) else machine
    tokenizer = base_models.load_tokenizer(folder / base_models.COPY)
    return start(base_models.BaseModel(folder / base_models.COPY, "", tokenizer), card, machine)
