"""Classifiers of other projects, on the same texts and the same base model."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core.errors import UserError
from labelrounds.core.examples import Examples
from labelrounds.core.task import Task

SMALL_TEXT = "small-text"


def small_text(drawn: Examples, asked: list[str], task: Task, base: Path, seed: int) -> np.ndarray:
    """Returns what small-text's TransformerBasedClassification, with its own defaults, gives for texts, of shape (n_asked, n_labels).

    Its defaults: 10 epochs at 2e-5, batches of 12, a tenth of the labelled texts for validation.
    """
    try:
        peer: Any = import_module("small_text")
        quiet = import_module("small_text.utils").VERBOSITY_QUIET
    except ImportError:
        raise UserError(
            "the arm small-text needs that package, which is no dependency of labelrounds: pip install --no-deps small-text==2.0.0.dev4"
        ) from None
    import torch
    from scipy.sparse import csr_matrix
    from transformers import AutoTokenizer

    torch.manual_seed(seed)
    np.random.seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    labels = np.arange(len(task.labels))
    gold = csr_matrix(drawn.gold.astype(np.int64)) if task.multi_label else drawn.gold.argmax(axis=1)
    known = peer.TransformersDataset.from_arrays(drawn.texts, gold, tokenizer, target_labels=labels, max_length=128)
    nothing = csr_matrix((len(asked), len(labels)), dtype=np.int64) if task.multi_label else np.zeros(len(asked), dtype=np.int64)
    unknown = peer.TransformersDataset.from_arrays(asked, nothing, tokenizer, target_labels=labels, max_length=128)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    classifier = peer.TransformerBasedClassification(
        peer.TransformerModelArguments(str(base), show_progress_bar=False),
        len(labels),
        multi_label=task.multi_label,
        device=device,
        verbosity=quiet,
    )
    classifier.fit(known)
    return np.asarray(classifier.predict_proba(unknown))


def decide(found: np.ndarray, task: Task) -> np.ndarray:
    """Returns the labels that these probabilities mean, as 0 and 1, of their shape: the likeliest one, or all from a half on."""
    return (found >= 0.5).astype(np.int8) if task.multi_label else np.eye(len(task.labels), dtype=np.int8)[found.argmax(axis=1)]
