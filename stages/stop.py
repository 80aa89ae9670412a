"""Say whether the labels suffice, by three published criteria. Nothing stops by itself: a team decides.

data/snapshots, data/predictions, data/rounds, metrics/{split,agreement}.json, metrics/DEPLOY/test.csv ──► metrics/stop.json
"""

import click

from labelrounds.core import files, params, paths, tables
from labelrounds.core.errors import Command
from labelrounds.core.scratch import reading
from labelrounds.core.task import Task
from labelrounds.measures import snapshots, stopping
from labelrounds.pool import predictions
from labelrounds.rounds import names, record, vote


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    task, stop = settings.labelled_task(), settings.stop
    tested = paths.METRICS / settings.deploy / "test.csv"
    with reading("stop", paths.SNAPSHOTS, paths.SHARDS, paths.HELDOUT, paths.ROUNDS, paths.SCHEMA, tested):
        rows = [row.cells for row in tables.rows(tested)]
        now = read_now(rows, settings, task)
        models = stopping.series(snapshots.read_all(task), now)
        found = {
            "gain": stopping.gain(models, {row["id"]: row["gold"] for row in rows}, task, stop, settings.seed),
            "stability": stopping.stability(models, task, stop),
            "people": stopping.people(files.read_json(paths.METRICS / "agreement.json"), stop),
        }
        says = stopping.sentence(found)
        summary = {
            "round": now.round,
            "labels": now.train,
            "met": sum(one.met is True for one in found.values()),
            **{name: {"met": one.met, **one.numbers, "reference": stopping.REFERENCES[name]} for name, one in found.items()},
            "says": says,
        }
        files.write_json(paths.METRICS / "stop.json", summary)
    click.echo(f"stop: {says}")


def read_now(rows: list[dict[str, str]], settings: params.Params, task: Task) -> snapshots.Snapshot:
    """Returns the snapshot of the model of now, from what the stages before have just made. rows : of metrics/DEPLOY/test.csv"""
    annotations = vote.deciding(record.read_all(task))
    taken = {a.id for a in annotations} | set(files.read_text(paths.HELDOUT).split())
    train = files.read_json(paths.METRICS / "split.json")["train"]
    stop_set = snapshots.stop_set(predictions.cells(task.column), taken)
    newest = max((a.round for a in annotations), key=names.order)
    return snapshots.Snapshot(newest, settings.deploy, "", train, {row["id"]: row["predicted"] for row in rows}, stop_set, task.labels)


if __name__ == "__main__":
    main()
