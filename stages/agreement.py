"""Measure how well people agree with each other, and how well the model agrees with people.

    data/rounds, metrics/DEPLOY/test.csv ──► metrics/agreement.json, metrics/agreement/{labels,people,model,reliability}.csv

The model counts on test texts alone: it was trained on the others, or its best epoch was chosen by them.
"""

import click

from labelrounds.core import files, params, paths, tables
from labelrounds.core.errors import Command
from labelrounds.core.scratch import reading
from labelrounds.measures import agreement, agreement_tables
from labelrounds.rounds import record


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    task = settings.labelled_task()
    predictions = paths.METRICS / settings.deploy / "test.csv"
    with reading("agreement", paths.ROUNDS, paths.SCHEMA, predictions):
        annotations = record.read_all(task)
        opinions = agreement.collect(annotations, task, settings.agreement.leave_out)
        predicted = {row.cells["id"]: task.parse(row.cells["predicted"], row.where) for row in tables.rows(predictions)}
        tested, model = agreement.beside(opinions, predicted)
        everywhere, here = (agreement.weights(len(some.ids), settings.seed) for some in (opinions, tested))
        apart, apart_here = (agreement.distances(some.values, task.multi_label) for some in (opinions, tested))
        whole = agreement_tables.among_people(opinions.counts, apart, everywhere)
        same = agreement_tables.compared(model, tested.counts, apart_here, here)
        labels = [agreement_tables.per_label(label, opinions, everywhere, tested, here, model) for label in task.labels]
        folder = paths.METRICS / "agreement"
        files.write_csv(folder / "labels.csv", agreement_tables.LABELS, labels)
        files.write_csv(folder / "people.csv", agreement_tables.PEOPLE, agreement_tables.pairs(opinions, everywhere, task))
        reliability = agreement_tables.reliability(opinions, task)
        files.write_csv(folder / "reliability.csv", [*agreement_tables.RELIABILITY, *(f"right_{label}" for label in task.labels)], reliability)
        files.write_csv(folder / "model.csv", agreement_tables.MODEL, agreement_tables.with_each(tested, model, here, task))
        guidelines = agreement_tables.per_guideline(annotations, task, settings.agreement.leave_out, settings.seed)
        files.write_json(paths.METRICS / "agreement.json", agreement_tables.summary(opinions, tested, whole, same, settings.deploy, guidelines))
    click.echo(f"agreement: {agreement_tables.sentence(opinions, tested, same)}")


if __name__ == "__main__":
    main()
