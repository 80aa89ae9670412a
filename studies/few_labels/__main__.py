"""Measure what each way of labelling makes of few labels, on data sets whose labels are known.

    python -m studies.few_labels FOLDER --set trec=train.csv,test.csv --sizes 32,100,400 --seeds 5

Every arm of a seed gets the same labelled texts, drawn at random; texts that an arm takes for validation count among them. A
result is written to FOLDER/results.jsonl as soon as it is known, and never computed twice. Run it where the base model is.
"""

import contextlib
import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import click
import numpy as np
from tqdm import tqdm

from labelrounds.core import examples, files, params, paths, screen
from labelrounds.core.errors import Command, UserError
from labelrounds.core.task import Task, indicator, labels_of
from labelrounds.labelers import contract
from labelrounds.measures import scores
from labelrounds.methods import jobs
from labelrounds.pool.identity import near_duplicate_key, text_id
from studies.selection.play import read_gold, read_test

VALIDATION = 0.2  # the share of the labels that the arms with validation spend on it
BEFORE = {"head": "random", "head_learning_rate": 2e-4, "learning_rate": 2e-4}
OURS = "supervised"
UNLABELLED = 3000  # texts of the set that an arm may learn from without their labels


@dataclass(frozen=True)
class Arm:
    """A way of labelling. change : {section: its values in place of those of params.yaml}; validation : the share of the labels for it"""

    method: str
    what: str
    validation: float = 0.0
    change: dict[str, dict[str, Any]] | None = None


ARMS = {
    OURS: Arm("supervised", "the head begins at a probe, pooling as the base was trained, all labels, to the last step"),
    "validated": Arm("supervised", "the same with a fifth of the labels for validation, which chooses the epoch", VALIDATION),
    "random-head": Arm("supervised", "the same as supervised, but the head begins at random", 0.0, {"finetune": {"head": "random"}}),
    "means-head": Arm("supervised", "the same as supervised, but the head begins at the class means", 0.0, {"finetune": {"head": "means"}}),
    "before": Arm(
        "supervised",
        "as it was: random head on the first token, 2e-4, a fifth for validation",
        VALIDATION,
        {"finetune": BEFORE, "model": {"pooling": "cls"}},
    ),
    "trainer": Arm(
        "supervised",
        "a plain Trainer: random head on the first token, 2e-4, 10 epochs, no class weights",
        0.0,
        {"finetune": {**BEFORE, "epochs": 10, "min_steps": 0, "class_weights": "none"}, "model": {"pooling": "cls"}},
    ),
    "probe": Arm("probe", "class means or a regression on frozen vectors, chosen on the labels"),
    "regression": Arm("probe", "a balanced logistic regression on frozen vectors, C = 1", 0.0, {"probe": {"inverse_regularization": [1.0]}}),
    "self-training": Arm("self-training", "a regression on frozen vectors that also learns from the other texts, without their labels"),
    "setfit": Arm("setfit", "setfit with this project's settings"),
}


@click.command(cls=Command)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--set", "sets", multiple=True, required=True, metavar="NAME=TRAIN,TEST", help="A data set: files with the columns text and label (or labels)."
)
@click.option("--sizes", default="32,100,400", show_default=True, help="Numbers of labels in all.")
@click.option("--seeds", default=5, show_default=True)
@click.option("--arms", default=",".join(ARMS), show_default=True, help="Which ways of labelling.")
@click.option(
    "--try",
    "tried",
    multiple=True,
    metavar="NAME:KEY=VALUE,…",
    help="An arm of your own: supervised with other parameters, such as finetune.head=probe.",
)
@click.option("--most-test", default=2000, show_default=True, help="Test texts of a set: of more, a random sample of so many.")
def main(folder: Path, sets: tuple[str, ...], sizes: str, seeds: int, arms: str, tried: tuple[str, ...], most_test: int) -> None:
    known_arms = ARMS | dict(map(own_arm, tried))
    chosen = [*filter(None, arms.split(",")), *(name for name in known_arms if name not in ARMS)]
    if unknown := [name for name in chosen if name not in known_arms]:
        raise UserError(f'there is no arm "{unknown[0]}". Expected some of: {", ".join(ARMS)}.')
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "results.jsonl"
    known = {key(row): row for row in map(json.loads, kept.read_text(encoding="utf-8").splitlines())} if kept.is_file() else {}
    base, encoder = params.PATH.resolve(), paths.VANILLA.resolve()
    cells = [(one, int(size), seed, name) for one in sets for size in sizes.split(",") for seed in range(1, seeds + 1) for name in chosen]
    with tqdm(total=len(cells), desc="few labels", unit="labeler") as bar:
        for one in sets:
            label, _, where = one.partition("=")
            train, _, test = where.partition(",")
            gold, task, measured = read_set(Path(train), Path(test), most_test)
            for size in map(int, sizes.split(",")):
                for seed in range(1, seeds + 1):
                    drawn = draw(gold, task, size, seed)
                    others = without(gold, drawn)
                    for name in chosen:
                        row = {"set": label, "labels": size, "seed": seed, "arm": name}
                        if key(row) not in known:
                            bar.set_postfix_str(f"{label}, {size} labels, seed {seed}, {name}")
                            row |= measure(known_arms[name], name, drawn, others, measured, task, base, encoder, seed, folder.resolve() / "project")
                            known[key(row)] = row
                            with open(kept, "a", encoding="utf-8") as file:
                                file.write(json.dumps(row) + "\n")
                        bar.update()
    click.echo(table(known.values(), chosen))


def own_arm(text: str) -> tuple[str, Arm]:
    """Returns the name and the arm of `NAME:section.key=value,…`; `validation=0.2` spends that share of the labels on validation."""
    from ruamel.yaml import YAML

    name, _, settings = text.partition(":")
    change: dict[str, dict[str, Any]] = {}
    for place, _, value in (one.partition("=") for one in settings.split(",") if one):
        section, _, field = place.partition(".")
        change.setdefault(section, {})[field] = YAML(typ="safe").load(value)
    validation = change.pop("validation", {}).get("", 0.0)
    return name, Arm("supervised", settings, validation, change)


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    """Returns what a result is of."""
    return row["set"], row["labels"], row["seed"], row["arm"]


def read_set(train: Path, test: Path, most: int) -> tuple[examples.Examples, Task, examples.Examples]:
    """Returns (texts to label, none near another or near a test text; the task; at most `most` test texts)."""
    known, task = read_gold(train)
    measured = read_test(test, task)
    if len(measured) > most:
        measured = part(measured, np.sort(np.random.default_rng(0).permutation(len(measured))[:most]))
    taken = {near_duplicate_key(text) for text in measured.texts}
    rows = []
    for identity, (text, cell) in known.items():
        if (near := near_duplicate_key(text)) not in taken:
            taken.add(near)
            rows.append((identity, text, cell))
    gold = indicator([task.parse(cell, identity) for identity, _, cell in rows], task)
    return examples.Examples([row[0] for row in rows], [row[1] for row in rows], gold), task, measured


def draw(gold: examples.Examples, task: Task, size: int, seed: int) -> examples.Examples:
    """Returns `size` texts at random; with so many labels that chance would leave some out, as evenly over the labels as they allow."""
    order = np.random.default_rng(seed).permutation(len(gold))
    if task.multi_label or size >= 20 * len(task.labels) or size < len(task.labels):
        return part(gold, order[:size])
    label = gold.gold.argmax(axis=1)[order]
    turn = np.asarray([np.count_nonzero(label[:number] == label[number]) for number in range(len(order))])
    return part(gold, order[np.argsort(turn, kind="stable")[:size]])


def part(some: examples.Examples, rows: np.ndarray) -> examples.Examples:
    """Returns the examples of these rows."""
    return examples.Examples([some.ids[row] for row in rows], [some.texts[row] for row in rows], some.gold[rows])


def without(gold: examples.Examples, drawn: examples.Examples) -> list[str]:
    """Returns up to UNLABELLED further texts of the set, drawn at random, the same ones for every seed but for those that are labelled."""
    taken = set(drawn.ids)
    order = np.random.default_rng(0).permutation(len(gold))
    return [gold.texts[number] for number in order if gold.ids[number] not in taken][:UNLABELLED]


def measure(
    arm: Arm,
    name: str,
    drawn: examples.Examples,
    others: list[str],
    measured: examples.Examples,
    task: Task,
    base: Path,
    encoder: Path,
    seed: int,
    room: Path,
) -> dict[str, Any]:
    """Returns the scores on the test texts of a labeler made from the labelled ones, in a project of its own that is removed afterwards.

    others : texts that it may learn from without their labels; base : the params.yaml to begin with; encoder : the folder of the base model
    """
    build(room, base, encoder, task, arm, name, seed)
    valid = round(max(arm.validation, VALIDATION if task.multi_label else 0.0) * len(drawn))  # for many labels thresholds need some in any case
    with contextlib.chdir(room):
        for path, rows in ((paths.TRAIN, range(valid, len(drawn))), (paths.VALID, range(valid))):
            some = part(drawn, np.asarray(rows, dtype=np.int64))
            files.write_csv(path, ["id", "text", task.column], zip(some.ids, some.texts, map(task.spell, labels_of(some.gold, task)), strict=True))
        files.write_csv(paths.UNLABELLED, ["id", "text", "augmented"], ([text_id(text), text, text] for text in others))
        settings = params.load()
        job = jobs.Job(name, settings.recipes[name], settings, paths.TRAIN, paths.VALID, Path("scratch/run"), paths.LABELERS / name)
        jobs.make_labeler(job)
        labeler = contract.load(job.out, job.machine)
        found = labeler.scores(measured.texts, settings.predict.batch_size)
    said = indicator(contract.decide(found, labeler.card), task)
    summary = scores.summary(measured.gold, said, found, task)
    shutil.rmtree(room)
    return {"f1_macro": summary["f1_macro"], "f1_micro": summary["f1_micro"], "test": len(measured)}


def build(room: Path, base: Path, encoder: Path, task: Task, arm: Arm, name: str, seed: int) -> None:
    """Makes the project: params.yaml with the arm's values in it, and the base model."""
    from ruamel.yaml import YAML

    shutil.rmtree(room, ignore_errors=True)
    (room / "models/encoder").mkdir(parents=True)
    (room / "models/encoder/vanilla").symlink_to(encoder)
    tree = YAML().load(base.read_text(encoding="utf-8"))
    tree["task"] = {"type": task.type, "labels": list(task.labels)}
    tree["seed"] = seed
    tree["recipes"] = {name: {"encoder": "vanilla", "method": arm.method}}
    tree["further"], tree["deploy"] = {}, name
    for section, values in (arm.change or {}).items():
        tree[section].update(values)
    with files.atomic(room / "params.yaml") as file:
        YAML().dump(tree, file)


def table(rows: Iterable[dict[str, Any]], arms: list[str]) -> str:
    """Returns macro-F1 in % by set and size, mean ± deviation over the seeds, and how far `supervised` is ahead of each arm."""
    cells: dict[tuple[str, int], dict[str, dict[int, float]]] = {}
    for row in rows:
        cells.setdefault((row["set"], row["labels"]), {}).setdefault(row["arm"], {})[row["seed"]] = 100 * row["f1_macro"]
    shown = [[name, size, *(spread(found.get(arm, {}).values()) for arm in arms)] for (name, size), found in cells.items()]
    lines = [
        screen.table(["set", "labels", *arms], shown),
        "",
        "Macro-F1 in %, mean ± deviation over the seeds. Lead of supervised, with its 95 % interval (paired by seed):",
        "",
    ]
    leads = [[name, size, *(lead(found.get(OURS, {}), found.get(arm, {})) for arm in arms if arm != OURS)] for (name, size), found in cells.items()]
    return "\n".join([*lines, screen.table(["set", "labels", *(arm for arm in arms if arm != OURS)], leads)])


def spread(values: Iterable[float]) -> str:
    """Returns the mean ± the deviation of some values."""
    values = list(values)
    return "" if not values else f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def lead(ours: dict[int, float], other: dict[int, float]) -> str:
    """Returns the mean difference over the seeds that both have, with its 95 % interval by Student's t."""
    from scipy.stats import t

    differences = [ours[seed] - other[seed] for seed in sorted(set(ours) & set(other))]
    if len(differences) < 2:
        return f"{differences[0]:+.1f}" if differences else ""
    half = float(t.ppf(0.975, len(differences) - 1)) * stdev(differences) / len(differences) ** 0.5
    return f"{mean(differences):+.1f} [{mean(differences) - half:+.1f}, {mean(differences) + half:+.1f}]"


if __name__ == "__main__":
    main()
