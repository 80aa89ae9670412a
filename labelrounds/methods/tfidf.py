"""TF-IDF of words and characters with logistic regression: the baseline, which a transformer must beat."""

from dataclasses import dataclass

from labelrounds.core.params import knob
from labelrounds.labelers import linear
from labelrounds.methods.jobs import Job

NEEDS = ("labels",)


@dataclass(frozen=True)
class Settings:
    """inverse_regularization : C of the logistic regression"""

    inverse_regularization: float = knob(low=1e-6, high=1e6)


def make(job: Job) -> str:
    """Makes a linear labeler; says how many features it looks at."""
    train, valid = job.examples()
    task, strength = job.settings.labelled_task(), job.section(Settings).inverse_regularization
    trained = linear.train(train.texts, train.gold, task, strength, job.settings.seed)
    card = job.card("linear", len(train))
    card = job.calibrated(card, linear.LinearLabeler(card, "", *trained), valid)
    linear.save(*trained, card, job.out)
    return f"{len(train)} texts, {trained[1].shape[1]} features"
