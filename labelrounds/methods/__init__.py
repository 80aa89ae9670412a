"""Methods: how a recipe turns an encoder and labelled texts into a labeler.

A method is one module with `make(job)`, which writes the labeler's folder and returns a line that says how it
went, and one line in `_module`. Whatever it does must be a function of the job and its seed, and go on from
`job.folder` after a kill.
"""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from labelrounds import calibration, examples, files, labelers, params
from labelrounds.errors import UserError
from labelrounds.examples import Examples
from labelrounds.runtime import Runtime

ENCODERS = Path("models/encoder")


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
        return ENCODERS / self.recipe.encoder

    def examples(self) -> tuple[Examples, Examples]:
        """Returns the texts to learn from and those that choose."""
        task = self.settings.labelled_task()
        return examples.read(self.train, task), examples.read(self.valid, task)

    def card(self, kind: str, n: int) -> labelers.Card:
        """Returns the card of a labeler of this kind, learnt from `n` texts."""
        origin: dict[str, Any] = {"encoder": self.recipe.encoder, "fingerprint": files.fingerprint(self.base)}
        return labelers.new_card(kind, self.settings.labelled_task(), self.train, n, self.settings.model.max_length, origin)

    def keep(self, model: Any, tokenizer: Any, card: labelers.Card, valid: Examples) -> None:
        """Calibrates a trained transformer on the validation texts and writes the labeler."""
        from labelrounds.labelers import transformer

        trained = transformer.TransformerLabeler(card, "", model, tokenizer, self.machine)
        card = calibration.calibrated(card, trained.logits(valid.texts, self.settings.finetune.batch_size), valid.gold)
        transformer.save(model, tokenizer, card, self.out)


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
    raise UserError(f'the method "{method}" is unknown. Expected one of: {", ".join(params.METHODS)}.')


def make(job: Job) -> str:
    """Makes the labeler folder `job.out`; returns a line that says how it went."""
    return _module(job.recipe.method).make(job)
