"""The linear labeler: TF-IDF of words and characters, logistic regression. What a transformer must beat.

Words alone fail where a language writes none between blanks; character n-grams serve every script.
Saved as JSON and safetensors: no pickle.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core import files
from labelrounds.core.params import Params
from labelrounds.core.task import Task
from labelrounds.labelers import contract

LIBRARIES = ("scikit-learn", "numpy")
VOCABULARY, WEIGHTS = "vocabulary.json", "weights.safetensors"
EMBEDDING_SIZE = 128


@dataclass
class LinearLabeler:
    """One weight vector per label over TF-IDF features."""

    card: contract.Card
    fingerprint: str
    vectorizers: list[Any]
    weights: np.ndarray  # float64 (n_labels, n_features)
    bias: np.ndarray  # float64 (n_labels,); -inf for a label that the training data lacks

    def scores(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns float32 probabilities of shape (n_texts, n_labels)."""
        return contract.probabilities(self.logits(texts, batch_size, progress), self.card)

    def logits(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns what the regression says before calibration, float64 of shape (n_texts, n_labels)."""
        logits = np.asarray(features(texts, self.vectorizers) @ self.weights.T) + self.bias
        if progress:
            progress(len(texts))
        return logits

    def embed(self, texts: list[str], batch_size: int) -> np.ndarray:
        """Returns the TF-IDF features projected to at most 128 random directions (Achlioptas 2003)."""
        from sklearn.random_projection import SparseRandomProjection

        matrix = features(texts, self.vectorizers)
        projection = SparseRandomProjection(min(EMBEDDING_SIZE, matrix.shape[1]), random_state=0, dense_output=True)
        return projection.fit_transform(matrix).astype(np.float32)


def new_vectorizers() -> list[Any]:
    """Returns the vectorizers of words (1-2) and of characters within words (2-5)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return [
        TfidfVectorizer(analyzer="word", ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b"),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2),
    ]


def features(texts: list[str], vectorizers: list[Any]) -> Any:
    """Returns the sparse TF-IDF matrix of shape (n_texts, n_features)."""
    from scipy.sparse import hstack

    return hstack([vectorizer.transform(texts) for vectorizer in vectorizers], format="csr")


def train(texts: list[str], targets: np.ndarray, task: Task, inverse_regularization: float, seed: int) -> tuple[list[Any], np.ndarray, np.ndarray]:
    """Returns (vectorizers, weights, bias).

    targets : int array of shape (n_texts, n_labels), 1 where a label applies
    """
    vectorizers = new_vectorizers()
    for vectorizer in vectorizers:
        try:
            vectorizer.fit(texts)
        except ValueError:  # no n-gram in any text, or none that two texts share
            vectorizer.set_params(min_df=1, vocabulary={"\0": 0}).fit(texts)
    return vectorizers, *regression(features(texts, vectorizers), targets, task, inverse_regularization, seed)


def regression(
    matrix: Any,
    targets: np.ndarray,
    task: Task,
    inverse_regularization: float,
    seed: int,
    balanced: bool = False,
    counts: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns (weights, bias) of a logistic regression, of shapes (n_labels, n_features) and (n_labels,).

    matrix : sparse or dense, of shape (n_texts, n_features). A label that no text has gets a bias of -inf.
    balanced : whether the texts of a rare label count more, so that all labels weigh the same
    counts : how much each text counts, of shape (n_texts,)
    """
    from sklearn.linear_model import LogisticRegression

    n_texts = matrix.shape[0]
    weights = np.zeros((len(task.labels), matrix.shape[1]))
    bias = np.full(len(task.labels), -np.inf)

    def new() -> LogisticRegression:
        weight = "balanced" if balanced else None
        return LogisticRegression(C=inverse_regularization, max_iter=1000, random_state=seed, class_weight=weight)

    if task.multi_label:
        for number in range(len(task.labels)):
            if 0 < targets[:, number].sum() < n_texts:
                fitted = new().fit(matrix, targets[:, number], counts)
                weights[number], bias[number] = fitted.coef_[0], fitted.intercept_[0]
            elif targets[:, number].all():
                bias[number] = np.inf
    else:
        present = np.flatnonzero(targets.any(axis=0))
        if len(present) == 1:
            bias[present] = 0.0
        else:
            fitted = new().fit(matrix, targets.argmax(axis=1), counts)
            both = len(present) == 2  # scikit-learn gives one row for two classes: the second against the first
            weights[present] = np.vstack([-fitted.coef_ / 2, fitted.coef_ / 2]) if both else fitted.coef_
            bias[present] = np.concatenate([-fitted.intercept_ / 2, fitted.intercept_ / 2]) if both else fitted.intercept_
    return weights, bias


def save(vectorizers: list[Any], weights: np.ndarray, bias: np.ndarray, card: contract.Card, folder: Path) -> None:
    """Writes a sealed labeler folder in one step."""
    from safetensors.numpy import save_file

    made = files.beside(folder)
    words = [sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__) for vectorizer in vectorizers]
    files.write_json(made / VOCABULARY, words)
    tensors = {f"idf_{number}": vectorizer.idf_ for number, vectorizer in enumerate(vectorizers)}
    save_file({**tensors, "weights": np.ascontiguousarray(weights), "bias": bias}, str(made / WEIGHTS))
    contract.write_card(made, card, LIBRARIES)
    files.seal(made)
    files.publish(made, folder)


def load(folder: Path, card: contract.Card, machine: Any, settings: Params | None = None) -> LinearLabeler:
    """Returns the labeler, ready to score."""
    from safetensors.numpy import load_file

    tensors = load_file(str(folder / WEIGHTS))
    vectorizers = new_vectorizers()
    for number, words in enumerate(json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))):
        vectorizers[number].set_params(vocabulary={word: place for place, word in enumerate(words)})
        vectorizers[number].idf_ = tensors[f"idf_{number}"]
    return LinearLabeler(card, files.fingerprint(folder), vectorizers, tensors["weights"], tensors["bias"])
