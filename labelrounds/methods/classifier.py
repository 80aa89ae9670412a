"""A classifier: an encoder with a classification head, trained on labelled texts."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core.examples import Examples
from labelrounds.core.params import Finetune
from labelrounds.core.task import Task, indicator
from labelrounds.labelers import contract, transformer
from labelrounds.measures import scores
from labelrounds.methods import heads
from labelrounds.models import adapters, base_models, objectives, training
from labelrounds.models.runtime import Machine


def train(
    encoder: base_models.BaseModel,
    card: contract.Card,
    train: Examples,
    valid: Examples,
    finetune: Finetune,
    folder: Path,
    machine: Machine,
    checkpoint_seconds: float,
    title: str,
    weights: np.ndarray | None = None,
) -> tuple[Any, list[training.Epoch]]:
    """Returns (the model at its best epoch by macro-F1 on `valid`, all epochs); without validation texts its last step, and no epochs.

    folder : where checkpoints stand; a second call with the same arguments goes on from there
    weights : how much each text of `train` counts in the loss, of shape (n,); multi-label: each label of each, (n, n_labels)
    """
    task = card.schema
    model = new(encoder, card, machine, finetune, train)
    rows = tokenized(train, encoder, card)
    if weights is not None:
        rows = [{**row, "weight": weight} for row, weight in zip(rows, weights.tolist(), strict=True)]
    rows = rows * repeats(len(rows), finetune)
    plan = training.Plan(
        finetune.epochs,
        finetune.learning_rate,
        finetune.batch_size,
        finetune.warmup,
        finetune.weight_decay,
        patience=finetune.patience,
        rate=rates(model, finetune),
    )
    epochs = training.fit(
        model,
        rows,
        np.asarray([len(row["input_ids"]) for row in rows]),
        lambda batch, seed: objectives.pad(batch, encoder.tokenizer),
        classification_loss(class_weights(train.gold, finetune.class_weights, task), task),
        plan,
        folder,
        machine,
        checkpoint_seconds,
        title,
        (lambda model: valid_f1(model, encoder, card, valid, finetune.batch_size, machine)) if len(valid) else None,
        token_ids=tokens(rows, tokenized(valid, encoder, card), padding=encoder.tokenizer.pad_token_id),
    )
    return model, epochs


def repeats(n: int, finetune: Finetune) -> int:
    """Returns how often an epoch goes through `n` training texts: once, or as often as `min_steps` asks.

    Few texts are few steps, and too few steps are the reason why fine-tuning fails on them (Mosbach et al. 2021, "On the
    Stability of Fine-tuning BERT"; Zhang et al. 2021, "Revisiting Few-sample BERT Fine-tuning"). Longer epochs, not more
    of them: each is scored on validation, and patience counts them.
    """
    once = finetune.epochs * -(-max(n, 1) // finetune.batch_size)
    return max(1, -(-finetune.min_steps // once))


def steps(n: int, finetune: Finetune) -> int:
    """Returns how many batches of `n` training texts train a model, if no patience ends."""
    return finetune.epochs * -(-n * repeats(n, finetune) // finetune.batch_size)


def new(encoder: base_models.BaseModel, card: contract.Card, machine: Machine, finetune: Finetune, train: Examples) -> Any:
    """Returns the encoder with a new head that begins at what the training texts say, and adapters where they are asked for.

    What is random in it is drawn from the runtime's seed, whatever was drawn before.
    """
    import torch

    torch.manual_seed(machine.seed)
    options = adapters.quantisation(finetune.lora)
    model = base_models.load_classifier(encoder, card.schema, machine, card.pooling, **options)
    if not options:  # a model in four bits is where it belongs already
        model.to(machine.device)
    base_models.check_length(model, card.tokens)
    rows = tokenized(train, encoder, card)
    heads.begin(model, rows, train.gold, card.schema, finetune.head, steps(len(rows), finetune), encoder.tokenizer, machine)
    return model if finetune.lora is None else adapters.wrap(model, finetune.lora)


def rates(model: Any, finetune: Finetune) -> Callable[[str], float] | None:
    """Returns by what the learning rate is multiplied for a weight of this name: more for the head, less for each layer further from it.

    Layers by the numbers in their names, as transformers counts them; the embeddings lie below all of them (the layer-wise
    decay of Howard and Ruder 2018, "Universal Language Model Fine-tuning for Text Classification").
    """
    head, decay = (finetune.head_learning_rate or finetune.learning_rate) / finetune.learning_rate, finetune.layer_decay
    if head == decay == 1.0:
        return None
    inner = model.base_model.model if adapters.is_wrapped(model) else model
    encoder = {id(weight) for weight in inner.base_model.parameters()}
    new = {name for name, weight in model.named_parameters() if id(weight) not in encoder}
    number = re.compile(r"\.(?:layers?|h|blocks?)\.(\d+)\.")
    depth = 1 + max((int(found.group(1)) for name, _ in model.named_parameters() if (found := number.search(f".{name}"))), default=-1)

    def rate(name: str) -> float:
        if name in new:
            return head
        found = number.search(f".{name}")
        if found:
            return decay ** (depth - 1 - int(found.group(1)))
        return decay**depth if "embed" in name or "wte" in name or "wpe" in name else 1.0

    return rate


def tokenized(examples: Examples, encoder: base_models.BaseModel, card: contract.Card) -> list[dict[str, Any]]:
    """Returns one dict of token ids and labels per text."""
    rows = transformer.tokenize(examples.texts, encoder.tokenizer, card.tokens)
    return [{**row, "labels": target} for row, target in zip(rows, targets(examples.gold, card.schema), strict=True)]


def tokens(*tokenised: list[dict[str, Any]], padding: int) -> set[int]:
    """Returns the ids of all tokens in these texts, and that of the padding between them."""
    return {padding}.union(*(row["input_ids"] for rows in tokenised for row in rows))


def valid_f1(model: Any, encoder: base_models.BaseModel, card: contract.Card, valid: Examples, batch_size: int, machine: Machine) -> float:
    """Returns the model's macro-F1 on `valid`: what chooses the best epoch."""
    return scores.macro_f1(valid.gold, decided(model, encoder, card, valid, batch_size, machine))


def decided(model: Any, encoder: base_models.BaseModel, card: contract.Card, valid: Examples, batch_size: int, machine: Machine) -> np.ndarray:
    """Returns what the model says of `valid`, a 0/1 array of shape (n, n_labels).

    For multi-label with the thresholds that it would get: at 0.5 a model that still learns gives rare labels to no text at all,
    and every epoch would look the same.
    """
    logits = transformer.TransformerLabeler(card, "", model, encoder.tokenizer, machine).logits(valid.texts, batch_size)
    if card.schema.multi_label:
        card = contract.calibrated(card, logits, valid.gold)
    return indicator(contract.decide(contract.probabilities(logits, card), card), card.schema)


def targets(gold: np.ndarray, task: Task) -> list[Any]:
    """Returns what the loss compares with: a label id per text, or a list of 0.0 and 1.0."""
    return gold.astype(float).tolist() if task.multi_label else gold.argmax(axis=1).tolist()


def class_weights(gold: np.ndarray, how: str, task: Task) -> np.ndarray:
    """Returns float weights of shape (n_labels,): all 1 ("none"), or n / (k * count), as scikit-learn's "balanced".

    "auto" is "balanced" for multi-class, and "none" for multi-label, where each label gets a threshold of its own.
    """
    if how == "none" or (how == "auto" and task.multi_label):
        return np.ones(gold.shape[1])
    return gold.sum() / (gold.shape[1] * np.maximum(gold.sum(axis=0), 1))


def classification_loss(weights: np.ndarray, task: Task) -> Any:
    """Returns the loss (model, batch) → scalar: cross-entropy, or for multi-label one binary cross-entropy per label.

    weights : per label, of shape (n_labels,). A batch's own `weight` per text (multi-label: per text and label) multiplies its loss.
    """
    import torch

    @cache
    def on(device: Any) -> Any:
        """Returns the weights on a device; to bring them there at every step would let a GPU wait."""
        return torch.as_tensor(weights, dtype=torch.float32, device=device)

    def loss(model: Any, batch: dict[str, Any]) -> Any:
        inputs = {name: tensor for name, tensor in batch.items() if name not in ("labels", "weight")}
        logits = model(**inputs).logits.float()
        per_label = on(logits.device)
        losses = each_loss(logits, batch["labels"], per_label, task)
        if "weight" in batch:
            losses = losses * batch["weight"].to(losses.dtype)
        return losses.mean() if task.multi_label else losses.sum() / per_label[batch["labels"]].sum()

    return loss


def each_loss(logits: Any, labels: Any, per_label: Any, task: Task) -> Any:
    """Returns the loss of each text, of shape (n,); for multi-label of each text and label, (n, n_labels)."""
    import torch

    if task.multi_label:
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.float(), pos_weight=per_label, reduction="none")
    return torch.nn.functional.cross_entropy(logits, labels, weight=per_label, reduction="none")
