"""Methods: how a recipe turns an encoder and labelled texts into a labeler.

A method is one module with `make(job)`, which writes the labeler's folder and returns a line that says how it
went, and one line in `_module`. Whatever it does must be a function of the job and its seed, and go on from
`job.folder` after a kill.
"""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from labelrounds.core import files, params, paths
from labelrounds.core.errors import UserError
from labelrounds.labelers import contract
from labelrounds.models import base_models
from labelrounds.models.runtime import Runtime
from labelrounds.rounds import examples
from labelrounds.rounds.examples import Examples

UNTRAINED = ("nearest", params.ZERO_SHOT)  # the section `finetune` says nothing to these


@dataclass(frozen=True)
class Job:
    """One labeler to make.

    train, valid : where the labelled texts stand; folder : for checkpoints; out : where the labeler goes
    """

    name: str
    recipe: params.Recipe
    settings: params.Params
    train: Path
    valid: Path
    folder: Path
    out: Path
    machine: Runtime

    @property
    def base(self) -> Path:
        return paths.BASE_MODELS / self.recipe.encoder

    def examples(self) -> tuple[Examples, Examples]:
        """Returns the texts to learn from and those that choose; either is empty where there are no labels yet."""
        task = self.settings.labelled_task()
        return examples.read(self.train, task), examples.read(self.valid, task)

    def card(self, kind: str, n: int) -> contract.Card:
        """Returns the card of a labeler of this kind, learnt from `n` texts."""
        origin: dict[str, Any] = {"encoder": self.recipe.encoder, "fingerprint": files.fingerprint(self.base)}
        return contract.new_card(kind, self.settings.labelled_task(), self.train, n, self.settings.model.max_length, origin)

    @property
    def finetune(self) -> params.Finetune:
        """How the recipe's model is trained: by the recipe's own values where it has any."""
        return self.settings.finetune_of(self.recipe)

    def calibrated(self, card: contract.Card, labeler: contract.Labeler, valid: Examples) -> contract.Card:
        """Returns the card of a finished labeler, calibrated on the validation texts where there are any."""
        if not len(valid):  # before the first label
            return card
        return contract.calibrated(card, labeler.logits(valid.texts, self.finetune.batch_size), valid.gold)

    def keep(self, model: Any, encoder: base_models.Encoder, card: contract.Card, valid: Examples) -> None:
        """Calibrates a trained transformer on the validation texts and writes the labeler."""
        from labelrounds.labelers import transformer

        trained = transformer.TransformerLabeler(card, "", model, encoder.tokenizer, self.machine)
        transformer.save(model, encoder, self.calibrated(card, trained, valid), self.out)


def _module(method: str) -> ModuleType:
    """Returns the module of a method; imported here, so that one method's libraries are not waited for by another."""
    if method == "supervised":
        from labelrounds.methods import supervised

        return supervised
    if method == "ust":
        from labelrounds.methods import ust

        return ust
    if method == "uda":
        from labelrounds.methods import uda

        return uda
    if method == "nearest":
        from labelrounds.methods import nearest

        return nearest
    if method == params.ZERO_SHOT:
        from labelrounds.methods import zero_shot

        return zero_shot
    if method == "setfit":
        from labelrounds.methods import setfit

        return setfit
    raise UserError(f'the method "{method}" is unknown. Expected one of: {", ".join(params.METHODS)}.')


def make(job: Job) -> str:
    """Makes the labeler folder `job.out`; returns a line that says how it went."""
    return _module(job.recipe.method).make(job)
