"""TF-IDF of words and characters with logistic regression: the baseline, which a transformer must beat."""

from pydantic import Field

from labelrounds.core.params import Section
from labelrounds.labelers import linear
from labelrounds.methods.jobs import Job

NEEDS = ("labels",)


class Settings(Section):
    """inverse_regularization : C of the logistic regression"""

    inverse_regularization: float = Field(ge=1e-6, le=1e6)


def make(job: Job) -> str:
    """Makes a linear labeler; says how many features it looks at."""
    train, valid = job.examples()
    task, strength = job.settings.labelled_task(), job.section(Settings).inverse_regularization
    trained = linear.train(train.texts, train.gold, task, strength, job.settings.seed)
    card = job.card("linear", len(train))
    card = job.calibrated(card, linear.LinearLabeler(card, "", *trained), valid)
    linear.save(*trained, card, job.out)
    return f"{len(train)} texts, {trained[1].shape[1]} features"
