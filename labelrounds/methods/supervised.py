"""Supervised fine-tuning: the encoder and a new head learn from the labelled texts; the best epoch on validation is kept."""

from labelrounds.core.params import Section
from labelrounds.methods import classifier
from labelrounds.methods.jobs import Job
from labelrounds.models import base_models

NEEDS = ("labels", "encoder", "finetune")


class Settings(Section):
    """No knob of its own: all that fine-tuning reads stands in the section `finetune`."""


def make(job: Job) -> str:
    """Makes a transformer labeler; says which epoch was best."""
    settings = job.settings
    encoder = base_models.open_base(job.base)
    train, valid = job.examples()
    card = job.card("transformer", len(train))
    model, epochs = classifier.train(
        encoder, card, train, valid, job.finetune, job.folder, job.machine, settings.runtime.checkpoint_seconds, job.title
    )
    job.keep(model, encoder, card, valid)
    if not epochs:
        return f"{len(train)} texts, to the last step: there are no validation texts to choose an epoch by"
    best = max(epochs, key=lambda epoch: epoch.score)
    return f"{len(train)} texts; best macro-F1 on {len(valid)} validation texts {best.score:.3f}, epoch {best.number} of {len(epochs)}"
