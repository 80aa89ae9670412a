"""Uncertainty-aware self-training: a teacher labels texts of the pool, a student learns from what it was sure of.

After Mukherjee and Awadallah (2020), "Uncertainty-aware Self-training for Few-shot Text Classification". The
arithmetic takes arrays and needs no torch; every draw is seeded from (seed, iteration) alone.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from labelrounds.core import files, paths
from labelrounds.core.examples import Examples
from labelrounds.core.params import Count, Section
from labelrounds.labelers import contract, transformer
from labelrounds.measures import bootstrap, scores
from labelrounds.methods import classifier
from labelrounds.methods.jobs import Job
from labelrounds.models import base_models, dropout, training
from labelrounds.pool import unlabelled
from labelrounds.pool.unlabelled import Unlabelled

NEEDS = ("labels", "encoder", "unlabelled", "finetune")
EASY, HARD = "easy", "hard"
SMALLEST_VARIANCE = 1e-6  # below this, bfloat16 and fp32 would tell other stories of the same text
PASSES_AT_ONCE = 64  # texts per batch of a pass


class Settings(Section):
    """How students learn.

    iterations : students, each taught by the model before it; sample : texts without labels that an iteration looks at
    passes : predictions with dropout per text; per_label : texts per label that a student learns from, at most
    draw : `easy` prefers texts on which the passes agree, `hard` those on which they differ
    """

    iterations: Count
    sample: Count
    passes: int = Field(ge=2)
    per_label: Count
    draw: Literal["easy", "hard"]


def make(job: Job) -> str:
    """Makes a transformer labeler; says whether validation chose the teacher or which student."""
    encoder = base_models.open_base(job.base)
    train, valid = job.examples()
    texts = unlabelled.read(paths.UNLABELLED, train.texts)
    card = job.card("transformer", len(train))
    model, candidates = learn(job, encoder, card, train, valid, texts)
    card = replace(card, training={**card.training, **report(candidates)})
    job.keep(model, encoder, card, valid)
    best = chosen(candidates)
    return (
        f"{len(train)} texts and {len(texts)} without labels; best macro-F1 on {len(valid)} validation texts {best.valid:.3f}, "
        f"by the {best.name} (teacher {candidates[0].valid:.3f})"
    )


# What the passes say: arrays only


def bald(passes: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns how much the passes disagree about each text, float array of shape (n,) from 0 to 1.

    passes : probabilities of shape (T, n, k), one matrix per pass with dropout

    Bayesian active learning by disagreement (Houlsby et al. 2011): the entropy of the mean less the mean entropy,
    divided by its upper bound ln k, so that 1 - BALD is never negative however many labels there are. For
    multi-label the mean over the labels, each a Bernoulli variable with the bound ln 2.
    """
    passes = np.asarray(passes, dtype=np.float64)
    if multi_label:
        outcomes = np.stack([passes, 1 - passes], axis=-1)
        return np.clip((_entropy(outcomes.mean(axis=0)) - _entropy(outcomes).mean(axis=0)) / np.log(2), 0, 1).mean(axis=1)
    return np.clip((_entropy(passes.mean(axis=0)) - _entropy(passes).mean(axis=0)) / np.log(passes.shape[2]), 0, 1)


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    from scipy.special import xlogy

    return -xlogy(probabilities, probabilities).sum(axis=-1)


def pseudo_labels(passes: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns the labels by the mean of the passes, 0/1 int matrix of shape (n, k): the highest, or each from 0.5 on."""
    mean = np.asarray(passes, dtype=np.float64).mean(axis=0)
    return (mean >= 0.5).astype(np.int64) if multi_label else np.eye(mean.shape[1], dtype=np.int64)[mean.argmax(axis=1)]


def draw(disagreement: np.ndarray, pseudo: np.ndarray, per_label: int, how: str, randomness: np.random.Generator) -> np.ndarray:
    """Returns the numbers of the texts to learn from, sorted: up to `per_label` of each pseudo-label, and of those with none.

    disagreement : BALD per text, shape (n,), from 0 to 1; pseudo : 0/1 matrix of shape (n, k)
    how : `easy` prefers texts on which the passes agree (by 1 - BALD), `hard` those on which they do not (by BALD)

    A label that no text got gives none. Drawn without replacement, so a text counts once.
    """
    preference = 1 - disagreement if how == EASY else disagreement
    groups = [*pseudo.T.astype(bool), ~pseudo.any(axis=1)]
    chosen: set[int] = set()
    for group in groups:
        members = np.flatnonzero(group)
        if not len(members):
            continue
        # The least preferred may be drawn where the others run out: then all their chances would be 0.
        chances = np.maximum(preference[members], 1e-12)
        chosen.update(randomness.choice(members, min(per_label, len(members)), replace=False, p=chances / chances.sum()).tolist())
    return np.asarray(sorted(chosen), dtype=np.int64)


def confidence_weights(passes: np.ndarray, pseudo: np.ndarray, multi_label: bool) -> np.ndarray:
    """Returns how much each pseudo-label counts, float array with mean 1 of shape (n,), for multi-label (n, k).

    log(1 / variance) of the probability of the *predicted* label over the passes, as in the paper; for multi-label of each
    label's own. The less the passes vary, the more a text counts.
    """
    variance = np.asarray(passes, dtype=np.float64).var(axis=0)
    if not multi_label:
        variance = variance[np.arange(len(pseudo)), pseudo.argmax(axis=1)]
    # The variance of numbers from 0 to 1 is 1/4 at most, so every weight is positive.
    weights = -np.log(np.maximum(variance, SMALLEST_VARIANCE))
    return weights / weights.mean()


# Teacher and students


@dataclass(frozen=True)
class Candidate:
    """One of the models that validation chooses from. epochs : how many it took; notes : what it learnt from

    kept : whether it was better, by more than chance, than the one that was kept before it
    """

    name: str
    valid: float
    epochs: int
    notes: dict[str, Any]
    kept: bool = True


def learn(
    job: Job, encoder: base_models.BaseModel, card: contract.Card, train: Examples, valid: Examples, texts: Unlabelled
) -> tuple[Any, list[Candidate]]:
    """Returns (the model that validation chooses of the teacher and all students; all candidates in order).

    The teacher is what fine-tuning on the labels gives. Each student starts from the encoder, learns from the labels
    and from the pseudo-labels of the model before it, and is the next one's teacher. A student takes the place of the model that was
    kept before it if its macro-F1 on `valid` is higher by more than one standard error of the difference, as in the
    one-standard-error rule of Breiman et al. 1984: with few labels validation is small, and the best of several models is the luckiest.

    The state of each iteration stands in the job's folder; a second call with the same arguments goes on from there.
    """
    task, ust, finetune, machine = card.schema, job.section(Settings), job.finetune, job.machine
    seconds, folder = job.settings.runtime.checkpoint_seconds, job.folder
    model, epochs = classifier.train(encoder, card, train, valid, finetune, folder / "teacher", machine, seconds, f"{job.title}: teacher")
    candidates = [Candidate("teacher", best_score(epochs), len(epochs), {})]
    best, said = model, classifier.decided(model, encoder, card, valid, finetune.batch_size, machine)
    for iteration in range(1, ust.iterations + 1):
        place = folder / f"student-{iteration}"
        seed = training.batch_seed(machine.seed, iteration, 0) % 2**31
        sample = texts.sample(ust.sample, np.random.default_rng([seed, 0]))
        teacher = transformer.TransformerLabeler(card, "", model, encoder.tokenizer, machine)
        passes = dropout_passes(teacher, sample.texts, ust.passes, seed, place / "passes", f"{job.title}: passes {iteration}")
        pseudo, disagreement = pseudo_labels(passes, task.multi_label), bald(passes, task.multi_label)
        chosen = draw(disagreement, pseudo, ust.per_label, ust.draw, np.random.default_rng([seed, 1]))
        learnt = Examples([sample.ids[i] for i in chosen], [sample.texts[i] for i in chosen], pseudo[chosen])
        weights = confidence_weights(passes[:, chosen], pseudo[chosen], task.multi_label)
        model, epochs = classifier.train(
            encoder,
            card,
            joined(train, learnt),
            valid,
            finetune,
            place / "model",
            replace(machine, seed=seed),
            seconds,
            f"{job.title}: student {iteration}",
            np.concatenate([np.ones((len(train), *weights.shape[1:])), weights]),
        )
        notes = {
            "pseudo_labelled": len(chosen),
            "pseudo_labels": dict(zip(task.labels, learnt.gold.sum(axis=0).tolist(), strict=True)),
            "bald": round(float(disagreement[chosen].mean()), scores.DIGITS),
        }
        says = classifier.decided(model, encoder, card, valid, finetune.batch_size, machine)
        error = bootstrap.standard_error(valid.gold, said, says, task, seed)
        kept = scores.macro_f1(valid.gold, says) - scores.macro_f1(valid.gold, said) > error
        notes["standard_error"] = round(error, scores.DIGITS)
        candidates.append(Candidate(f"student {iteration}", best_score(epochs), len(epochs), notes, kept))
        if kept:
            best, said = model, says
    return best, candidates


def chosen(candidates: list[Candidate]) -> Candidate:
    """Returns the last one that was kept: what `train` returns."""
    return [candidate for candidate in candidates if candidate.kept][-1]


def report(candidates: list[Candidate]) -> dict[str, Any]:
    """Returns what happened, for the card and the metrics: which model was chosen, and what each reached and learnt from."""
    told = {
        candidate.name.replace(" ", "_"): {"valid_f1_macro": round(candidate.valid, scores.DIGITS), "epochs": candidate.epochs, **candidate.notes}
        for candidate in candidates
    }
    return {"method": "ust", "chosen": chosen(candidates).name, **told}


def best_score(epochs: list[training.Epoch]) -> float:
    """Returns the score of the epoch that was kept."""
    return max(epoch.score for epoch in epochs)


def joined(one: Examples, other: Examples) -> Examples:
    """Returns the texts of both."""
    return Examples(one.ids + other.ids, one.texts + other.texts, np.concatenate([one.gold, other.gold]))


def dropout_passes(teacher: transformer.TransformerLabeler, texts: list[str], passes: int, seed: int, folder: Path, title: str) -> np.ndarray:
    """Returns the teacher's probabilities with dropout on, float32 of shape (passes, n, k) (Gal and Ghahramani 2016).

    Pass t is a function of (seed, t); each is kept in `folder` as soon as it is done, for a run that was killed.
    """
    import torch
    from tqdm import tqdm

    found = []
    teacher.model.train()
    with tqdm(total=passes * len(texts), desc=title, unit=" texts", unit_scale=True, mininterval=1.0) as bar:
        for number in range(passes):
            path = folder / f"{number}.npy"
            if path.is_file():
                bar.update(len(texts))
            else:
                torch.manual_seed(training.batch_seed(seed, number, 0))  # fused attention draws its dropout from torch itself
                with dropout.of_step(seed, number, teacher.machine.device):
                    probabilities = teacher.scores(texts, PASSES_AT_ONCE, bar.update)
                with files.atomic(path, "wb") as file:
                    np.save(file, probabilities)
            found.append(np.load(path))
    teacher.model.eval()
    return np.stack(found)
