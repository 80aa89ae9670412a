"""F1 and its relatives: arrays in, plain dict out; no torch.

All arrays of gold and predicted labels are 0/1 indicator matrices of shape (n_texts, n_labels); a
multi-class row holds exactly one 1.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from labelrounds.core.task import Task

DIGITS = 6


def summary(gold: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray, task: Task) -> dict[str, Any]:
    """Returns accuracy, F1 (micro, macro, weighted, per label), ROC AUC and, for multi-label, Jaccard.

    accuracy is subset accuracy for multi-label. Macro-F1 is the mean over the labels that have gold texts, see `tested`;
    a label without any has no F1 (None), as it has no ROC AUC. That it is said wrongly lowers the F1 of others.
    """
    from sklearn.metrics import f1_score, jaccard_score

    seen = tested(gold)
    per_label = _averaged(f1_score, gold, predicted, None)
    weights = gold.sum(axis=0)
    values: dict[str, Any] = {
        "accuracy": float((gold == predicted).all(axis=1).mean()),
        "f1_micro": _averaged(f1_score, gold, predicted, "micro"),
        "f1_macro": per_label[seen].mean() if seen.any() else 0.0,
        "f1_weighted": float((per_label * weights).sum() / max(weights.sum(), 1)),
        "roc_auc": mean_of(roc_auc(gold, probabilities)),
    }
    if task.multi_label:
        values["jaccard"] = _averaged(jaccard_score, gold, predicted, "samples", 1.0)
    values["f1"] = {label: value if seen[number] else None for number, (label, value) in enumerate(zip(task.labels, per_label, strict=True))}
    return rounded(values)


def tested(gold: np.ndarray) -> np.ndarray:
    """Returns which labels have gold texts, bool array of shape (n_labels,): those alone have an F1, whatever was predicted.

    So the average is over the same labels for every model on the same texts, and one false positive of a label that no
    text can prove right does not count as a label that fails.
    """
    return np.asarray(gold.any(axis=0))


def untested(gold: np.ndarray, task: Task) -> list[str]:
    """Returns the labels without gold texts, which have no F1."""
    return [label for label, yes in zip(task.labels, tested(gold), strict=True) if not yes]


def macro_f1(gold: np.ndarray, predicted: np.ndarray) -> float:
    """Returns the mean F1 over the labels that have gold texts; what chooses the best epoch."""
    return float(macro_f1_by(np.ones((1, len(gold))), gold, predicted)[0])


def macro_f1_by(weights: np.ndarray, gold: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Returns the macro-F1 under each row of text weights, float array of shape (b,).

    weights : float array of shape (b, n), how often each text counts; a label without gold text under a row does not count there
    """
    support = weights @ gold
    both, either, seen = weights @ (gold & predicted), support + weights @ predicted, support > 0
    f1 = np.divide(2 * both, either, out=np.zeros_like(both), where=seen)
    return f1.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)


def roc_auc(gold: np.ndarray, probabilities: np.ndarray) -> list[float | None]:
    """Returns the area under the ROC curve of each label against the rest; None where gold lacks either side."""
    from sklearn.metrics import roc_auc_score

    return [
        float(roc_auc_score(gold[:, number], probabilities[:, number])) if 0 < gold[:, number].sum() < len(gold) else None
        for number in range(gold.shape[1])
    ]


def per_label(gold: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray, task: Task) -> list[dict[str, Any]]:
    """Returns one row per label: precision, recall, f1, roc_auc, support."""
    from sklearn.metrics import precision_recall_fscore_support

    columns = _averaged(precision_recall_fscore_support, gold, predicted, None)
    areas = roc_auc(gold, probabilities)
    return [
        rounded({"label": label, "precision": p, "recall": r, "f1": f, "roc_auc": area, "support": int(s)})
        for label, p, r, f, s, area in zip(task.labels, *columns, areas, strict=True)
    ]


def _averaged(measure: Callable[..., Any], gold: np.ndarray, predicted: np.ndarray, average: str | None, empty: float = 0) -> Any:
    """Returns what a measure of scikit-learn says, which names no types. empty : where there is nothing to divide by"""
    return measure(gold, predicted, average=average, zero_division=empty)


def mean_of(values: list[float | None]) -> float | None:
    """Returns the mean of those that are not None, or None."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Returns the same dict with plain floats of six digits, so that a diff shows changes and no noise."""
    return {
        name: rounded(value) if isinstance(value, dict) else round(float(value), DIGITS) if isinstance(value, (float, np.floating)) else value
        for name, value in values.items()
    }
