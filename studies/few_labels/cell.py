"""One cell of the study: one labeler, made of a few labels and measured on the test texts."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core import files, params, paths
from labelrounds.core.task import Task, indicator, labels_of
from labelrounds.labelers import contract
from labelrounds.measures import scores
from labelrounds.methods import jobs
from labelrounds.pool.identity import text_id
from studies.few_labels import peers, texts
from studies.few_labels.arms import VALIDATION, Arm

read_set = lru_cache(maxsize=1)(texts.read_set)


@dataclass(frozen=True)
class Cell:
    """set : its name; train, test : its files; most : test texts at most; labels : how many the arm gets; base : the params.yaml to
    begin with; encoder : the folder of the base model; room : where a project may be made, and is removed afterwards"""

    set: str
    train: Path
    test: Path
    most: int
    labels: int
    seed: int
    name: str
    arm: Arm
    base: Path
    encoder: Path
    room: Path

    @property
    def key(self) -> tuple[str, int, int, str]:
        return self.set, self.labels, self.seed, self.name


def measure(cell: Cell) -> dict[str, Any]:
    """Returns the cell's row of results: what it is of, and its scores on the test texts."""
    gold, task, measured = read_set(cell.train, cell.test, cell.most)
    drawn = texts.draw(gold, task, cell.labels, cell.seed)
    room = cell.room / f"project-{os.getpid()}"
    build(room, cell, task)
    # Thresholds of a multi-label task need some texts for validation in any case.
    valid = round(max(cell.arm.validation, VALIDATION if task.multi_label else 0.0) * len(drawn))
    try:
        with contextlib.chdir(room):
            if cell.arm.method == peers.SMALL_TEXT:
                found = peers.small_text(drawn, measured.texts, task, paths.VANILLA, cell.seed)
                said = peers.decide(found, task)
            else:
                for path, rows in ((paths.TRAIN, range(valid, len(drawn))), (paths.VALID, range(valid))):
                    some = texts.part(drawn, np.asarray(rows, dtype=np.int64))
                    files.write_csv(
                        path, ["id", "text", task.column], zip(some.ids, some.texts, map(task.spell, labels_of(some.gold, task)), strict=True)
                    )
                others = texts.without(gold, drawn)
                files.write_csv(paths.UNLABELLED, ["id", "text", "augmented"], ([text_id(text), text, text] for text in others))
                settings = params.load()
                job = jobs.Job(
                    cell.name, settings.recipes[cell.name], settings, paths.TRAIN, paths.VALID, Path("scratch/run"), paths.LABELERS / cell.name
                )
                jobs.make_labeler(job)
                labeler = contract.load(job.out, job.machine)
                found = labeler.scores(measured.texts, settings.predict.batch_size)
                said = indicator(contract.decide(found, labeler.card), task)
    finally:
        shutil.rmtree(room)
    summary = scores.summary(measured.gold, said, found, task)
    what = {"set": cell.set, "labels": cell.labels, "seed": cell.seed, "arm": cell.name}
    return what | {"f1_macro": summary["f1_macro"], "f1_micro": summary["f1_micro"], "test": len(measured)}


def build(room: Path, cell: Cell, task: Task) -> None:
    """Makes the project: params.yaml with the arm's values in it, and the base model."""
    from ruamel.yaml import YAML

    shutil.rmtree(room, ignore_errors=True)
    (room / "models/encoder").mkdir(parents=True)
    (room / paths.VANILLA).symlink_to(cell.encoder)
    tree = YAML().load(cell.base.read_text(encoding="utf-8"))
    tree["task"] = {"type": task.type, "labels": list(task.labels)}
    tree["seed"] = cell.seed
    tree["recipes"] = {cell.name: {"encoder": "vanilla", "method": cell.arm.method}}
    tree["further"], tree["deploy"] = {}, cell.name
    for section, values in (cell.arm.change or {}).items():
        tree[section].update(values)
    with files.atomic(room / "params.yaml") as file:
        YAML().dump(tree, file)
