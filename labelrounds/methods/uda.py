"""Unsupervised data augmentation: a model should say the same of a text and of its augmented copy.

After Xie et al. (2020), "Unsupervised Data Augmentation for Consistency Training". Beside each batch of labelled
texts runs a batch of texts without labels; methods/consistency.py has the losses. A guard watches for the method's known failure: that one label
swallows the predictions. Such a model is never kept, and the supervised one stands in for it.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from labelrounds.core import files, paths
from labelrounds.core.examples import Examples
from labelrounds.core.params import Amount, Count, Section, Share
from labelrounds.core.task import Task, indicator
from labelrounds.labelers import contract, transformer
from labelrounds.measures import bootstrap, scores
from labelrounds.methods import classifier, consistency
from labelrounds.methods.jobs import Job
from labelrounds.models import base_models, objectives, training
from labelrounds.pool import unlabelled
from labelrounds.pool.unlabelled import Unlabelled

NEEDS = ("labels", "encoder", "unlabelled", "finetune")
COLLAPSED = -1.0  # the score of an epoch that the guard rejects: below every F1
WATCHED = 500  # texts on which the guard counts the predictions
SHARES = "shares.json"


class Settings(Section):
    """How consistency is trained.

    epochs : passes over the texts without labels; batch_size : of these, per step; weight : of the consistency beside the loss
    on the labels; annealing : how labelled texts are released; confidence : texts of which the model is less sure do not count
    temperature : below 1 sharpens what the copy must agree with; guard : see `swallowing`
    """

    epochs: Count
    batch_size: Count
    weight: Amount
    annealing: Literal["none", "linear", "exp", "log"]
    confidence: Share
    temperature: float = Field(ge=0.01, le=1)
    guard: Share


def make(job: Job) -> str:
    """Makes a transformer labeler; says whether it is better than the supervised one, which stands in where it is not."""
    encoder = base_models.open_base(job.base)
    train, valid = job.examples()
    texts = unlabelled.read(paths.UNLABELLED, train.texts)
    card = job.card("transformer", len(train))
    model, outcome = learn(job, encoder, card, train, valid, texts)
    told = report(outcome, card.schema)
    card = replace(card, training={**card.training, **told})
    job.keep(model, encoder, card, valid)
    best = max(outcome.supervised, *outcome.epochs)
    return (
        f"{len(train)} texts and {len(texts)} without labels; best macro-F1 on {len(valid)} validation texts {best:.3f}, "
        f"by {told['chosen']} (supervised {outcome.supervised:.3f})"
    )


def label_shares(decided: np.ndarray) -> np.ndarray:
    """Returns the share of texts with each label, and last of those with none, of shape (k + 1,), for a 0/1 matrix of shape (n, k)."""
    return np.append(decided.mean(axis=0), 1 - decided.any(axis=1).mean())


def swallowing(found: np.ndarray, reference: np.ndarray, limit: float) -> int | None:
    """Returns which label swallows the predictions, or None.

    found, reference : shares of texts per label, shape (k,), by the model that is watched and by the supervised one

    A label swallows them if the texts outside of it are fewer than `limit` times those outside of it by the reference: so a
    label that rightly holds most texts may do so, and one that grows at the cost of nearly all others may not.
    """
    suspects = np.flatnonzero((found > reference) & (1 - found < limit * (1 - reference)))
    return int(suspects[found[suspects].argmax()]) if len(suspects) else None


@dataclass(frozen=True)
class Outcome:
    """What happened: the supervised model's score, each epoch's (COLLAPSED where the guard rejected it), and the shares it saw.

    standard_error : of the difference in score between the best epoch and the supervised model
    reference, shares : share of the watched texts per label, the last for those with none, by the supervised model and by each epoch
    """

    supervised: float
    epochs: list[float]
    reference: list[float]
    shares: list[list[float]]
    standard_error: float

    @property
    def fell_back(self) -> bool:
        """Whether the supervised model is kept: no epoch that had not collapsed was better on validation by more than chance."""
        return max(self.epochs) - self.supervised <= self.standard_error


def learn(job: Job, encoder: base_models.BaseModel, card: contract.Card, train: Examples, valid: Examples, texts: Unlabelled) -> tuple[Any, Outcome]:
    """Returns (the best epoch by macro-F1 on `valid` that did not collapse, or the supervised model; what happened).

    The supervised one stays unless the epoch is better by more than one standard error of the difference, as in self-training.

    Checkpoints stand in the job's folder; a second call with the same arguments goes on from there.
    """
    import torch

    task, k = card.schema, len(card.labels)
    uda, finetune, machine = job.section(Settings), job.finetune, job.machine
    seconds, folder = job.settings.runtime.checkpoint_seconds, job.folder
    supervised, epochs = classifier.train(encoder, card, train, valid, finetune, folder / "supervised", machine, seconds, f"{job.title}: supervised")
    best_supervised = max(epoch.score for epoch in epochs)
    watched = texts.sample(WATCHED, np.random.default_rng([machine.seed, 0])).texts

    def shares_of(model: Any) -> np.ndarray:
        labeler = transformer.TransformerLabeler(card, "", model, encoder.tokenizer, machine)
        return label_shares(indicator(contract.decide(labeler.scores(watched, uda.batch_size), card), task))

    supervised.eval()
    said = classifier.decided(supervised, encoder, card, valid, finetune.batch_size, machine)
    reference = shares_of(supervised)
    place = folder / "consistent"
    place.mkdir(exist_ok=True)

    threshold, epoch = 1.0, 0

    def on_step(done: float) -> None:
        nonlocal threshold, epoch
        threshold = consistency.signal_threshold(uda.annealing, done, 2 if task.multi_label else k)
        epoch = int(done * uda.epochs) + 1

    def score(model: Any) -> float:
        shares = shares_of(model)
        # By number: a run that was killed may score an epoch for a second time.
        files.write_json(place / SHARES, {**read_shares(place), str(epoch): shares.tolist()})
        if swallowing(shares, reference, uda.guard) is not None:
            return COLLAPSED
        return classifier.valid_f1(model, encoder, card, valid, finetune.batch_size, machine)

    rows = [
        {"original": one, "augmented": other}
        for one, other in zip(
            transformer.tokenize(texts.texts, encoder.tokenizer, card.tokens),
            transformer.tokenize(texts.augmented, encoder.tokenizer, card.tokens),
            strict=True,
        )
    ]
    per_label = torch.as_tensor(classifier.class_weights(train.gold, finetune.class_weights, task), dtype=torch.float32, device=machine.device)

    def loss(model: Any, batch: dict[str, Any]) -> Any:
        labelled = dict(batch["labelled"])
        labels = labelled.pop("labels")
        # First what needs gradients: autocast keeps the weights that it has cast, and those cast without gradients would get none.
        learnt = consistency.supervised_loss(model(**labelled).logits.float(), labels, per_label, threshold, task)
        model.eval()  # the target is what the model says, not what it says with half of it dropped
        with torch.no_grad():
            original = model(**batch["original"]).logits.float()
        model.train()
        augmented = model(**batch["augmented"]).logits.float()
        return learnt + uda.weight * consistency.consistency_loss(original, augmented, uda.temperature, uda.confidence, task.multi_label)

    model = classifier.new(encoder, card, machine, finetune, train)
    labelled = classifier.tokenized(train, encoder, card)
    shown = (labelled, classifier.tokenized(valid, encoder, card), *([row[side] for row in rows] for side in ("original", "augmented")))
    plan = training.Plan(
        uda.epochs, finetune.learning_rate, uda.batch_size, finetune.warmup, finetune.weight_decay, rate=classifier.rates(model, finetune)
    )
    epochs = training.fit(
        model,
        rows,
        np.asarray([len(row["original"]["input_ids"]) + len(row["augmented"]["input_ids"]) for row in rows]),
        batches(labelled, finetune.batch_size, encoder.tokenizer),
        loss,
        plan,
        place,
        machine,
        seconds,
        job.title,
        score,
        on_step,
        classifier.tokens(*shown, padding=encoder.tokenizer.pad_token_id),
    )
    shares = read_shares(place)
    says = classifier.decided(model, encoder, card, valid, finetune.batch_size, machine)
    error = bootstrap.standard_error(valid.gold, said, says, task, machine.seed)
    outcome = Outcome(best_supervised, [found.score for found in epochs], reference.tolist(), [shares[str(found.number)] for found in epochs], error)
    return (supervised if outcome.fell_back else model), outcome


def read_shares(folder: Path) -> dict[str, list[float]]:
    """Returns {number of the epoch: share of the watched texts per label}, as far as they are known."""
    path = folder / SHARES
    return json.loads(path.read_text()) if path.is_file() else {}


def batches(labelled: list[dict[str, Any]], size: int, tokenizer: Any) -> Callable[[list[Any], int], dict[str, Any]]:
    """Returns a collate that sets `size` labelled texts, drawn by the batch's seed, beside the texts without labels."""

    def collate(rows: list[Any], seed: int) -> dict[str, Any]:
        drawn = np.random.default_rng(seed).permutation(len(labelled))[:size]
        return {
            "labelled": objectives.pad([labelled[number] for number in drawn], tokenizer),
            "original": objectives.pad([row["original"] for row in rows], tokenizer),
            "augmented": objectives.pad([row["augmented"] for row in rows], tokenizer),
        }

    return collate


def report(outcome: Outcome, task: Task) -> dict[str, Any]:
    """Returns what happened, for the card and the metrics: which model was chosen and why, what each epoch reached, who swallowed what."""
    names = [*task.labels, "no label"] if task.multi_label else list(task.labels)
    collapsed = [number for number, score in enumerate(outcome.epochs, 1) if score == COLLAPSED]
    best = int(np.argmax(outcome.epochs))

    def told(shares: list[float]) -> dict[str, float]:
        return {name: round(share, scores.DIGITS) for name, share in zip(names, shares, strict=False)}

    reason = "collapsed in every epoch" if len(collapsed) == len(outcome.epochs) else "not better than supervised on validation by more than chance"
    return {
        "method": "uda",
        "chosen": f"supervised: {reason}" if outcome.fell_back else f"epoch {best + 1}",
        "fell_back": outcome.fell_back,
        "collapsed_epochs": len(collapsed),
        "standard_error": round(outcome.standard_error, scores.DIGITS),
        "supervised": {"valid_f1_macro": round(outcome.supervised, scores.DIGITS), "shares": told(outcome.reference)},
        **{
            f"epoch_{number}": {
                **({"collapsed": True} if score == COLLAPSED else {"valid_f1_macro": round(score, scores.DIGITS)}),
                "shares": told(shares),
            }
            for number, (score, shares) in enumerate(zip(outcome.epochs, outcome.shares, strict=True), 1)
        },
    }
