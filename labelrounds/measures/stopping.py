"""Do the labels suffice? Three published criteria, each met, not met, or not known yet; no torch.

gain : Laws & Schütze 2008, "Stopping Criteria for Active Learning of Named Entity Recognition": stop when the slope of
the learning curve is flat. Here: 100 more labels have brought less macro-F1 than a floor, by a paired bootstrap.
stability : Bloodgood & Vijay-Shanker 2009, "A Method for Stopping Active Learning Based on Stabilizing Predictions and
the Need for User-Adjustable Stopping": stop when successive models agree on a fixed set of unlabelled texts, the stop
set, at a Cohen's kappa of 0.99 or more, averaged over the last three.
people : Calderon, Reichart & Dror 2025, "The Alternative Annotator Test for LLM-as-a-Judge": a model may take a person's
place where it agrees with people as well as they with each other, up to a margin that the user sets.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelrounds.core.params import Stop
from labelrounds.core.task import Task, indicator
from labelrounds.measures import agreement, bootstrap, scores
from labelrounds.measures.snapshots import Snapshot
from labelrounds.rounds import names

REFERENCES = {
    "gain": "Laws and Schütze 2008",
    "stability": "Bloodgood and Vijay-Shanker 2009",
    "people": "Calderon, Reichart and Dror 2025",
}


@dataclass(frozen=True)
class Criterion:
    """met : True, False, or None where it cannot be told yet; numbers : what was measured; says : the same in words"""

    met: bool | None
    numbers: dict[str, Any]
    says: str


def series(kept: Sequence[Snapshot], now: Snapshot) -> list[Snapshot]:
    """Returns the models to compare, oldest first: those of earlier rounds by the same labeler, then the one of now.

    Where two branches kept a model of the same number each, the one that had more texts to train on counts.
    """
    by_number: dict[int, Snapshot] = {}
    for one in sorted(kept, key=lambda one: (one.train, names.order(one.round))):
        if one.labeler == now.labeler and names.number(one.round) < names.number(now.round):
            by_number[names.number(one.round)] = one
    return [*(one for _, one in sorted(by_number.items())), now]


def gain(models: Sequence[Snapshot], gold: Mapping[str, str], task: Task, stop: Stop, seed: int) -> Criterion:
    """Says whether the last rounds brought less macro-F1 per 100 labels than `stop.gain`, with 95 % confidence.

    gold : {test id: its label as a cell}, as known now, for both models
    """
    numbers: dict[str, Any] = {"per_100_labels": None, "floor": stop.gain, "since": None, "labels": None, "texts": None, "ci95": None}
    if len(models) < 2:
        return Criterion(None, numbers, "there is no model of an earlier round to compare with")
    before, now = models[max(len(models) - 1 - stop.rounds, 0)], models[-1]
    both = sorted(gold.keys() & before.test.keys() & now.test.keys())
    added = now.train - before.train
    numbers |= {"since": before.round, "labels": added, "texts": len(both)}
    if not both or added <= 0:
        why = "no test text is common to both models" if added > 0 else "no label was added to the training set"
        return Criterion(None, numbers, f"since round {before.round} {why}")
    common = shared(before, now, task)
    true, old, new = (coded([some[identity] for identity in both], common) for some in (gold, before.test, now.test))
    if not task.multi_label:  # a text of a label that one of them cannot say proves nothing about either
        true, old, new = (some[true.any(axis=1)] for some in (true, old, new))
    if not len(true):
        return Criterion(None, numbers, f"the labels have changed since round {before.round}: no test text has one that both models know")
    numbers["texts"] = len(true)
    change = bootstrap.changes(true, old, new, common, seed)["f1_macro"]
    per = 100 / added
    low, high = (round(bound * per, scores.DIGITS) for bound in change.ci95)
    numbers |= {"per_100_labels": round(change.difference * per, scores.DIGITS), "ci95": [low, high]}
    enough = len(models) > stop.rounds
    says = f"{change.difference * per:+.3f} macro-F1 per 100 labels since round {before.round} ({low:+.3f} to {high:+.3f}; met below {stop.gain:g})"
    if common.labels != task.labels:
        says += f", on the {len(common.labels)} of {len(task.labels)} labels that both models know"
    return Criterion(high < stop.gain if enough else None, numbers, says + ("" if enough else after(len(models) - 1, stop)))


def stability(models: Sequence[Snapshot], task: Task, stop: Stop) -> Criterion:
    """Says whether successive models agree on the stop set at `stop.kappa` or more, averaged over the last rounds."""
    # Models that know other labels cannot say the same.
    pairs = [(before, now) for before, now in list(itertools.pairwise(models))[-stop.rounds :] if before.known == now.known]
    numbers: dict[str, Any] = {"kappa": None, "last": None, "cutoff": stop.kappa, "comparisons": len(pairs), "texts": None}
    if not pairs:
        changed = len(models) > 1
        return Criterion(
            None, numbers, "the labels have changed since the model before" if changed else "there is no model of an earlier round to compare with"
        )
    kappas = []
    for before, now in pairs:
        both = sorted(before.stop.keys() & now.stop.keys())
        numbers["texts"] = len(both)
        one, other = (coded([some.stop[identity] for identity in both], task) for some in (before, now))
        kappas.append(float(agreement.cohen_kappa(one, other, task.multi_label, np.ones((len(both), 1)))[0]))
    if any(np.isnan(kappas)):
        return Criterion(None, numbers, "a model gives every text of the stop set the same label: kappa is not defined")
    mean = float(np.mean(kappas))
    numbers |= {"kappa": round(mean, scores.DIGITS), "last": round(kappas[-1], scores.DIGITS)}
    enough = len(pairs) >= stop.rounds
    says = f"kappa {mean:.3f} between successive models (met from {stop.kappa:g})"
    return Criterion(mean >= stop.kappa if enough else None, numbers, says + ("" if enough else after(len(pairs), stop)))


def shared(before: Snapshot, now: Snapshot, task: Task) -> Task:
    """Returns the task with the labels that both models know."""
    return Task(task.type, tuple(label for label in task.labels if all(not one.known or label in one.known for one in (before, now))))


def people(measured: Mapping[str, Any], stop: Stop) -> Criterion:
    """Says whether the model agrees with people as well as they with each other: metrics/agreement.json in, `stop.margin` allowed."""
    difference, bounds = measured["difference"], measured["ci95"]["difference"]
    numbers = {
        "difference": difference,
        "human_agreement": measured["human_agreement"],
        "model_agreement": measured["model_agreement"],
        "margin": stop.margin,
        "texts": measured["test_texts"],
        "ci95": bounds,
    }
    if difference is None:
        return Criterion(None, numbers, "no test text has answers by two people that could tell")
    says = f"alpha {difference:+.3f} against people's own ({bounds[0]:+.3f} to {bounds[1]:+.3f}; met above {-stop.margin:g})"
    return Criterion(bounds[0] > -stop.margin, numbers, says)


def after(count: int, stop: Stop) -> str:
    """Returns what is added to a criterion that needs more rounds."""
    return f", after {count} of {stop.rounds} rounds"


def coded(cells: Sequence[str], task: Task) -> np.ndarray:
    """Returns the 0/1 array of shape (n, n_labels) of labels as cells; a label that the task has no more counts as none."""
    known = ([label for label in cell.split(";") if label in task.index] for cell in cells)
    return indicator(known, task)


def sentence(found: Mapping[str, Criterion]) -> str:
    """Returns one sentence on all criteria."""
    words = {True: "met", False: "not met", None: "not known yet"}
    met = sum(one.met is True for one in found.values())
    return (
        f"{met} of {len(found)} criteria for enough labels are met: "
        + "; ".join(f"{name} {words[one.met]}: {one.says}" for name, one in found.items())
        + "."
    )
