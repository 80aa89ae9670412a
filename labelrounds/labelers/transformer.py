"""The transformer labeler: an encoder or a decoder with a classification head."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core import files
from labelrounds.core.params import Params
from labelrounds.labelers import contract, inference
from labelrounds.models import adapters, base_models, pooling
from labelrounds.models.runtime import Machine

LIBRARIES = ("torch", "transformers", "tokenizers")


@dataclass
class TransformerLabeler:
    """A fine-tuned model: softmax over the labels, or one sigmoid per label."""

    card: contract.Card
    fingerprint: str
    model: Any
    tokenizer: Any
    machine: Machine

    def scores(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns float32 probabilities of shape (n_texts, n_labels)."""
        return contract.probabilities(self.logits(texts, batch_size, progress), self.card)

    def logits(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns what the head says before calibration, float32 of shape (n_texts, n_labels)."""
        return self._run(texts, batch_size, lambda model, batch: model(**batch).logits, progress)

    def embed(self, texts: list[str], batch_size: int) -> np.ndarray:
        """Returns one vector per text, of shape (n_texts, hidden size): what a pooled head reads, otherwise the mean over the tokens."""
        return self._run(texts, batch_size, text_vectors(getattr(self.model, "how", pooling.MEAN)), None)

    def _run(self, texts: list[str], batch_size: int, forward: Callable[..., Any], progress: Callable[[int], Any] | None) -> np.ndarray:
        rows = tokenize(texts, self.tokenizer, self.card.tokens)
        return run(rows, self.model, self.tokenizer, self.machine, batch_size, forward, progress)


def run(
    rows: list[dict[str, Any]],
    model: Any,
    tokenizer: Any,
    machine: Machine,
    batch_size: int,
    forward: Callable[[Any, dict[str, Any]], Any],
    progress: Callable[[int], Any] | None = None,
) -> np.ndarray:
    """Returns what `forward` makes of each tokenised row, float32, in the order of `rows`; batches hold rows of similar length."""
    import torch

    results: list[Any] = [None] * len(rows)
    lengths = np.asarray([len(row["input_ids"]) for row in rows], dtype=int)
    made = []  # stays on the device until all is under way: a GPU computes while the next batch is put together
    with torch.inference_mode(), inference.precision(model, machine):
        for chosen in inference.batches(lengths, batch_size, machine):
            batch = inference.batch_of([rows[number] for number in chosen], tokenizer, machine)
            made.append((chosen, forward(model, batch).float()))
            if progress:
                progress(len(chosen))
        for chosen, found in made:
            for number, result in zip(chosen, found.cpu().numpy(), strict=True):
                results[number] = result
    return np.asarray(results, dtype=np.float32)


def tokenize(texts: Sequence[str | tuple[str, str]], tokenizer: Any, max_length: int) -> list[dict[str, Any]]:
    """Returns one dict of token ids per text, cut at `max_length` tokens; a decoder's empty text gets one padding token.

    A pair (text, question) is read as two segments, and only the first of them is cut.
    """
    if not texts:
        return []
    if isinstance(texts[0], tuple):
        first, second = (list(part) for part in zip(*texts, strict=True))
        encoded = tokenizer(first, second, truncation="only_first", max_length=max_length, return_attention_mask=True)
    else:
        encoded = tokenizer(list(texts), truncation=True, max_length=max_length, return_attention_mask=True)
    rows = [{name: encoded[name][number] for name in encoded} for number in range(len(texts))]
    for row in rows:
        if not row["input_ids"]:
            row.update(input_ids=[tokenizer.pad_token_id], attention_mask=[1])
    return rows


def text_vectors(how: str) -> Callable[[Any, dict[str, Any]], Any]:
    """Returns what makes one vector per text of a model and a batch, of shape (n, hidden size). how : as in models/pooling.py"""
    return lambda model, batch: pooling.pool(model.base_model(**batch).last_hidden_state, batch["attention_mask"], how)


def save(model: Any, encoder: base_models.BaseModel, card: contract.Card, folder: Path) -> None:
    """Writes a sealed labeler folder in one step; of a model with adapters, these beside the encoder they belong to."""
    made = files.beside(folder)
    if adapters.is_wrapped(model):
        base_models.copy(encoder.folder, made)
        adapters.save(model, made / adapters.ADAPTER)
    elif is_pooled(model):
        from labelrounds.models import pooled

        pooled.save(model, made)
        encoder.tokenizer.save_pretrained(made)
        pooling.copy(encoder.folder, made)
    else:
        model.save_pretrained(made)
        encoder.tokenizer.save_pretrained(made)
    contract.write_card(made, card, (*LIBRARIES, "peft") if adapters.is_wrapped(model) else LIBRARIES)
    files.seal(made)
    files.publish(made, folder)


def is_pooled(model: Any) -> bool:
    """Says whether a model without adapters has a head of our own, not one of transformers."""
    return hasattr(model, "how")


def load(folder: Path, card: contract.Card, machine: Any, settings: Params | None = None) -> TransformerLabeler:
    """Returns the labeler, on the machine's device, ready to score."""
    from transformers import AutoModelForSequenceClassification

    from labelrounds.models import pooled

    machine = machine() if callable(machine) else machine
    adapter = folder / adapters.ADAPTER
    if adapter.is_dir():
        source = folder / base_models.COPY
        encoder = base_models.BaseModel(source, "", base_models.load_tokenizer(source))
        model, tokenizer = adapters.merge(base_models.load_classifier(encoder, card.schema, machine, card.pooling), adapter), encoder.tokenizer
    elif (folder / pooled.HEAD).is_file() and card.pooling:
        model, tokenizer = pooled.load(folder, card.pooling), base_models.load_tokenizer(folder)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(folder, local_files_only=True, trust_remote_code=False, use_safetensors=True)
        tokenizer = base_models.load_tokenizer(folder)
    return TransformerLabeler(card, files.fingerprint(folder), inference.ready(model, machine, card.tokens), tokenizer, machine)
