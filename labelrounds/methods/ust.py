"""Uncertainty-aware self-training: students learn from the labels and from what a teacher says of texts of the pool."""

from dataclasses import replace

from labelrounds.core import paths
from labelrounds.methods import self_training
from labelrounds.methods.jobs import Job
from labelrounds.models import base_models
from labelrounds.pool import unlabelled


def make(job: Job) -> str:
    """Makes a transformer labeler; says whether validation chose the teacher or which student."""
    settings = job.settings
    encoder = base_models.open_encoder(job.base)
    train, valid = job.examples()
    texts = unlabelled.read(paths.UNLABELLED, train.texts)
    card = job.card("transformer", len(train))
    model, candidates = self_training.train(
        encoder,
        card,
        train,
        valid,
        texts,
        job.finetune,
        settings.ust,
        job.folder,
        job.machine,
        settings.runtime.checkpoint_seconds,
        f"finetune {job.name}",
    )
    card = replace(card, training={**card.training, **self_training.report(candidates)})
    job.keep(model, encoder, card, valid)
    best = self_training.chosen(candidates)
    return (
        f"{len(train)} texts and {len(texts)} without labels; best macro-F1 on {len(valid)} validation texts {best.valid:.3f}, "
        f"by the {best.name} (teacher {candidates[0].valid:.3f})"
    )
