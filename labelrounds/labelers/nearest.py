"""The nearest-neighbours labeler: the labelled texts as vectors, and a vote among those nearest to a text.

Each of the k neighbours votes with 1 / its cosine distance (Dudani 1976), so a copy of a labelled text gets its label.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core import files
from labelrounds.core.params import Params
from labelrounds.core.task import Task
from labelrounds.labelers import contract, vectors
from labelrounds.models import base_models

KNOWN = "neighbours.safetensors"
CLOSEST = 1e-3  # distances below this count as this: bfloat16 and batching move a text's own vector about so far
DOUBT = 0.5  # of one vote, spread over the labels: a label without a neighbour is unlikely, not impossible


@dataclass
class NearestLabeler:
    """known : float32 unit vectors (n, d) of the labelled texts; gold : 0/1 int matrix (n, n_labels)"""

    card: contract.Card
    fingerprint: str
    embedder: vectors.Embedder
    known: np.ndarray
    gold: np.ndarray

    def scores(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns float32 probabilities of shape (n_texts, n_labels): the neighbours' votes."""
        return contract.probabilities(self.logits(texts, batch_size, progress), self.card)

    def logits(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns the votes as logits, before calibration: float64 of shape (n_texts, n_labels)."""
        found = self.embedder.embed(texts, batch_size, progress)
        return vote(found, self.known, self.gold, self.card.training["neighbours"], self.card.schema)

    def embed(self, texts: list[str], batch_size: int) -> np.ndarray:
        """Returns the unit vectors of shape (n_texts, d)."""
        return self.embedder.embed(texts, batch_size)


def vote(wanted: np.ndarray, known: np.ndarray, gold: np.ndarray, k: int, task: Task) -> np.ndarray:
    """Returns logits of shape (n, n_labels) whose softmax (multi-label: sigmoid) is the share of the neighbours' votes.

    wanted, known : unit vectors of shape (n, d) and (m, d), k of the m vote; gold : 0/1 matrix of shape (m, n_labels)
    """
    from sklearn.neighbors import NearestNeighbors

    if not len(wanted):
        return np.zeros((0, gold.shape[1]))
    distances, numbers = NearestNeighbors(n_neighbors=k, metric="cosine", algorithm="brute").fit(known).kneighbors(wanted)
    votes = 1 / np.maximum(distances.astype(np.float64), CLOSEST)
    votes /= votes.sum(axis=1, keepdims=True) / k  # the mean neighbour has one vote
    share = np.einsum("nk,nkl->nl", votes, gold[numbers].astype(np.float64))
    if task.multi_label:
        share = (share + DOUBT / 2) / (k + DOUBT)
        return np.log(share) - np.log1p(-share)
    return np.log((share + DOUBT / gold.shape[1]) / (k + DOUBT))


def save(encoder: Path, known: np.ndarray, gold: np.ndarray, card: contract.Card, folder: Path) -> None:
    """Writes a sealed labeler folder in one step. encoder : the model's folder, which is copied"""
    from safetensors.numpy import save_file

    made = files.beside(folder)
    base_models.copy(encoder, made)
    save_file({"vectors": np.ascontiguousarray(known), "gold": np.ascontiguousarray(gold, np.uint8)}, str(made / KNOWN))
    contract.write_card(made, card, vectors.LIBRARIES)
    files.seal(made)
    files.publish(made, folder)


def load(folder: Path, card: contract.Card, machine: Any, settings: Params | None = None) -> NearestLabeler:
    """Returns the labeler, ready to score."""
    from safetensors.numpy import load_file

    known = load_file(str(folder / KNOWN))
    return NearestLabeler(card, files.fingerprint(folder), vectors.load(folder, card, machine), known["vectors"], known["gold"].astype(int))
