"""A probe: the encoder stays as it is, and a linear model on its vectors tells the labels. Made in seconds.

Class means or a balanced logistic regression, whichever tells texts apart better that it has not seen: each part of the
labelled texts is judged by a model of the others. The same judgements calibrate the scores where there are no validation texts.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from labelrounds.core.examples import Examples
from labelrounds.core.params import Section
from labelrounds.core.task import Task, indicator
from labelrounds.labelers import contract, linear, linear_probe, vectors
from labelrounds.measures import label_errors, scores
from labelrounds.methods import heads
from labelrounds.methods.jobs import Job
from labelrounds.models import base_models
from labelrounds.pool.identity import near_duplicate_key

NEEDS = ("labels", "encoder")
MEANS = "means"
UNLIKELY = -30.0  # the logit of a label that no text of the other parts has


class Settings(Section):
    """inverse_regularization : values of C of the regressions to choose from; folds : parts of the labelled texts"""

    inverse_regularization: Annotated[tuple[Annotated[float, Field(ge=1e-6, le=1e6)], ...], Field(strict=False)]
    folds: int = Field(ge=2, le=1000)


def make(job: Job) -> str:
    """Makes a linear probe on the encoder as it is; says which of the candidates it is."""
    encoder = base_models.open_base(job.base)
    train, valid = job.examples()
    card = job.card("linear-probe", len(train))
    embedder = vectors.start(encoder, card, job.machine)
    found = embedder.embed(train.texts, job.settings.predict.batch_size)
    settings = job.section(Settings)
    chosen, reached, unseen = choose(found, train, card, settings, job.settings.seed)
    weights, bias = fit(found, train.gold, card.schema, chosen)
    card = replace(card, training={**card.training, "head": str(chosen), "out_of_fold_f1_macro": round(reached, scores.DIGITS)})
    if len(valid):
        card = job.calibrated(card, linear_probe.LinearProbe(card, "", embedder, weights, bias), valid)
    else:
        card = contract.calibrated(card, unseen, train.gold)
    linear_probe.save(encoder.folder, weights, bias, card, job.out)
    what = "class means" if chosen == MEANS else f"a regression with C = {chosen}"
    return f"{len(train)} texts; {what}: macro-F1 {reached:.3f} on training texts that it had not seen"


def fit(found: np.ndarray, gold: np.ndarray, task: Task, candidate: float | str) -> tuple[np.ndarray, np.ndarray]:
    """Returns (weights, bias) of one candidate on unit vectors of shape (n, d); a label that no text has gets a bias of -inf."""
    if candidate == MEANS:
        return heads.fit(found, gold, task, heads.MEANS)
    return linear.regression(found, gold, task, float(candidate), 0, balanced=not task.multi_label)


def choose(found: np.ndarray, train: Examples, card: contract.Card, settings: Settings, seed: int) -> tuple[float | str, float, np.ndarray]:
    """Returns (the best candidate, its macro-F1 on unseen parts, what it says there: logits of shape (n, n_labels)).

    found : unit vectors of the training texts, shape (n, d). The first of two that are equally good is taken.
    """
    task = card.schema
    best: tuple[float | str, float, np.ndarray] | None = None
    for candidate in (MEANS, *settings.inverse_regularization):
        logits = out_of_fold(found, train, settings.folds, seed, task, partial(fit, task=task, candidate=candidate))
        said = contract.calibrated(card, logits, train.gold)
        reached = scores.macro_f1(train.gold, indicator(contract.decide(contract.probabilities(logits, said), said), task))
        if best is None or reached > best[1]:
            best = (candidate, reached, logits)
    assert best is not None  # class means are always there
    return best


def out_of_fold(
    found: np.ndarray, train: Examples, folds: int, seed: int, task: Task, fit: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Returns what is said of each text by a model of the other parts: logits of shape (n, n_labels). Near-duplicates are in one part.

    found : unit vectors of shape (n, d); fit : makes (weights, bias) from vectors and 0/1 labels
    """
    groups = [near_duplicate_key(text) for text in train.texts]
    fold_of = label_errors.folds(train.gold, groups, min(folds, max(len(set(groups)), 2)), seed, task.multi_label)
    logits = np.full(train.gold.shape, UNLIKELY)
    for fold in np.unique(fold_of):
        seen, unseen = fold_of != fold, fold_of == fold
        if seen.any():
            weights, bias = fit(found[seen], train.gold[seen])
            logits[unseen] = np.nan_to_num(found[unseen] @ weights.T + bias, neginf=UNLIKELY, posinf=-UNLIKELY)
    return logits
