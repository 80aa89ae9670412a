"""Zero-shot: labels from their descriptions alone (task.descriptions), before anybody has labelled anything.

An encoder that was trained on natural-language inference is asked whether a text entails "This example is LABEL."
(Yin et al. 2019). Any other one embeds texts and descriptions, and the nearest description wins, with
exp(scale * cosine) as in the training of sentence encoders (Reimers and Gurevych 2019). Where there are validation
texts, they calibrate the scores.
"""

import numpy as np
from pydantic import Field

from labelrounds.core.params import Section
from labelrounds.core.task import Task
from labelrounds.labelers import linear_probe, nli, vectors
from labelrounds.methods.jobs import Job
from labelrounds.models import base_models

NEEDS = ("encoder",)
ELSE = "Something else."


class Settings(Section):
    """scale : what similarities are multiplied by before the softmax"""

    scale: float = Field(ge=0.01, le=1000)


def make(job: Job) -> str:
    """Makes a zero-shot labeler from the labels' descriptions; says which kind."""
    encoder = base_models.open_base(job.base)
    task, (_, valid) = job.settings.labelled_task(), job.examples()
    described = [job.settings.task.descriptions.get(label, label) for label in task.labels]
    if nli.knows_inference(encoder.folder):
        sentences = [hypothesis(text) for text in described]
        card = job.card("nli", 0)
        card = job.calibrated(card, nli.open_model(encoder.folder, card, sentences, job.machine), valid)
        nli.save(encoder.folder, sentences, card, job.out)
        return f"inference against {len(described)} descriptions"
    card = job.card("linear-probe", 0)
    embedder = vectors.start(encoder, card, job.machine)
    weights, bias = head(embedder.embed([*described, ELSE], len(described) + 1), task, job.section(Settings).scale)
    card = job.calibrated(card, linear_probe.LinearProbe(card, "", embedder, weights, bias), valid)
    linear_probe.save(encoder.folder, weights, bias, card, job.out)
    return f"similarity to {len(described)} descriptions"


def head(described: np.ndarray, task: Task, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns (weights, bias) such that a unit vector's logits are its scaled similarities to the descriptions.

    described : unit vectors of the labels' descriptions and, last, of "something else", shape (n_labels + 1, d).
    Multi-label: a label applies where its description is nearer than the mean of all of these.
    """
    labels = described[:-1]
    against = described.mean(axis=0) if task.multi_label else labels.mean(axis=0)
    return (scale * (labels - against)).astype(np.float32), np.zeros(len(labels), np.float32)


def hypothesis(description: str) -> str:
    """Returns the sentence that a text should entail: a description that is a sentence already stays as it is."""
    return description if description.rstrip().endswith((".", "!", "?", "。")) else f"This example is {description}."
