"""Labels that change: one command writes params.yaml and a line of data/schema.jsonl, both or neither; no round is touched."""

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from labelrounds.core import files, journal, params, paths, screen
from labelrounds.core.errors import UserError, at, did_you_mean
from labelrounds.core.params import editing, rules
from labelrounds.core.task import MULTI_CLASS
from labelrounds.rounds import record, sampling, schema
from labelrounds.rounds.schema import ADD, MERGE, RENAME, RETIRE, SPLIT, Change


def change(kind: str, labels: Sequence[str], into: Sequence[str], settings: params.Params, today: datetime.date) -> Change:
    """Carries one change of the labels out and returns it; a UserError, and nothing is written, where it cannot be."""
    known = settings.task.labels
    check(kind, labels, into, settings)
    made = Change(today.isoformat(), kind, tuple(labels), tuple(into), known, tuple(map(schema.name_of, files_of_today())))
    record.read_all(settings.labelled_task())  # what is wrong in the rounds now must not be blamed on the change
    old = params.PATH.read_text(encoding="utf-8")
    new = editing.edited(old, {("task", "labels"): list(made.after), **descriptions(made, settings.task.descriptions)})
    with journal.change() as whole:
        with files.atomic(whole.put(params.PATH)) as file:
            file.write(new)
        before = files.read_text(paths.SCHEMA) if paths.SCHEMA.is_file() else ""
        with files.atomic(whole.put(paths.SCHEMA)) as file:
            file.write(before + ("\n" if before and not before.endswith("\n") else "") + schema.line(made))
    return made


def check(kind: str, labels: Sequence[str], into: Sequence[str], settings: params.Params) -> None:
    """Raises a UserError for a change that params.yaml or the history could not hold."""
    known = settings.task.labels
    for label in labels:
        if label not in known:
            raise UserError(f'there is no label "{label}".{did_you_mean(label, known)} There are: {screen.few(known) or "none"} ({at(params.PATH)}).')
    for names in (labels, into):
        if twice := [label for label, count in Counter(names).items() if count > 1]:
            raise UserError(f'"{twice[0]}" is named twice. Name it once.')
    stay = [label for label in known if label not in labels]
    for label in into:
        if label in stay:
            hint = f' To make them one: labelrounds schema merge "{labels[0]}" "{label}" --into "{label}".' if kind == RENAME else ""
            raise UserError(f'there is a label "{label}" already. Choose another name.{hint}')
        if wrong := rules.wrong_label(label):
            raise UserError(wrong)
    if kind == MERGE and len(labels) < 2:
        raise UserError("a merge needs two labels or more. To change the name of one: labelrounds schema rename OLD NEW.")
    if kind == SPLIT and len(into) < 2:
        raise UserError("a split needs two new labels or more: --into ONE --into OTHER. To change a name: labelrounds schema rename OLD NEW.")
    left = len(stay) + len(into)
    if left < 2 and settings.task.type == MULTI_CLASS and kind != ADD:
        raise UserError(f"that would leave {left} label; a multi-class task needs two or more.")


def files_of_today() -> list[Path]:
    """Returns every file that is written in the labels of today: rounds, audits and what they drew, snapshots."""
    folders = (paths.ROUNDS, paths.AUDITS, paths.DRAWN)
    return [*(path for folder in folders for path in record.round_files(folder)), *sorted(paths.SNAPSHOTS.glob("*.json"))]


def descriptions(made: Change, old: Mapping[str, str]) -> dict[editing.Keys, Any]:
    """Returns what changes in task.descriptions: a new name takes its label's along, and a merged label has those of all."""
    place = ("task", "descriptions")
    described = [label for label in made.labels if label in old]
    if made.change == RENAME:
        return {(*place, label): editing.Renamed(made.into[0]) for label in described}
    found: dict[editing.Keys, Any] = {(*place, label): editing.GONE for label in described if label not in made.into}
    if made.change == MERGE and described:
        found[(*place, made.into[0])] = " ".join(old[label] for label in described)
    return found


def show(settings: params.Params) -> None:
    """Prints the labels there are, the changes that led to them, and how many texts wait to be labelled again."""
    changes = schema.read()
    click.echo(f"{len(settings.task.labels)} labels: {screen.few(settings.task.labels, 30) or 'none yet'} (task.labels in {at(params.PATH)})")
    if not changes:
        click.echo("They have not been changed. To change them: labelrounds schema rename|merge|split|add|retire --help")
        return
    click.echo("")
    rows = [[one.date, one.change, str(one), sum(name.startswith(f"{paths.ROUNDS.as_posix()}/") for name in one.files)] for one in changes]
    click.echo(screen.table(["date", "change", "labels", "rounds before it"], rows))
    if settings.task.labels and record.round_files() and (waiting := len(sampling.outdated(settings))):
        click.echo(f"\n{waiting} texts wait to be labelled again: labelrounds schema relabel FILE.csv")


def told(made: Change, settings: params.Params) -> None:
    """Says what a change did, and what it means for rounds and prompts. settings : those of before"""
    click.echo(
        f"{made.change}: {made}. {at(params.PATH)} and {at(paths.SCHEMA)} say so now; the rounds stay as they are and are read in today's labels."
    )
    given = Counter(label for one in record.read_all(params.load().labelled_task()) for label in one.said)
    for label in made.labels:
        click.echo(f'  "{label}": {given[label]} labels in the rounds.')
    lost = [label for label in made.labels if label in settings.task.descriptions and made.change in (SPLIT, RETIRE)]
    for label in lost:
        click.echo(f'  Its description is gone from {at(params.PATH)}: "{settings.task.descriptions[label]}"')
    for path in prompts_that_name(made.labels, settings):
        click.echo(f"  {at(path)} names an old label. Correct it before you ask a language model again.")
    click.echo("Next: dvc repro; then commit. Comparisons with earlier revisions are made in the labels that both sides know (docs/labels.md).")


def prompts_that_name(labels: Sequence[str], settings: params.Params) -> list[Path]:
    """Returns the files of prompts in which one of these labels stands as a word."""
    folders = sorted({prompt.prompt for prompt in settings.prompts.values()})
    texts = [path for folder in folders for path in sorted(Path(folder).glob("*")) if path.is_file()]
    return [path for path in texts if any(label in path.read_text(encoding="utf-8", errors="replace") for label in labels)]
