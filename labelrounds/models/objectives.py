"""What a language model learns to guess, masked tokens or the next one: batches, losses, and the loss on held-out texts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelrounds.models import base_models
from labelrounds.models.runtime import PAD_TO, Machine, autocast
from labelrounds.models.training import batch_seed

IGNORED = -100  # torch's own mark for targets that do not count
MASKED_TO = 64  # masked tokens go to the head in multiples of this, as PAD_TO for tokens


@dataclass(frozen=True)
class Objective:
    """collate : (lists of token ids, seed) → the tensors of a batch; loss : (model, batch, reduction) → scalar; causal : next tokens, not masked ones"""

    collate: Callable[[list[Any], int], dict[str, Any]]
    loss: Callable[..., Any]
    causal: bool


def of(encoder: base_models.BaseModel, mask_probability: float) -> Objective:
    """Returns the objective that a base model was made for."""
    if encoder.objective == base_models.CAUSAL:
        return Objective(next_token(encoder.tokenizer), causal_loss, True)
    return Objective(masking(encoder.tokenizer, mask_probability), masked_loss, False)


def pad(rows: list[dict[str, Any]], tokenizer: Any) -> dict[str, Any]:
    """Returns tensors of shape (n, tokens), padded to the batch's longest text, rounded up to a multiple of PAD_TO."""
    from transformers.data.data_collator import pad_without_fast_tokenizer_warning

    return dict(pad_without_fast_tokenizer_warning(tokenizer, rows, return_tensors="pt", pad_to_multiple_of=PAD_TO))


def masking(tokenizer: Any, probability: float) -> Callable[[list[Any], int], dict[str, Any]]:
    """Returns a collate that masks tokens as BERT does (Devlin et al. 2019: 80 % mask, 10 % random, 10 % kept).

    Special tokens are never masked; the batch seed draws the masks, so every epoch has fresh ones.
    """
    from transformers import DataCollatorForLanguageModeling

    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=probability, seed=0, pad_to_multiple_of=PAD_TO)
    collator.create_rng()
    generator: Any = collator.generator  # of torch, as the tensors are

    def collate(rows: list[Any], seed: int) -> dict[str, Any]:
        generator.manual_seed(seed)
        return dict(collator.torch_call([{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows]))

    return collate


def next_token(tokenizer: Any) -> Callable[[list[Any], int], dict[str, Any]]:
    """Returns a collate for the causal objective: every token but padding is to be guessed."""

    def collate(rows: list[Any], seed: int) -> dict[str, Any]:
        batch = pad([{"input_ids": row, "attention_mask": [1] * len(row)} for row in rows], tokenizer)
        batch["labels"] = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED)
        return batch

    return collate


def masked_loss(model: Any, batch: dict[str, Any], reduction: str = "mean") -> Any:
    """Returns the cross-entropy of the masked tokens, projecting only these to the vocabulary.

    A hook hands the head the hidden states at masked positions, of shape (1, masked, hidden), in place of all
    of them: for small models the projection to the vocabulary costs as much as the encoder.
    """
    import torch

    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    places = (batch["labels"].flatten() != IGNORED).nonzero().flatten()
    if not len(places):  # a short batch may happen to have no mask at all
        return model(**inputs).logits.sum() * 0
    spare = -len(places) % MASKED_TO
    targets = torch.nn.functional.pad(batch["labels"].flatten()[places], (0, spare), value=IGNORED)
    places = torch.nn.functional.pad(places, (0, spare))

    def only_masked(module: Any, args: Any, output: Any) -> Any:
        output.last_hidden_state = output.last_hidden_state.flatten(0, 1)[places].unsqueeze(0)
        return output

    hook = model.base_model.register_forward_hook(only_masked)
    try:
        logits = model(**inputs).logits[0].float()
    finally:
        hook.remove()
    return torch.nn.functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction=reduction)


def causal_loss(model: Any, batch: dict[str, Any], reduction: str = "mean") -> Any:
    """Returns the cross-entropy of every next token."""
    import torch

    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1].float()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"][:, 1:].flatten(), ignore_index=IGNORED, reduction=reduction)


def fixed_batches(valid: Any, objective: Objective, size: int, seed: int) -> list[dict[str, Any]]:
    """Returns batches with masks drawn once, so that losses compare. valid : a dataset of `input_ids` and `length`"""
    order = np.argsort(np.asarray(valid["length"]), kind="stable")
    ids = valid["input_ids"]
    return [
        objective.collate([ids[int(number)] for number in order[start : start + size]], batch_seed(seed, 2**31, start))
        for start in range(0, len(order), size)
    ]


def mean_loss(model: Any, batches: list[dict[str, Any]], objective: Objective, machine: Machine) -> float:
    """Returns the mean loss per guessed token over fixed batches, without training."""
    import torch

    model.eval()
    device = next(model.parameters()).device
    total, count = 0.0, 0
    with torch.inference_mode(), autocast(machine):
        for batch in batches:
            batch = {name: tensor.to(device) for name, tensor in batch.items()}
            targets = batch["labels"][:, 1:] if objective.causal else batch["labels"]
            guessed = int((targets != IGNORED).sum())
            if guessed:
                total += float(objective.loss(model, batch, reduction="sum"))
                count += guessed
    return total / max(count, 1)
