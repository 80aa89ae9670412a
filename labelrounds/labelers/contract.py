"""The contract of all labelers: texts go in and scores come out.

A labeler is a folder, models/labeler/NAME/, with `labeler.json` (the card), the files of its kind and a manifest. `load` returns
an object that follows the `Labeler` contract; the stages know nothing else. A new kind is one module with a
`load(folder, card, machine, settings)`, found by the name that stands in the card.
"""

import importlib.metadata
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from labelrounds.core import files, paths, portable, registry
from labelrounds.core.errors import UserError, at
from labelrounds.core.params import Params
from labelrounds.core.task import Task
from labelrounds.measures import calibration
from labelrounds.models import runtime
from labelrounds.models.runtime import Machine

CARD = "labeler.json"


@dataclass(frozen=True)
class Card:
    """What there is to know of a labeler without loading it.

    thresholds : multi-label: a label applies from this score on
    temperature : multi-class: logits are divided by it; platt : multi-label: (slope, intercept) for the logits of each label
    base : fingerprint of the model it was tuned from; training : fingerprint and size of its training data
    pooling : how it makes one vector of a text's tokens (models/pooling.py); None: it reads none, or is older than this choice
    """

    kind: str
    task: str
    labels: list[str]
    thresholds: list[float]
    temperature: float
    max_length: int | None
    base: dict[str, Any] | None
    training: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)
    platt: list[list[float]] | None = None
    pooling: str | None = None

    @property
    def schema(self) -> Task:
        """The task with the labels in the order of the scores' columns."""
        return Task(self.task, tuple(self.labels))

    @property
    def tokens(self) -> int:
        """The max_length of a labeler that reads tokens: its card always has one."""
        if self.max_length is None:
            raise ValueError(f"the card of a labeler of the kind {self.kind} has no max_length")
        return self.max_length


class Labeler(Protocol):
    """The contract of every labeler."""

    card: Card
    fingerprint: str

    def scores(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns float32 scores of shape (n_texts, n_labels): probabilities that sum to 1 (multi-class) or one per label."""
        ...

    def logits(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns floats of shape (n_texts, n_labels), which `probabilities` turns into scores."""
        ...

    def embed(self, texts: list[str], batch_size: int) -> np.ndarray:
        """Returns float32 vectors of shape (n_texts, d), in which near texts mean similar things."""
        ...


def _module(kind: str) -> ModuleType | None:
    """Returns the module of a kind, `linear-probe` is linear_probe.py; imported here, so that a linear labeler never waits for torch."""
    folder = next((folder for folder in (registry.KINDS, registry.ASKED) if kind in registry.names(folder)), None)
    return registry.find(folder, kind, "kind of labeler") if folder else None


def load(folder: str | Path, machine: Any = None, settings: Params | None = None) -> Labeler:
    """Returns the labeler in `folder` after checking every file against its manifest.

    machine : a `Machine`, or a function that returns one; kinds that need no torch never call it
    settings : where a language model is asked, its server and its pace; None where nothing new will be asked
    """
    folder = Path(folder)
    card = read_card(folder)
    files.verify(folder)
    module = _module(card.kind)
    if module is None:
        raise UserError(f'{at(folder / CARD)}: the kind "{card.kind}" is unknown to this version of labelrounds. Update it, or run `dvc repro`.')
    return module.load(folder, card, machine, settings)


def load_named(name: str, settings: Params) -> Labeler:
    """Returns the labeler NAME of the project, on the machine that params.yaml describes."""

    def start() -> Machine:
        return runtime.of(settings)

    portable.check(settings.runtime.reproducible)
    return load(paths.LABELERS / name, start, settings)


def new_card(
    kind: str, task: Task, trained_on: Path, n: int, max_length: int | None = None, base: dict[str, Any] | None = None, pooling: str | None = None
) -> Card:
    """Returns the card of a labeler trained on the `n` texts of the file `trained_on`, not calibrated yet."""
    thresholds = [0.5] * len(task.labels)
    training = {"n": n, "fingerprint": files.sha256(trained_on)[:16]}
    return Card(kind, task.type, list(task.labels), thresholds, 1.0, max_length, base, training, pooling=pooling)


def read_card(folder: str | Path) -> Card:
    """Returns the card of the labeler in `folder`; none there is a UserError."""
    path = Path(folder) / CARD
    if not path.is_file():
        raise UserError(f"{at(folder)}: there is no labeler here yet. Run `dvc repro` (or `dvc pull`) first.")
    try:
        return Card(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:  # not JSON, or not the keys of this version
        raise UserError(
            f"{at(path)}: not a card that this version of labelrounds reads ({error}). Remove {at(folder)}, then run `dvc repro`."
        ) from None


def write_card(folder: str | Path, card: Card, libraries: tuple[str, ...]) -> None:
    """Writes labeler.json with the versions of the libraries that the labeler needs."""
    versions = {name: importlib.metadata.version(name) for name in libraries}
    files.write_json(Path(folder) / CARD, {**asdict(card), "versions": versions})


def probabilities(logits: np.ndarray, card: Card) -> np.ndarray:
    """Returns float32 scores for logits of shape (n, k), calibrated by the card: a softmax over the labels, or one sigmoid per label."""
    from scipy.special import expit, softmax

    if card.task == "multi-class":
        return softmax(logits / card.temperature, axis=1).astype(np.float32)
    slope, intercept = np.asarray(card.platt or [[1.0, 0.0]] * len(card.labels)).T
    return expit(logits * slope + intercept).astype(np.float32)


def decide(scores: np.ndarray, card: Card) -> list[tuple[str, ...]]:
    """Returns the labels that scores of shape (n, k) mean: the highest, or each at or above its threshold."""
    if card.task == "multi-class":
        return [(card.labels[number],) for number in scores.argmax(axis=1)]
    above = scores >= np.asarray(card.thresholds, dtype=scores.dtype)
    return [tuple(label for label, yes in zip(card.labels, row, strict=True) if yes) for row in above]


def confidence(scores: np.ndarray, card: Card) -> np.ndarray:
    """Returns how sure a decision is, float array of shape (n,): the label's score; multi-label: of the least sure label."""
    if card.task == "multi-class":
        return scores.max(axis=1)
    above = scores >= np.asarray(card.thresholds, dtype=scores.dtype)
    return np.where(above, scores, 1 - scores).min(axis=1)


def calibrated(card: Card, logits: np.ndarray, gold: np.ndarray) -> Card:
    """Returns the card with a temperature, or a slope, an intercept and a threshold per label, fitted on validation.

    logits : float array of shape (n, k) of the validation texts; gold : 0/1 array of the same shape
    """
    if not len(logits):
        return card
    if card.task == "multi-class":
        return replace(card, temperature=calibration.temperature(logits, gold.argmax(axis=1)))
    pairs = [calibration.platt(logits[:, number], gold[:, number]) for number in range(gold.shape[1])]
    card = replace(card, platt=[list(pair) for pair in pairs])
    scores = probabilities(logits, card)
    return replace(card, thresholds=[calibration.threshold(scores[:, number], gold[:, number]) for number in range(gold.shape[1])])


def said(ids: list[str], scores: np.ndarray, labeler: Labeler) -> dict[str, Any]:
    """Returns the columns of a shard of predictions for n texts: id, labels, confidence, a score per label, the labeler's fingerprint.

    scores : float array of shape (n, n_labels)
    """
    card, task = labeler.card, labeler.card.schema
    return {
        "id": ids,
        task.column: [task.spell(labels) for labels in decide(scores, card)],
        "confidence": confidence(scores, card),
        **{f"score_{label}": scores[:, number] for number, label in enumerate(card.labels)},
        "labeler": [labeler.fingerprint] * len(ids),
    }
