"""Measure how well people agree with each other, and how well the model agrees with people.

    data/rounds, metrics/DEPLOY/test.csv ──► metrics/agreement.json, metrics/agreement/{labels,people,model}.csv

The model counts on test texts alone: it was trained on the others, or its best epoch was chosen by them.
"""

import click
import numpy as np

from labelrounds.core import files, params, paths, tables
from labelrounds.core.errors import Command
from labelrounds.core.task import indicator
from labelrounds.measures import agreement
from labelrounds.rounds import record

FEW = 10  # texts: two people who share fewer get no line of their own
LABELS = ["label", "texts", "raw", "fleiss_kappa", "alpha", "alpha_low", "alpha_high",
          "test_texts", "human", "human_low", "human_high", "model", "model_low", "model_high", "difference", "difference_low", "difference_high"]  # fmt: skip
PEOPLE = ["one", "other", "texts", "raw", "kappa", "kappa_low", "kappa_high"]
MODEL = ["person", "texts", "raw", "kappa", "kappa_low", "kappa_high"]
NOBODY = "No text has labels by two people. `labelrounds next --again 100 FILE` draws test texts for second opinions."
NOT_TESTED = "No test text has labels by two people, so the model cannot be compared. `labelrounds next --again 100 FILE` draws some."
FINE = "Krippendorff's alpha: people among each other, and the model with each of them, on the same test texts."


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    task = settings.labelled_task()
    predictions = paths.METRICS / settings.deploy / "test.csv"
    with files.unchanged(paths.ROUNDS, predictions):
        opinions = agreement.collect(record.read_all(task), task, settings.agreement.leave_out)
        predicted = {row.cells["id"]: task.parse(row.cells["predicted"], row.where) for row in tables.rows(predictions)}
    tested, model = agreement.beside(opinions, predicted)
    everywhere, here = (agreement.weights(len(some.ids), settings.seed) for some in (opinions, tested))
    whole = among_people(opinions, everywhere, agreement.distances(opinions.values, task.multi_label), opinions.counts)
    same = compared(model, tested.counts, agreement.distances(tested.values, task.multi_label), here)
    labels = [per_label(label, opinions, everywhere, tested, model, here) for label in task.labels]
    folder = paths.METRICS / "agreement"
    files.write_csv(folder / "labels.csv", LABELS, ([shown(row[name]) for name in LABELS] for row in labels))
    files.write_csv(folder / "people.csv", PEOPLE, pairs(opinions, everywhere, task))
    files.write_csv(folder / "model.csv", MODEL, with_each(tested, model, here, task))
    write_metrics(opinions, tested, whole, same, settings.deploy)
    click.echo(sentence(opinions, tested, same))


def among_people(opinions, weight, distance, counts):
    """Returns {measure: (value, interval)} of the agreement among people."""
    found = {"raw": agreement.raw(counts, weight), "fleiss_kappa": agreement.fleiss_kappa(counts, weight)}
    return {name: agreement.interval(row) for name, row in (found | {"alpha": agreement.alpha(counts, distance, weight)}).items()}


def compared(model, counts, distance, weight):
    """Returns {measure: (value, interval)}: alpha among people, alpha of model and people, and by how much the latter is higher."""
    human, machine = agreement.alpha(counts, distance, weight), agreement.alpha_with(model, counts, distance, weight)
    found = {"human_agreement": human, "model_agreement": machine, "difference": machine - human}
    return {name: agreement.interval(row) for name, row in found.items()}


def per_label(label, opinions, everywhere, tested, model, here):
    """Returns the row of one label: this label or not, as a decision of its own."""
    apart = 1.0 - np.eye(2)
    counts = agreement.one_label(opinions, label)
    whole = among_people(opinions, everywhere, apart, counts)
    has = np.array([int(label in labels) for labels in tested.values], dtype=int)
    same = compared(has[model], agreement.one_label(tested, label), apart, here)
    row = {"label": label, "texts": len(opinions.ids), "test_texts": len(tested.ids)}
    row |= {name: whole[name][0] for name in ("raw", "fleiss_kappa", "alpha")}
    named = {"alpha": whole["alpha"], "human": same["human_agreement"], "model": same["model_agreement"], "difference": same["difference"]}
    for name, (value, bounds) in named.items():
        row |= {name: value, f"{name}_low": bounds and bounds[0], f"{name}_high": bounds and bounds[1]}
    return row


def pairs(opinions, weight, task):
    """Yields a row for every two people who share ten texts or more."""
    for one, first in enumerate(opinions.people):
        for other in range(one + 1, len(opinions.people)):
            both = np.flatnonzero((opinions.said[:, [one, other]] >= 0).all(axis=1))
            if len(both) >= FEW:
                yield [first, opinions.people[other], *two(opinions.said[both, one], opinions.said[both, other], opinions, weight[both], task)]


def with_each(tested, model, weight, task):
    """Yields a row for every person who labelled ten of the texts or more."""
    for number, person in enumerate(tested.people):
        rows = np.flatnonzero(tested.said[:, number] >= 0)
        if len(rows) >= FEW:
            yield [person, *two(tested.said[rows, number], model[rows], tested, weight[rows], task)]


def two(one, other, opinions, weight, task):
    """Returns (texts, raw agreement, Cohen's kappa, low, high) of two who answered the same texts."""
    coded = indicator(opinions.values, task)
    value, bounds = agreement.interval(agreement.cohen_kappa(coded[one], coded[other], task.multi_label, weight))
    return [shown(cell) for cell in (len(one), float((one == other).mean()), value, *(bounds or (None, None)))]


def write_metrics(opinions, tested, whole, same, deployed):
    """Writes metrics/agreement.json. Intervals are lists, which `dvc metrics diff` leaves out: it stays one line per number."""
    measured = {**whole, **same}
    summary = {
        "texts": len(opinions.ids),
        "people": len(opinions.people),
        **{name: value for name, (value, _) in whole.items()},
        "test_texts": len(tested.ids),
        "labeler": deployed,
        **{name: value for name, (value, _) in same.items()},
        "ci95": {name: bounds for name, (_, bounds) in measured.items()},
        "note": NOBODY if not opinions.ids else NOT_TESTED if not tested.ids else FINE,
    }
    files.write_json(paths.METRICS / "agreement.json", summary)


def sentence(opinions, tested, same):
    """Returns what the stage says at its end."""
    if not tested.ids:
        return f"agreement: {NOT_TESTED if opinions.ids else NOBODY}"
    (human, _), (model, _), (difference, bounds) = same.values()
    if difference is None:
        return f"agreement: on {len(tested.ids)} test texts all answers are the same, so no chance-corrected measure is defined."
    return (
        f"agreement: on {len(tested.ids)} test texts people agree with each other at alpha {human:.3f}, the model with them at {model:.3f} "
        f"(difference {difference:+.3f}, 95 % interval {bounds[0]:+.3f} to {bounds[1]:+.3f})."
    )


def shown(cell):
    """Returns a cell of a table: six digits, empty for none."""
    return "" if cell is None else f"{cell:.6f}" if isinstance(cell, float) else cell


if __name__ == "__main__":
    main()
