"""Vectors of texts by the base encoder, which choose a prompt's examples: kept among the responses, each computed once."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from labelrounds.core import files, paths
from labelrounds.core.errors import UserError, at
from labelrounds.labelers import contract, transformer
from labelrounds.llm import responses
from labelrounds.llm.responses import Kept
from labelrounds.models import base_models
from labelrounds.models.runtime import Machine

KEPT_AT_ONCE = 200  # so many are lost by a kill, at most


@dataclass
class Vectors:
    """encoder : the base encoder's fingerprint; precision : as in params.yaml; kept : where vectors stand beside the responses"""

    card: contract.Card
    encoder: str
    precision: str
    kept: Kept
    machine: Machine | Callable[[], Machine]

    def of(self, texts: list[str]) -> np.ndarray:
        """Returns the mean hidden states, float32 of shape (n_texts, width). One text at a time: then they depend on no other text."""
        about = {"encoder": self.encoder, "precision": self.precision, "max_length": self.card.max_length}
        keys = {text: responses.key_of(about | {"vector_of": text}) for text in texts}
        found = self.kept.find(keys.values())
        missing = [text for text, key in keys.items() if key not in found]
        for start in range(0, len(missing), KEPT_AT_ONCE):
            part = missing[start : start + KEPT_AT_ONCE]
            vectors = self._embedder.embed(part, 1)
            new = {
                keys[text]: {"float32": base64.b64encode(vector.astype("<f4").tobytes()).decode()} for text, vector in zip(part, vectors, strict=True)
            }
            self.kept.keep(new)
            found |= new
        return np.asarray([np.frombuffer(base64.b64decode(found[keys[text]]["float32"]), dtype="<f4") for text in texts])

    @cached_property
    def _embedder(self) -> transformer.TransformerLabeler:
        machine = self.machine() if callable(self.machine) else self.machine
        encoder = base_models.open_base(paths.VANILLA)
        if files.fingerprint(paths.VANILLA) != self.encoder:
            raise UserError(f"{at(paths.VANILLA)} is not the encoder that chose this labeler's examples. Run: dvc repro studies/llm/dvc.yaml")
        from transformers import AutoModel

        model = AutoModel.from_pretrained(paths.VANILLA, local_files_only=True, trust_remote_code=False, use_safetensors=True)
        return transformer.TransformerLabeler(self.card, "", model.eval().to(machine.device), encoder.tokenizer, machine)
