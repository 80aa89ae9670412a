"""How a trained model reads many texts: in which batches, in which precision, and with which attention kernel."""

from typing import Any

import numpy as np

from labelrounds.models.runtime import PAD_TO, Machine

TOKENS = 1024  # per batch on a CPU: more gain next to nothing, and take more memory where texts are long
MULTIPLES = {"cpu": 1, "cuda": PAD_TO}  # a batch's tokens per text are a multiple of this: GPUs multiply such shapes faster, CPUs do not
SHORT = 128  # tokens: up to here the plain attention kernel is faster than the fused one, in bfloat16 on a CPU


def batches(lengths: np.ndarray, size: int, machine: Machine) -> list[np.ndarray]:
    """Returns the numbers of the rows of each batch, longest rows first, so that a batch needs little padding.

    lengths : tokens of each row; size : the most rows of a batch. On a CPU a batch of long rows has fewer: TOKENS at most.
    """
    order = np.argsort(-lengths, kind="stable")
    found, start = [], 0
    while start < len(order):
        fit = max(1, TOKENS // int(lengths[order[start]])) if machine.device == "cpu" else size
        found.append(order[start : start + min(size, fit)])
        start += len(found[-1])
    return found


def batch_of(rows: list[dict[str, Any]], tokenizer: Any, machine: Machine) -> dict[str, Any]:
    """Returns tensors of shape (n, tokens) on the machine's device, padded to the longest row, rounded up to its multiple."""
    from transformers.data.data_collator import pad_without_fast_tokenizer_warning

    batch = pad_without_fast_tokenizer_warning(tokenizer, rows, return_tensors="pt", pad_to_multiple_of=MULTIPLES[machine.device])
    return {name: tensor.to(machine.device) for name, tensor in batch.items()}


def ready(model: Any, machine: Machine, max_length: int) -> Any:
    """Returns the model, on the machine's device and ready to read. In bfloat16 it has its weights in that, so that no product copies them.

    Buffers stay as they are: positions that rotate need float32. max_length : tokens of the longest text
    """
    import torch

    model.eval().to(machine.device)
    if machine.bf16:
        for weight in model.parameters():
            if weight.is_floating_point():
                weight.data = weight.data.to(torch.bfloat16)
        if machine.device == "cpu" and max_length <= SHORT:
            model.set_attn_implementation("eager")
    return model


def precision(model: Any, machine: Machine) -> Any:
    """Returns the context to run a model in: bfloat16 products where the machine says so and the weights are not in it, as in training."""
    import torch

    whole = all(weight.dtype == torch.bfloat16 for weight in model.parameters())
    return torch.autocast(machine.device, dtype=torch.bfloat16, enabled=machine.bf16 and not whole)
