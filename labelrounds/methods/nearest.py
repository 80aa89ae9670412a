"""Nearest neighbours: a text gets the labels of the labelled texts whose embeddings lie nearest; nothing is trained.

How many neighbours vote is chosen on validation by macro-F1, the smaller number where two are equally good.
"""

import dataclasses

from labelrounds.core.params import Numbers, Section
from labelrounds.core.task import indicator
from labelrounds.labelers import contract, nearest, vectors
from labelrounds.measures import scores
from labelrounds.methods.jobs import Job
from labelrounds.models import base_models

NEEDS = ("labels", "encoder")


class Settings(Section):
    """neighbours : the numbers to choose from"""

    neighbours: Numbers


def make(job: Job) -> str:
    """Makes a nearest-neighbours labeler; says how many neighbours vote."""
    encoder = base_models.open_base(job.base)
    train, valid = job.examples()
    card = job.card("nearest", len(train))
    embedder = vectors.start(encoder, card, job.machine)
    batch_size = job.settings.predict.batch_size
    known, wanted = embedder.embed(train.texts, batch_size), embedder.embed(valid.texts, batch_size)
    task = card.schema

    def valid_f1(k: int) -> float:
        voted = contract.probabilities(nearest.vote(wanted, known, train.gold, k, task), card)
        return scores.macro_f1(valid.gold, indicator(contract.decide(voted, card), task))

    reached = {k: valid_f1(k) for k in sorted(job.section(Settings).neighbours) if 0 < k <= len(train)}
    k = max(reached, key=lambda k: (reached[k], -k))
    card = dataclasses.replace(card, training={**card.training, "neighbours": k})
    card = job.calibrated(card, nearest.NearestLabeler(card, "", embedder, known, train.gold), valid)
    nearest.save(encoder.folder, known, train.gold, card, job.out)
    return f"{len(train)} texts; {k} neighbours vote, macro-F1 {reached[k]:.3f} on {len(valid)} validation texts"
