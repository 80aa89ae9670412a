"""The job of making one labeler, and how a recipe's method is found.

A method is one module of this folder, found by its name (`zero-shot` is zero_shot.py), with

    NEEDS       what it reads, of `labels`, `encoder`, `unlabelled` and `finetune` (the section of that name)
    Settings    a params.Section: its own section in params.yaml, which has the method's name
    make(job)   writes the labeler's folder and returns a line that says how it went

Whatever a method does must be a function of the job and its seed, and go on from `job.folder` after a kill.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from labelrounds.core import examples, files, params, paths, portable, registry
from labelrounds.core.examples import Examples
from labelrounds.labelers import contract
from labelrounds.models import base_models, pooling, runtime
from labelrounds.models.runtime import Machine

LABELS, ENCODER, UNLABELLED, FINETUNE = "labels", "encoder", "unlabelled", "finetune"
Section = TypeVar("Section", bound=params.Section)


def method_of(recipe: params.Recipe) -> ModuleType:
    """Returns the module of a recipe's method; imported here, so that one method's libraries are not waited for by another."""
    return registry.find(registry.METHODS, recipe.method, "method")


def needs(recipe: params.Recipe) -> frozenset[str]:
    """Returns what a recipe's method reads: of `labels`, `encoder`, `unlabelled` and `finetune`."""
    return frozenset(method_of(recipe).NEEDS)


def reads(recipe: params.Recipe, settings: params.Params) -> dict[str, Any]:
    """Returns {section: its values} of params.yaml on which the labeler depends; a mistake in them is a UserError with its line."""
    own = {recipe.method: settings.section(recipe.method, method_of(recipe).Settings).model_dump()}
    return own | ({FINETUNE: settings.finetune_of(recipe).model_dump()} if FINETUNE in needs(recipe) else {})


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

    @cached_property
    def machine(self) -> Machine:
        """What the job runs on. The first look at it starts torch, which a method without a model never waits for."""
        settings = self.settings
        return runtime.of(settings, settings.model.max_length)

    @property
    def base(self) -> Path:
        """The folder of the model that the recipe begins at."""
        return paths.BASE_MODELS / self.recipe.encoder

    @property
    def title(self) -> str:
        """What progress bars call the job."""
        return f"finetune {self.name}"

    @property
    def finetune(self) -> params.Finetune:
        """How the recipe's model is trained: by the recipe's own values where it has any."""
        return self.settings.finetune_of(self.recipe)

    def section(self, kind: type[Section]) -> Section:
        """Returns the method's own section of params.yaml."""
        return self.settings.section(self.recipe.method, kind)

    def examples(self) -> tuple[Examples, Examples]:
        """Returns the texts to learn from and those that choose; either is empty where there are no labels yet."""
        task = self.settings.labelled_task()
        return examples.read(self.train, task), examples.read(self.valid, task)

    def card(self, kind: str, n: int) -> contract.Card:
        """Returns the card of a labeler of this kind, learnt from `n` texts."""
        task = self.settings.labelled_task()
        if ENCODER not in needs(self.recipe):
            return contract.new_card(kind, task, self.train, n)
        origin: dict[str, Any] = {"encoder": self.recipe.encoder, "fingerprint": files.fingerprint(self.base)}
        return contract.new_card(kind, task, self.train, n, self.settings.model.max_length, origin, self.pooling(kind))

    def pooling(self, kind: str) -> str:
        """Returns how a labeler of this kind makes one vector of a text's tokens."""
        wanted = self.settings.model.pooling
        if kind != "transformer":
            return pooling.for_vectors(self.base, wanted)
        return pooling.for_head(self.base, base_models.open_base(self.base).objective == base_models.CAUSAL, wanted)

    def calibrated(self, card: contract.Card, labeler: contract.Labeler, valid: Examples) -> contract.Card:
        """Returns the card of a finished labeler, calibrated on the validation texts where there are any."""
        if not len(valid):  # before the first label
            return card
        return contract.calibrated(card, labeler.logits(valid.texts, self.finetune.batch_size), valid.gold)

    def keep(self, model: Any, encoder: base_models.BaseModel, card: contract.Card, valid: Examples) -> None:
        """Calibrates a trained transformer on the validation texts and writes the labeler."""
        from labelrounds.labelers import transformer

        trained = transformer.TransformerLabeler(card, "", model, encoder.tokenizer, self.machine)
        transformer.save(model, encoder, self.calibrated(card, trained, valid), self.out)


def make_labeler(job: Job) -> str:
    """Makes the labeler folder `job.out` by the recipe's method; returns a line that says how it went."""
    portable.check(job.settings.runtime.reproducible)
    if ENCODER in needs(job.recipe):
        job.machine  # noqa: B018  seeds are set before anything is loaded
    return method_of(job.recipe).make(job)
