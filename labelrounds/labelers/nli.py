"""Zero-shot by natural-language inference: does the text entail a sentence that says the label? (Yin et al. 2019)

As in transformers' zero-shot pipeline: multi-class is a softmax of the labels' entailment; multi-label weighs
entailment against contradiction, label by label.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from labelrounds.core import files
from labelrounds.core.params import Params
from labelrounds.labelers import contract, inference, transformer
from labelrounds.models import base_models, pooling
from labelrounds.models.runtime import Machine

LIBRARIES = ("torch", "transformers", "tokenizers")
HYPOTHESES = "hypotheses.json"
TEXTS_AT_ONCE = 256


@dataclass
class NliLabeler:
    """hypotheses : one sentence per label; entailment, contradiction : numbers of the model's outputs"""

    card: contract.Card
    fingerprint: str
    model: Any
    tokenizer: Any
    machine: Machine
    hypotheses: list[str]
    entailment: int
    contradiction: int

    def scores(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns float32 probabilities of shape (n_texts, n_labels)."""
        return contract.probabilities(self.logits(texts, batch_size, progress), self.card)

    def logits(self, texts: list[str], batch_size: int, progress: Callable[[int], Any] | None = None) -> np.ndarray:
        """Returns the entailment of each label before calibration, float32 of shape (n_texts, n_labels)."""
        found = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            some = texts[start : start + TEXTS_AT_ONCE]
            pairs = [(text, hypothesis) for text in some for hypothesis in self.hypotheses]
            rows = transformer.tokenize(pairs, self.tokenizer, self.card.tokens)
            logits = transformer.run(rows, self.model, self.tokenizer, self.machine, batch_size, lambda model, batch: model(**batch).logits)
            logits = logits.reshape(len(some), len(self.hypotheses), -1)
            against = logits[..., self.contradiction] if self.card.schema.multi_label else 0
            found.append(logits[..., self.entailment] - against)
            if progress:
                progress(len(some))
        return np.concatenate(found) if found else np.zeros((0, len(self.hypotheses)), np.float32)

    def embed(self, texts: list[str], batch_size: int) -> np.ndarray:
        """Returns the mean of the last hidden states over each text's tokens, of shape (n_texts, hidden size)."""
        rows = transformer.tokenize(texts, self.tokenizer, self.card.tokens)
        return transformer.run(rows, self.model, self.tokenizer, self.machine, batch_size, transformer.text_vectors(pooling.MEAN))


def knows_inference(folder: Path) -> bool:
    """Says whether a model folder holds a classifier of inference: one of its labels is entailment."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return _number_of(config.get("label2id") or {}, "entail") is not None


def _number_of(labels: dict[str, int], begins: str) -> int | None:
    return next((number for label, number in labels.items() if label.lower().startswith(begins)), None)


def save(encoder: Path, hypotheses: list[str], card: contract.Card, folder: Path) -> None:
    """Writes a sealed labeler folder in one step. encoder : the model's folder, which is copied"""
    made = files.beside(folder)
    base_models.copy(encoder, made)
    files.write_json(made / HYPOTHESES, hypotheses)
    contract.write_card(made, card, LIBRARIES)
    files.seal(made)
    files.publish(made, folder)


def load(folder: Path, card: contract.Card, machine: Machine | Callable[[], Machine], settings: Params | None = None) -> NliLabeler:
    """Returns the labeler, on the machine's device, ready to score."""
    hypotheses = json.loads((folder / HYPOTHESES).read_text(encoding="utf-8"))
    labeler = open_model(folder / base_models.COPY, card, hypotheses, machine() if callable(machine) else machine)
    return dataclasses.replace(labeler, fingerprint=files.fingerprint(folder))


def open_model(source: Path, card: contract.Card, hypotheses: list[str], machine: Machine) -> NliLabeler:
    """Returns the labeler that asks the model in the folder `source`."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(source, local_files_only=True, trust_remote_code=False, use_safetensors=True)
    inference.ready(model, machine, card.tokens)
    labels = model.config.label2id
    entailment = cast(int, _number_of(labels, "entail"))  # there: nobody asks a model that does not know inference
    contradiction = _number_of(labels, "contra")
    if contradiction is None:  # models of two outputs call the other one "not_entailment"
        contradiction = next(number for number in labels.values() if number != entailment)
    return NliLabeler(card, "", model, base_models.load_tokenizer(source), machine, hypotheses, entailment, contradiction)
