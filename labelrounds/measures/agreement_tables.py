"""Agreement as tables: among all people, label by label, for every two people, and of the model with each person.

A measure is (its value, its 95 % interval); both are None where it is not defined. `weight` is how often each text counts in every
bootstrap resample, float array of shape (n, n_resamples): see `agreement.weights`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from labelrounds.core.task import Task, indicator
from labelrounds.measures import agreement
from labelrounds.measures.agreement import Opinions
from labelrounds.rounds import consensus, record

Measured = tuple[float | None, list[float] | None]

FEW = 10  # texts: two people who share fewer get no line of their own
LABELS = ["label", "texts", "raw", "fleiss_kappa", "alpha", "alpha_low", "alpha_high",
          "test_texts", "human", "human_low", "human_high", "model", "model_low", "model_high", "difference", "difference_low", "difference_high"]  # fmt: skip
PEOPLE = ["one", "other", "texts", "raw", "kappa", "kappa_low", "kappa_high"]
RELIABILITY = ["person", "texts", "reliability"]  # then right_LABEL for each label
MODEL = ["person", "texts", "raw", "kappa", "kappa_low", "kappa_high"]
NOBODY = "No text has labels by two people. `labelrounds next --again 100 FILE` draws test texts for second opinions."
NOT_TESTED = "No test text has labels by two people, so the model cannot be compared. `labelrounds next --again 100 FILE` draws some."
FINE = "Krippendorff's alpha: people among each other, and the model with each of them, on the same test texts."


def among_people(counts: np.ndarray, distance: np.ndarray, weight: np.ndarray) -> dict[str, Measured]:
    """Returns {measure: (value, interval)} of the agreement among people.

    counts : how many people gave each answer to each text, shape (n, n_values); distance : of shape (n_values, n_values)
    """
    found = {
        "raw": agreement.raw(counts, weight),
        "fleiss_kappa": agreement.fleiss_kappa(counts, weight),
        "alpha": agreement.alpha(counts, distance, weight),
    }
    return {name: agreement.interval(row) for name, row in found.items()}


def per_guideline(annotations: Sequence[record.Annotation], task: Task, leave_out: Sequence[str], seed: int) -> dict[str, Any]:
    """Returns {version of the guideline: how many texts people labelled by it twice or more, how many people, and how well they agree}."""
    found = {}
    for version in sorted({one.guideline for one in annotations if one.guideline}):
        opinions = agreement.collect([one for one in annotations if one.guideline == version], task, leave_out)
        if opinions.ids:
            apart, weight = agreement.distances(opinions.values, task.multi_label), agreement.weights(len(opinions.ids), seed)
            measured = among_people(opinions.counts, apart, weight)
            found[version] = {"texts": len(opinions.ids), "people": len(opinions.people), **{name: value for name, (value, _) in measured.items()}}
    return found


def compared(model: np.ndarray, counts: np.ndarray, distance: np.ndarray, weight: np.ndarray) -> dict[str, Measured]:
    """Returns {measure: (value, interval)}: alpha among people, alpha of model and people, and by how much the latter is higher.

    model : int array of shape (n,), the number of the model's answer to each text
    """
    human, machine = agreement.alpha(counts, distance, weight), agreement.alpha_with(model, counts, distance, weight)
    found = {"human_agreement": human, "model_agreement": machine, "difference": machine - human}
    return {name: agreement.interval(row) for name, row in found.items()}


def per_label(label: str, opinions: Opinions, everywhere: np.ndarray, tested: Opinions, here: np.ndarray, model: np.ndarray) -> list[Any]:
    """Returns the row of one label, in the order of LABELS: this label or not, as a decision of its own.

    everywhere, here : the weights of `opinions` and of `tested`, those on test texts, which the `model` answered
    """
    apart = 1.0 - np.eye(2)
    whole = among_people(agreement.one_label(opinions, label), apart, everywhere)
    has = np.array([int(label in labels) for labels in tested.values], dtype=int)
    same = compared(has[model], agreement.one_label(tested, label), apart, here)
    row: dict[str, Any] = {"label": label, "texts": len(opinions.ids), "test_texts": len(tested.ids)}
    row |= {name: whole[name][0] for name in ("raw", "fleiss_kappa", "alpha")}
    named = {"alpha": whole["alpha"], "human": same["human_agreement"], "model": same["model_agreement"], "difference": same["difference"]}
    for name, (value, bounds) in named.items():
        row |= {name: value, f"{name}_low": bounds and bounds[0], f"{name}_high": bounds and bounds[1]}
    return [shown(row[name]) for name in LABELS]


def pairs(opinions: Opinions, weight: np.ndarray, task: Task) -> Iterator[list[Any]]:
    """Yields a row, in the order of PEOPLE, for every two people who share ten texts or more."""
    for one, first in enumerate(opinions.people):
        for other in range(one + 1, len(opinions.people)):
            both = np.flatnonzero((opinions.said[:, [one, other]] >= 0).all(axis=1))
            if len(both) >= FEW:
                yield [first, opinions.people[other], *two(opinions.said[both, one], opinions.said[both, other], opinions, weight[both], task)]


def reliability(opinions: Opinions, task: Task) -> Iterator[list[Any]]:
    """Yields a row, in the order of RELIABILITY and of the labels, for every named person who shares ten texts or more with others.

    The probability that a person gives the true label, and the same for texts of each true label, by Dawid and Skene (1979). For
    several labels per text the first is the mean over the labels, each a decision of its own.
    """
    rows, people = np.nonzero(opinions.said >= 0)
    if not len(rows):
        return
    said = indicator(opinions.values, task)[opinions.said[rows, people]]
    if task.multi_label:
        models = [consensus.fit(rows, people, said[:, label], 2) for label in range(len(task.labels))]
        overall, each = np.mean([one.of_people for one in models], axis=0), np.stack([one.tables[:, 1, 1] for one in models], axis=1)
    else:
        model = consensus.fit(rows, people, said.argmax(axis=1), len(task.labels))
        overall, each = model.of_people, np.diagonal(model.tables, axis1=1, axis2=2)
    for number, person in enumerate(opinions.people):
        texts = int((people == number).sum())
        if texts >= FEW and not person.startswith(agreement.UNNAMED):
            yield [person, texts, *(shown(float(cell)) for cell in (overall[number], *each[number]))]


def with_each(tested: Opinions, model: np.ndarray, weight: np.ndarray, task: Task) -> Iterator[list[Any]]:
    """Yields a row, in the order of MODEL, for every person who labelled ten of the texts or more."""
    for number, person in enumerate(tested.people):
        rows = np.flatnonzero(tested.said[:, number] >= 0)
        if len(rows) >= FEW:
            yield [person, *two(tested.said[rows, number], model[rows], tested, weight[rows], task)]


def two(one: np.ndarray, other: np.ndarray, opinions: Opinions, weight: np.ndarray, task: Task) -> list[Any]:
    """Returns the cells (texts, raw agreement, Cohen's kappa, low, high) of two who answered the same texts, int arrays of shape (n,)."""
    coded = indicator(opinions.values, task)
    value, bounds = agreement.interval(agreement.cohen_kappa(coded[one], coded[other], task.multi_label, weight))
    return [shown(cell) for cell in (len(one), float((one == other).mean()), value, *(bounds or (None, None)))]


def summary(
    opinions: Opinions, tested: Opinions, whole: dict[str, Measured], same: dict[str, Measured], deployed: str, guidelines: dict[str, Any]
) -> dict[str, Any]:
    """Returns metrics/agreement.json; `guidelines` only where any is known. Intervals are lists, which `dvc metrics diff` leaves out: it stays one line per number."""
    return {
        "texts": len(opinions.ids),
        "people": len(opinions.people),
        **{name: value for name, (value, _) in whole.items()},
        "test_texts": len(tested.ids),
        "labeler": deployed,
        **{name: value for name, (value, _) in same.items()},
        "ci95": {name: bounds for name, (_, bounds) in {**whole, **same}.items()},
        **({"guidelines": guidelines} if guidelines else {}),
        "note": NOBODY if not opinions.ids else NOT_TESTED if not tested.ids else FINE,
    }


def sentence(opinions: Opinions, tested: Opinions, same: dict[str, Measured]) -> str:
    """Returns how well people agree on the test texts, and the model with them, in words."""
    if not tested.ids:
        return NOT_TESTED if opinions.ids else NOBODY
    (human, _), (model, _), (difference, bounds) = same.values()
    if difference is None or bounds is None:
        return f"on {len(tested.ids)} test texts all answers are the same, so no chance-corrected measure is defined."
    return (
        f"on {len(tested.ids)} test texts people agree with each other at alpha {human:.3f}, the model with them at {model:.3f} "
        f"(difference {difference:+.3f}, 95 % interval {bounds[0]:+.3f} to {bounds[1]:+.3f})."
    )


def shown(cell: Any) -> Any:
    """Returns a cell of a table: six digits, empty for none."""
    return "" if cell is None else f"{cell:.6f}" if isinstance(cell, float) else cell
