"""A classifier: an encoder with a classification head, trained on labelled texts."""

from pathlib import Path
from typing import Any

import numpy as np

from labelrounds import encoders, labelers, scores, training
from labelrounds.examples import Examples
from labelrounds.labelers import transformer
from labelrounds.params import Finetune
from labelrounds.runtime import Runtime
from labelrounds.schema import Task


def train(
    encoder: encoders.Encoder,
    card: labelers.Card,
    train: Examples,
    valid: Examples,
    finetune: Finetune,
    folder: Path,
    machine: Runtime,
    checkpoint_seconds: float,
    title: str,
) -> tuple[Any, list[training.Epoch]]:
    """Returns (the model at its best epoch by macro-F1 on `valid`, all epochs).

    folder : where checkpoints stand; a second call with the same arguments goes on from there
    """
    task = card.schema
    model = encoders.load_classifier(encoder, task, machine).to(machine.device)
    encoders.check_length(model, card.max_length)
    rows = [
        {**row, "labels": target}
        for row, target in zip(transformer.tokenize(train.texts, encoder.tokenizer, card.max_length), targets(train.gold, task), strict=True)
    ]

    def valid_f1(model: Any) -> float:
        labeler = transformer.TransformerLabeler(card, "", model, encoder.tokenizer, machine)
        return scores.macro_f1(valid.gold, scores.indicator(labelers.decide(labeler.scores(valid.texts, finetune.batch_size), card), task))

    plan = training.Plan(
        finetune.epochs, finetune.learning_rate, finetune.batch_size, finetune.warmup, finetune.weight_decay, patience=finetune.patience
    )
    epochs = training.fit(
        model,
        rows,
        np.asarray([len(row["input_ids"]) for row in rows]),
        lambda batch, seed: training.pad(batch, encoder.tokenizer),
        classification_loss(class_weights(train.gold, finetune.class_weights), task),
        plan,
        folder,
        machine,
        checkpoint_seconds,
        title,
        valid_f1,
    )
    return model, epochs


def targets(gold: np.ndarray, task: Task) -> list[Any]:
    """Returns what the loss compares with: a label id per text, or a list of 0.0 and 1.0."""
    return gold.astype(float).tolist() if task.multi_label else gold.argmax(axis=1).tolist()


def class_weights(gold: np.ndarray, how: str) -> np.ndarray:
    """Returns float weights of shape (n_labels,): all 1 ("none"), or n / (k * count), as scikit-learn's "balanced"."""
    if how == "none":
        return np.ones(gold.shape[1])
    return gold.sum() / (gold.shape[1] * np.maximum(gold.sum(axis=0), 1))


def classification_loss(weights: np.ndarray, task: Task) -> Any:
    """Returns the loss (model, batch) → scalar: cross-entropy, or for multi-label one binary cross-entropy per label."""
    import torch

    def loss(model: Any, batch: dict[str, Any]) -> Any:
        inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
        logits = model(**inputs).logits.float()
        weight = torch.as_tensor(weights, dtype=torch.float32, device=logits.device)
        if task.multi_label:
            return torch.nn.functional.binary_cross_entropy_with_logits(logits, batch["labels"].float(), pos_weight=weight)
        return torch.nn.functional.cross_entropy(logits, batch["labels"], weight=weight)

    return loss
