"""Unsupervised data augmentation: learn from the labels, and to say the same of a text and of its reworded copy."""

from dataclasses import replace

from labelrounds.core import paths
from labelrounds.methods import consistency
from labelrounds.methods.jobs import Job
from labelrounds.models import base_models
from labelrounds.pool import unlabelled


def make(job: Job) -> str:
    """Makes a transformer labeler; says whether it is better than the supervised one, which stands in where it is not."""
    settings = job.settings
    encoder = base_models.open_encoder(job.base)
    train, valid = job.examples()
    texts = unlabelled.read(paths.UNLABELLED, train.texts)
    card = job.card("transformer", len(train))
    model, outcome = consistency.train(
        encoder,
        card,
        train,
        valid,
        texts,
        job.finetune,
        settings.uda,
        job.folder,
        job.machine,
        settings.runtime.checkpoint_seconds,
        f"finetune {job.name}",
    )
    told = consistency.report(outcome, card.schema)
    card = replace(card, training={**card.training, **told})
    job.keep(model, encoder, card, valid)
    best = max(outcome.supervised, *outcome.epochs)
    return (
        f"{len(train)} texts and {len(texts)} without labels; best macro-F1 on {len(valid)} validation texts {best:.3f}, "
        f"by {told['chosen']} (supervised {outcome.supervised:.3f})"
    )
