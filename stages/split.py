"""Split the labelled texts into train, validation and test; a new round never moves a text between them.

data/pool, data/rounds ──► data/split/{train,valid,test}.csv, heldout.txt, labels.csv; metrics/split.{json,csv}
"""

import shutil

import click

from labelrounds.core import files, lock, params, paths
from labelrounds.core.errors import Command
from labelrounds.core.scratch import reading
from labelrounds.core.task import Task
from labelrounds.rounds import carried, holdout, record, split, test_set, vote

CASES = ["id", "case", "round", "detail"]
BEFORE_LABELS = (
    "split: no labels yet, so nothing is held out. A labeler that needs none, such as `deploy: zero-shot`, fills the queue: "
    "`dvc repro select`. Before you label that, draw and import a random round and name it in split.holdout_rounds: it gives the test set."
)


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    with lock.project(paths.ROUNDS):
        for warning in carried.carry(settings.data):
            click.echo(warning)
    with reading("split", settings.data.pool, paths.ROUNDS, paths.SCHEMA):
        record.check_experiment()
        held_out = split.holdout_rounds(settings.split.holdout_rounds)
        task = settings.labelled_task()
        annotations = vote.deciding(record.read_all(task))
        made = split.draw(annotations, task, settings.split, settings.data, held_out)
        for warning in split.warnings(made, task, settings.split) if annotations else ():
            click.echo(warning)
        cases = split.cases(made, task)
        for warning in test_set.lost([identity for identity, _ in made.members["test"]], made.verdict.labels.keys()):
            click.echo(warning)
        fingerprint = write_split(made, task)
        files.write_json(paths.METRICS / "split.json", split.summary(made, annotations, cases, fingerprint, task))
        files.write_csv(paths.METRICS / "split.csv", CASES, cases)
        paths.EVALUATED.mkdir(parents=True, exist_ok=True)  # the report depends on it, and without recipes no stage makes it
    counts = ", ".join(f"{len(made.members[name])} {name}" for name in holdout.SIDES)
    held = f"{len(made.heldout)} of {made.pool_size} pool texts held out"
    click.echo(f"split: {len(annotations)} labels of {len(made.texts)} texts: {counts}; {held}." if annotations else BEFORE_LABELS)


def write_split(made: split.Split, task: Task) -> str:
    """Writes data/split in one step and returns the fingerprint of the test set (ids and labels)."""
    folder = files.beside(paths.SPLIT)
    try:
        for name, members in made.members.items():
            rows = ((identity, made.texts[identity], task.spell(one.labels)) for identity, one in members)
            files.write_csv(folder / f"{name}.csv", ["id", "text", task.column], rows)
        labels = ((i, task.spell(one.labels), one.round, one.votes, made.sides[i]) for i, one in sorted(made.verdict.labels.items()))
        files.write_csv(folder / "labels.csv", ["id", task.column, "round", "votes", "side"], labels)
        with files.atomic(folder / "heldout.txt") as file:
            file.writelines(f"{identity}\n" for identity in sorted(made.heldout))
        fingerprint = files.sha256(folder / "test.csv")[:16]
        files.publish(folder, paths.SPLIT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return fingerprint


if __name__ == "__main__":
    main()
