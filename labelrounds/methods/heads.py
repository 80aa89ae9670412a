"""Where a new classification head begins: at what the encoder's vectors of the labelled texts know already.

A head that begins at random spends the first steps on bending the encoder to chance directions, and with few labels there
are few steps. Begun at a regression on the frozen vectors ("linear probing, then fine-tuning", Kumar et al. 2022,
"Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution") it starts where the cheap labeler ends.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from labelrounds.core.task import Task
from labelrounds.labelers import linear, transformer
from labelrounds.models.runtime import Machine

AUTO, RANDOM, MEANS, PROBE = "auto", "random", "means", "probe"
# Below so many training texts, or so many training steps, per label `auto` begins at the probe. With more of both a random head has
# time enough to learn (docs/labelers.md has the figures).
FEW_TEXTS = FEW_STEPS = 10
SHARPNESS = 10.0  # class means: what cosines are multiplied by. Of a softmax over cosines alone no label would stand out


def begin(model: Any, rows: list[dict[str, Any]], gold: np.ndarray, task: Task, how: str, steps: int, tokenizer: Any, machine: Machine) -> None:
    """Sets the weights and the bias of the model's head from the labelled texts; the encoder stays as it is.

    rows : n tokenised texts; gold : their labels, 0/1 array of shape (n, n_labels); how : `auto`, `random`, `means` or `probe`;
    steps : how many batches will train the model. A label that no text has keeps its random weights, and a bias that makes it rare.
    """
    import torch

    layer = head_of(model, len(task.labels))
    if layer is None:
        return
    if how == AUTO:
        how = beginning(len(rows), steps, len(task.labels))
    bias = log_odds(gold) if task.multi_label else np.zeros(gold.shape[1])
    weights = None
    if how != RANDOM and len(rows):
        vectors = read_by_head(model, layer, rows, tokenizer, machine)
        length = float(np.linalg.norm(vectors, axis=1).mean())
        found, offsets = fit(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), gold, task, how)
        known = np.isfinite(offsets)
        weights = layer.weight.detach().float().cpu().numpy().astype(np.float64)
        weights[known], bias = found[known] / max(length, 1e-12), np.where(known, offsets, bias)
    with torch.no_grad():
        if weights is not None:
            layer.weight.copy_(torch.as_tensor(weights, dtype=layer.weight.dtype))
        if layer.bias is not None:  # heads of decoders have none
            layer.bias.copy_(torch.as_tensor(bias, dtype=layer.bias.dtype))


def beginning(n_texts: int, steps: int, n_labels: int) -> str:
    """Returns where `auto` begins: at the probe if texts or steps are few per label, otherwise at random."""
    return PROBE if n_texts < FEW_TEXTS * n_labels or steps < FEW_STEPS * n_labels else RANDOM


def head_of(model: Any, n_labels: int) -> Any | None:
    """Returns the last linear layer of the new head, None where the model has no such layer."""
    import torch

    pretrained = set(model.base_model.modules())  # a layer of theirs may be as wide as there are labels
    heads = [layer for layer in model.modules() if layer not in pretrained and isinstance(layer, torch.nn.Linear) and layer.out_features == n_labels]
    return heads[-1] if heads else None


def log_odds(gold: np.ndarray) -> np.ndarray:
    """Returns the bias that gives each label as often as the training texts have it, float array of shape (n_labels,).

    Of many labels most apply to few texts. From a bias of 0 all that a model learns for hundreds of steps is to give none,
    and what the encoder knew may be lost on the way (the prior of Lin et al. 2017, "Focal Loss for Dense Object
    Detection").
    """
    share = (gold.sum(axis=0) + 0.5) / (len(gold) + 1)
    return np.log(share / (1 - share))


def fit(vectors: np.ndarray, gold: np.ndarray, task: Task, how: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns (weights, bias) on unit vectors of shape (n, d); a label that they do not tell apart gets a bias that is not finite."""
    if how == PROBE:
        return linear.regression(vectors, gold, task, 1.0, 0, balanced=not task.multi_label)
    counts = gold.sum(axis=0)
    weights = gold.T @ vectors / np.maximum(counts, 1)[:, None]
    weights *= SHARPNESS / np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-12)
    if not task.multi_label:
        return weights, np.where(counts > 0, 0.0, -np.inf)
    weights -= SHARPNESS * vectors.mean(axis=0)  # a label applies where a text is nearer to its texts than to all
    return weights, np.where(counts > 0, log_odds(gold), -np.inf)


def read_by_head(model: Any, layer: Any, rows: list[dict[str, Any]], tokenizer: Any, machine: Machine) -> np.ndarray:
    """Returns what the layer reads of each text, float array of shape (n, d), without dropout."""
    was_training = model.training
    model.eval()
    with _inputs(layer) as seen:

        def forward(model: Any, batch: dict[str, Any]) -> Any:
            model(**batch)
            found = seen.pop()
            if found.ndim == 3:  # classes for decoders score every token; the last one counts
                found = found[range(len(found)), batch["attention_mask"].sum(1) - 1]
            return found

        vectors = transformer.run([{name: row[name] for name in row if name != "labels"} for row in rows], model, tokenizer, machine, 64, forward)
    model.train(was_training)
    return vectors.astype(np.float64)


@contextmanager
def _inputs(layer: Any) -> Iterator[list[Any]]:
    seen: list[Any] = []
    hook = layer.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].detach()))
    try:
        yield seen
    finally:
        hook.remove()
