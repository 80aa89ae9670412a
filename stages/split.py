"""Split the labelled texts into train, validation and test; a new round never moves a text between them.

data/pool, data/rounds ──► data/split/{train,valid,test}.csv, heldout.txt, labels.csv; metrics/split.json
"""

import json
import shutil
from collections import Counter

import click

from labelrounds.core import files, params, paths
from labelrounds.core.errors import Command, UserError, at, first_of, no_labels
from labelrounds.pool import reader
from labelrounds.rounds import holdout, record

CASES = ["id", "case", "round", "detail"]


@click.command(cls=Command)
def main() -> None:
    settings = params.load()
    source, column = settings.data.pool, settings.data.text_column
    with files.unchanged(source, paths.ROUNDS):
        annotations, verdict, task = read_labels(settings)
        held_rounds = set(settings.split.holdout_rounds)
        # Membership of validation and test comes from the holdout rounds alone; a later round may correct a label.
        first = record.settle((a for a in annotations if a.round in held_rounds), task)
        texts, pool_size, grouped = read_texts(annotations, source, column)
        held = holdout.draw(
            texts.values(),
            {identity: texts[identity] for identity in first.labels},
            lambda: reader.stream(source, column) if grouped else (),
            settings.split.salt,
            settings.split.valid,
            settings.split.test,
        )
        sides = {identity: held.side(text) for identity, text in texts.items()}
        members, near = assign(sides, first, verdict)
        if annotations:
            check_members(members, task)
        heldout, in_pool = read_heldout(source, column, texts, held)
        cases = decided(verdict, task)
        cases += [(identity, "near a held-out text: not trained on", verdict_round(verdict, identity), sides[identity]) for identity in near]
        cases += [(identity, "not in the pool", "", "") for identity in sorted(set(texts) - in_pool)]

    fingerprint = write_split(members, verdict, sides, texts, heldout, task)
    write_metrics(members, annotations, cases, pool_size, len(heldout), fingerprint, task)
    if not annotations:
        click.echo(
            f"split: no labels yet; {settings.deploy} needs none: `dvc repro select` fills the queue. "
            "Before you label that, draw and import a random round: it gives the test set."
        )
        return
    counts = ", ".join(f"{len(members[name])} {name}" for name in holdout.SIDES)
    click.echo(f"split: {len(annotations)} labels of {len(texts)} texts: {counts}; {len(heldout)} of {pool_size} pool texts held out.")


def read_labels(settings):
    """Returns the annotations but second opinions, what they say together, and the task.

    Without a single round, the error says how to begin; or, if the deployed labeler needs no labels, nothing is
    held out yet, and `select` makes a queue with it.
    """
    if not record.round_files():
        deployed = settings.all_recipes.get(settings.deploy)
        if deployed is not None and not deployed.needs_labels:
            task = settings.labelled_task()
            return [], record.settle([], task), task
        raise no_labels()
    task = settings.labelled_task()
    names = [path.stem for path in record.round_files()]
    lacking = [name for name in settings.split.holdout_rounds if name not in names]
    if lacking or not settings.split.holdout_rounds:
        found = f'names round "{lacking[0]}", which is not in {at(paths.ROUNDS)}' if lacking else "names no round"
        raise UserError(
            f"{at(params.PATH, params.line_of('split', 'holdout_rounds'))}: split.holdout_rounds {found}; without a holdout round "
            f'there is nothing to test on. Rounds there are: {", ".join(names)}. Name one that was drawn at random, such as ["{names[0]}"].'
        )
    annotations = record.deciding(record.read_all(task))
    verdict = record.settle(annotations, task)
    examples = Counter(label for settled in verdict.labels.values() for label in settled.labels)
    places = {label: a.where for a in reversed(annotations) if a.id in verdict.labels for label in a.labels if label in verdict.labels[a.id].labels}
    problems = [
        f'{places[label]}: the label "{label}" has only one example in all rounds; two or more are '
        "needed to learn it and to test it. Label another text with it, or take it out of task.labels."
        for label in task.labels
        if examples[label] == 1
    ]
    if problems:
        raise first_of(problems, "label")
    return annotations, verdict, task


def read_texts(annotations, source, column):
    """Returns {id: text} of all labelled texts, from the rounds and the pool; the pool's size; whether it has groups."""
    texts = {a.id: a.text for a in annotations if a.text is not None}
    wanted = {a.id for a in annotations}
    size, grouped = 0, False
    for row in reader.stream(source, column):
        size += 1
        grouped |= bool(row.own.get(reader.GROUP))
        if row.id in wanted:
            texts[row.id] = row.text
    unknown = [a for a in annotations if a.id not in texts]
    if unknown:
        raise first_of(
            [
                f"{a.where}: nobody knows the id {a.id}: it is not in the pool ({source}), and no round carries its text. "
                "Add a `text` column to the round, or remove the row."
                for a in unknown
            ],
            "row",
        )
    return texts, size, grouped


def assign(sides, first, verdict):
    """Returns ({side: [(id, what people say)]}, ids near a held-out text, which nobody may train on).

    first : what the holdout rounds say; only their texts are ever in validation and test
    """
    members: dict[str, list[tuple[str, record.Settled]]] = {name: [] for name in holdout.SIDES}
    near = []
    for identity, side in sorted(sides.items()):
        if identity in first.labels and side != "train":
            members[side].append((identity, verdict.labels.get(identity, first.labels[identity])))
        elif side != "train":
            near.append(identity)
        elif identity in verdict.labels:
            members["train"].append((identity, verdict.labels[identity]))
    return members, near


def decided(verdict, task):
    """Returns a line for every text whose label had to be decided."""
    cases = [
        (identity, "relabelled", new.round, f"{task.spell(old.labels)} -> {task.spell(new.labels)}")
        for identity, (old, new) in sorted(verdict.relabelled.items())
    ]
    return cases + [
        (identity, "tie: not trained on", name, " | ".join(task.spell(vote) for vote in votes))
        for identity, (name, votes) in sorted(verdict.tied.items())
    ]


def verdict_round(verdict, identity):
    """Returns the round that decided this text's label, or where it is tied."""
    return verdict.labels[identity].round if identity in verdict.labels else verdict.tied[identity][0]


def check_members(members, task):
    """An empty side is an error; a side without some label is a warning that names it."""
    for name, rows in members.items():
        if not rows:
            raise UserError(
                f"no labelled text falls into {name}. Label more texts in the holdout rounds (some hundred is good), "
                "or change split.valid, split.test or split.salt in params.yaml."
            )
        present = {label for _, settled in rows for label in settled.labels}
        lacking = [label for label in task.labels if label not in present]
        if lacking:
            click.echo(
                f"Warning: {name} holds no text with the label {', '.join(lacking)}: "
                + ("the model cannot learn it yet." if name == "train" else "its F1 there means nothing yet.")
            )


def read_heldout(source, column, texts, held):
    """Returns the ids of all held-out texts of the pool, near-duplicates and groups included, and the labelled ids in the pool.

    Texts of the pool alone: an id from a later round would re-run `adapt`, which reads nothing else.
    """
    heldout, in_pool = set(), set()
    for row in reader.stream(source, column):
        if row.id in texts:
            in_pool.add(row.id)
        if held.holds(row):
            heldout.add(row.id)
    return heldout, in_pool


def write_split(members, verdict, sides, texts, heldout, task):
    """Writes data/split in one step and returns the fingerprint of the test set (ids and labels)."""
    made = paths.SPLIT.parent / f".{paths.SPLIT.name}.new"
    shutil.rmtree(made, ignore_errors=True)
    try:
        for name, rows in members.items():
            files.write_csv(made / f"{name}.csv", ["id", "text", task.column], ((i, texts[i], task.spell(s.labels)) for i, s in rows))
        labelled = ((i, task.spell(s.labels), s.round, s.votes, sides[i]) for i, s in sorted(verdict.labels.items()))
        files.write_csv(made / "labels.csv", ["id", task.column, "round", "votes", "side"], labelled)
        with files.atomic(made / "heldout.txt") as file:
            file.writelines(f"{identity}\n" for identity in sorted(heldout))
        fingerprint = files.sha256(made / "test.csv")[:16]
        files.publish(made, paths.SPLIT)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return fingerprint


def write_metrics(members, annotations, cases, pool_size, heldout_size, fingerprint, task):
    """Writes metrics/split.json, the counts, and metrics/split.csv, every case that had to be decided."""
    counted = Counter(case.split(":")[0] for _, case, _, _ in cases)
    by_label = {name: Counter(label for _, s in rows for label in s.labels) for name, rows in members.items()}
    by_round = {name: Counter(s.round for _, s in rows) for name, rows in members.items()}
    names = list(dict.fromkeys(a.round for a in annotations))
    summary = {
        "pool": pool_size,
        "heldout": heldout_size,
        **{name: len(rows) for name, rows in members.items()},
        "fingerprint": fingerprint,
        "relabelled": counted["relabelled"],
        "ties": counted["tie"],
        "near_heldout": counted["near a held-out text"],
        "not_in_pool": counted["not in the pool"],
        "labels": {label: {name: by_label[name][label] for name in members} for label in task.labels},
        "rounds": {r: {"annotations": sum(a.round == r for a in annotations), **{name: by_round[name][r] for name in members}} for r in names},
    }
    files.write_json(paths.METRICS / "split.json", json.loads(json.dumps(summary)))
    files.write_csv(paths.METRICS / "split.csv", CASES, cases)


if __name__ == "__main__":
    main()
