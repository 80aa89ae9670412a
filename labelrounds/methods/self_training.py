"""Self-training of a probe: it also learns from what it says itself of texts without labels. The encoder stays as it is; seconds.

A linear model learns from the labels and reads the texts without labels. Its answers are shifted until the labels have the shares
that they are believed to have in the pool; the most certain texts of each label are learnt from, and so on (Yarowsky 1995,
"Unsupervised Word Sense Disambiguation Rivaling Supervised Methods"). Believing in equal shares fails where they are not: so the
belief is the mean of the shares among the labels and of those that fit the answers best (Saerens et al. 2002, "Adjusting the
Outputs of a Classifier to New a Priori Probabilities").
"""

from functools import partial

import numpy as np
from pydantic import Field

from labelrounds.core import paths
from labelrounds.core.errors import UserError
from labelrounds.core.params import Section
from labelrounds.core.task import Task, indicator
from labelrounds.labelers import contract, linear, linear_probe, vectors
from labelrounds.methods import probe
from labelrounds.methods.jobs import Job
from labelrounds.models import base_models
from labelrounds.pool import unlabelled

NEEDS = ("labels", "encoder", "unlabelled")
SETTLED = 50  # steps in which the shares stop moving


class Settings(Section):
    """iterations : how often it learns from its own answers; keep : share of each label's texts, the most certain ones; folds : for calibration"""

    iterations: int = Field(ge=1, le=100)
    keep: float = Field(gt=0, le=1)
    inverse_regularization: float = Field(ge=1e-6, le=1e6)
    folds: int = Field(ge=2, le=1000)


def make(job: Job) -> str:
    """Makes a linear probe that has also learnt from texts without labels; says from how many."""
    train, valid = job.examples()
    card = job.card("linear-probe", len(train))
    if card.schema.multi_label:
        raise UserError(f"params.yaml: {job.name} has the method self-training, which gives one label per text. For several, take `probe` or `ust`.")
    settings, task = job.section(Settings), card.schema
    encoder = base_models.open_base(job.base)
    embedder = vectors.start(encoder, card, job.machine)
    texts = unlabelled.read(paths.UNLABELLED, [*train.texts, *valid.texts]).texts
    found, pool = (embedder.embed(some, job.settings.predict.batch_size).astype(np.float64) for some in (train.texts, texts))
    taught = partial(teach, pool=pool, task=task, settings=settings)
    weights, bias = taught(found, train.gold)
    if len(valid):
        card = job.calibrated(card, linear_probe.LinearProbe(card, "", embedder, weights, bias), valid)
    else:
        card = contract.calibrated(card, probe.out_of_fold(found, train, settings.folds, job.settings.seed, task, taught), train.gold)
    linear_probe.save(encoder.folder, weights, bias, card, job.out)
    said = indicator(contract.decide(contract.probabilities((pool @ weights.T + bias).astype(np.float64), card), card), task)
    shares = ", ".join(f"{label} {share:.0%}" for label, share in zip(task.labels[:10], said.mean(axis=0), strict=False))
    return f"{len(train)} texts and {len(texts)} without labels, of which it says: {shares}{' …' if len(task.labels) > 10 else ''}"


def teach(found: np.ndarray, gold: np.ndarray, pool: np.ndarray, task: Task, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Returns (weights, bias) of shapes (n_labels, d) and (n_labels,); a label that no text has gets a bias of -inf.

    found : unit vectors of the labelled texts, (n, d); gold : their labels, 0/1 of shape (n, n_labels); pool : those without labels, (m, d)
    """

    def learn(rows: np.ndarray, labels: np.ndarray, counts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        return linear.regression(rows, labels, task, settings.inverse_regularization, 0, balanced=True, counts=counts)

    weights, bias = learn(found, gold)
    shares = believed(softmax(pool @ weights.T + bias), gold)
    for _ in range(settings.iterations):
        answers = with_shares(softmax(pool @ weights.T + bias), shares)
        sure = most_certain(answers, settings.keep)
        labels = np.eye(gold.shape[1], dtype=gold.dtype)[answers[sure].argmax(axis=1)]
        # All labels together count as much as half of the texts without.
        counts = np.concatenate([np.full(len(found), max(1.0, 0.5 * len(sure) / len(found))), np.ones(len(sure))])
        weights, bias = learn(np.vstack([found, pool[sure]]), np.vstack([gold, labels]), counts)
    return weights, bias


def believed(answers: np.ndarray, gold: np.ndarray) -> np.ndarray:
    """Returns the share that each label is believed to have in the pool, float array of shape (n_labels,) that sums to 1.

    The mean of two guesses: the shares among the labels, with one text more per label, and those under which the answers for
    the pool, of shape (m, n_labels), are most likely.
    """
    counted = (gold.sum(axis=0) + 1) / (len(gold) + gold.shape[1])
    likely = np.full(gold.shape[1], 1 / gold.shape[1])
    for _ in range(SETTLED):
        shifted = answers * likely
        likely = (shifted / np.maximum(shifted.sum(axis=1, keepdims=True), 1e-12)).mean(axis=0)
    return (counted + likely) / 2


def with_shares(answers: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Returns the answers, of shape (m, n_labels), shifted until the labels have these shares (Sinkhorn 1967); each row sums to 1."""
    found = answers
    for _ in range(SETTLED):
        found = found * (shares * len(found) / np.maximum(found.sum(axis=0), 1e-12))
        found = found / np.maximum(found.sum(axis=1, keepdims=True), 1e-12)
    return found


def most_certain(answers: np.ndarray, keep: float) -> np.ndarray:
    """Returns the numbers of the rows to learn from, sorted: of each label the share `keep` with the highest scores, at least one."""
    said, score, chosen = answers.argmax(axis=1), answers.max(axis=1), []
    for label in np.unique(said):
        members = np.flatnonzero(said == label)
        chosen.append(members[np.argsort(-score[members], kind="stable")[: max(1, int(keep * len(members)))]])
    return np.sort(np.concatenate(chosen))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities of shape (m, n_labels), 0 where a logit is -inf."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)
