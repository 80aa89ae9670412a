"""Rounds of labels: the files of data/rounds, append-only. `names` says what they are called, `vote` what they say together.

A round holds `id` and/or `text`; `label`, or `labels` joined by `;`, or one 0/1 column per label; and maybe
`annotator`, `source`, `note`, `labelled_at` (a time in UTC), `seconds` (spent on the text), `guideline` (the git
blob id of the guideline that was read) and `score` (of the suggestion that was shown). Rows with the source `opinion`
decide nothing: they are second opinions, from which the agreement among people is measured.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelrounds.core import files, paths, tables
from labelrounds.core.errors import UserError, at, did_you_mean, first_of
from labelrounds.core.task import Task
from labelrounds.pool.identity import ID_PATTERN, text_id
from labelrounds.rounds import names, schema

LABEL_COLUMNS = ("label", "labels")
OTHER_COLUMNS = ("id", "text", "annotator", "source", "note")
OPINION = "opinion"  # a second opinion: it counts for agreement, and never decides a label
CORRECTION = "correction"  # an answer to a suspected label: it decides like any other, and says nothing of agreement
ADJUDICATED = "adjudicated"  # a decision where people disagreed: it decides like any other, and says nothing of agreement
HOW = ("labelled_at", "seconds", "guideline", "score")  # how a label came about: columns that a round has where anybody knows
FALSE, TRUE = ("0", "0.0", "false", "no", ""), ("1", "1.0", "true", "yes", "x")


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one person said of one text in one round; `text` is None where the round gives the id alone.

    labels : as they are called today; said : as the round calls them. gone : the label that is no more, where a change of the
    labels (`schema`) leaves the text to be labelled again; then `labels` is empty
    labelled_at, seconds, guideline, score : how the label came about, empty where nobody knows
    """

    id: str
    text: str | None
    labels: tuple[str, ...]
    annotator: str
    source: str
    note: str
    round: str
    where: str
    labelled_at: str = ""
    seconds: str = ""
    guideline: str = ""
    score: str = ""
    said: tuple[str, ...] = ()
    gone: str = ""


def round_files(folder: str | Path = paths.ROUNDS) -> list[Path]:
    """Returns the files of the rounds in order; what is no file, or has another name, is a UserError."""
    beside = ("README.md", paths.DRAWN.name)
    found = [path for path in Path(folder).glob("*") if path.name not in beside and not path.name.startswith(".")]
    for path in sorted(found):
        if path.suffix != ".csv" or not names.is_name(path.stem):
            raise UserError(
                f"{at(path)}: not the name of a round; expected a number of two digits, maybe a hyphen and a word, and .csv, such as "
                f"{names.EXAMPLE}. Rename it, or bring it in with `labelrounds import {path.name}`."
            )
        if not path.is_file():
            what = "a link to a file that is not there" if path.is_symlink() else "a folder" if path.is_dir() else "not a file"
            raise UserError(f"{at(path)}: this is {what}, so no label can be read from it. Remove it, or put the file of the round in its place.")
    return sorted(found, key=lambda path: names.order(path.stem))


def check_experiment(here: Path | None = None) -> None:
    """Raises a UserError in a temporary folder of `dvc exp run` that lacks a round of the project: git does not know it there."""
    here = here or Path.cwd()
    project = next((folder.parents[2] for folder in here.parents if folder.parts[-3:] == (".dvc", "tmp", "exps")), None)
    if project is None:
        return
    for folder in (paths.ROUNDS, paths.AUDITS):
        lacking = [path.name for path in round_files(project / folder) if not (here / folder / path.name).exists()]
        if lacking:
            raise UserError(
                f"{folder / lacking[0]} is not part of this experiment ({len(lacking)} files are not), since git does not know it. "
                f"Type `git add {folder}` in the project, then start the experiment again."
            )


def next_number(folder: str | Path = paths.ROUNDS) -> int:
    """Returns the number of the round that comes next."""
    return max((names.number(path.stem) for path in round_files(folder)), default=0) + 1


def planned(columns: list[str], rows: Iterable[Sequence[Any]], folder: str | Path = paths.ROUNDS, shared: bool = True) -> tuple[Path, str]:
    """Returns (the path of the next round, or of the next file of another `folder`; what is to stand in it).

    shared : others may add a round of the same number on their branches, so the name tells the content, too
    """
    number, content = next_number(folder), files.csv_text(columns, rows)
    return Path(folder) / f"{names.of_content(number, content) if shared else f'{number:02d}'}.csv", content


def add(columns: list[str], rows: Iterable[Sequence[Any]], folder: str | Path = paths.ROUNDS, shared: bool = True) -> Path:
    """Writes the next round as `planned`, and returns its path; under the project's lock nobody else takes its name."""
    path, content = planned(columns, rows, folder, shared)
    with files.atomic(path, new=True) as file:
        file.write(content)
    return path


def read_all(task: Task, folder: str | Path = paths.ROUNDS) -> list[Annotation]:
    """Returns every annotation of every round, oldest round first."""
    return [annotation for path in round_files(folder) for annotation in read(path, task)]


def read(path: str | Path, task: Task) -> list[Annotation]:
    """Returns the annotations of one round; a round without any is a UserError."""
    annotations, unfilled = read_filled(path, task)
    if unfilled:
        hint = f' Write "{task.spell(())}" where no label applies.' if task.multi_label else ""
        raise first_of([f"{where}: there is no label in this row.{hint} Fill it in, or remove the row." for where in unfilled], "row")
    if not annotations:
        raise UserError(f"{at(path)}: the round holds no labels. Remove the file, or label at least one text.")
    return annotations


def read_filled(
    path: str | Path, task: Task, restore: Callable[[str], str] = str, cut: re.Pattern[str] | None = None
) -> tuple[list[Annotation], list[str]]:
    """Returns the annotations of a round or a half-filled file, and the places of the rows without a label.

    restore : undoes what a cell of a form needed for a spreadsheet; what people wrote themselves stays as it is: a file without
    ids, and a cell that is right already. cut : the end of a text that was shortened for a form, whose id is then trusted
    """
    path = Path(path)
    columns = tables.columns(path)
    reading = schema.Reading(path, task)
    label_column = find_label_column(path, columns, reading.then)
    if not {"id", "text"} & set(columns):
        raise UserError(f'{at(path, 1)}: there is neither a column "id" nor "text". Found: {", ".join(columns)}.')
    annotations: list[Annotation] = []
    unfilled: list[str] = []
    seen: dict[tuple[str, str, bool], Annotation] = {}  # a second opinion may stand beside the label of the same person
    unknown: list[UserError] = []
    unmarked = restore if "id" in columns else str
    marked = reading.then.labels if label_column is None else (label_column,)
    for row in tables.rows(path):
        cells = {name: (restore if name in marked else unmarked)(cell).strip() for name, cell in row.cells.items()}
        if not any(cells.values()):
            continue
        text = row.cells.get("text", "")
        text = text if text and text_id(text) == cells.get("id") else unmarked(text)
        identity, text = identity_of(cells.get("id", ""), "" if cut and cut.search(text) else text, row.where)
        # A line of JSON may lack a key that the first line has.
        given = [cells.get(name, "") for name in marked]
        empty = not any(given)
        if empty:
            unfilled.append(row.where)
            continue
        try:
            typed = row.cells.get(label_column, "").strip() if label_column else ""
            cell = typed if typed in reading.spelt.index else given[0]
            said = _one_hot(given, reading.then, row.where) if label_column is None else reading.parse(cell, row.where)
            labels, gone = reading.today(said, row.where)
        except UserError as error:
            unknown.append(error)
            continue
        source = source_of(cells.get("source", ""))
        how = {name: cells.get(name, "") for name in HOW}
        annotation = Annotation(
            identity, text, labels, cells.get("annotator", ""), source, cells.get("note", ""), path.stem, row.where, **how, said=said, gone=gone
        )
        previous = seen.setdefault((identity, annotation.annotator, source == OPINION), annotation)
        if previous is not annotation and annotation.annotator:
            if (previous.labels, previous.gone) != (labels, gone):
                raise UserError(
                    f'{row.where}: {annotation.annotator} gives text {identity} the label "{task.spell(labels)}", but '
                    f'"{task.spell(previous.labels)}" at {previous.where}. One person has one opinion per round: remove one row.'
                )
            continue
        annotations.append(annotation)
    if unknown:
        raise first_of(unknown, "row")
    return annotations, unfilled


def find_label_column(path: str | Path, columns: list[str], task: Task) -> str | None:
    """Returns the label column's name, or None where there is one 0/1 column per label."""
    named = [name for name in LABEL_COLUMNS if name in columns]
    # A label may be called "text" or "label": then that column is still not its 0/1 column.
    hot = [label for label in task.labels if label in columns and label not in (*LABEL_COLUMNS, *OTHER_COLUMNS)]
    if len(named) + bool(hot) > 1:
        both = [*named, *(hot[:1] if hot else [])]
        raise UserError(
            f'{at(path, 1)}: labels stand in more than one column: "{both[0]}" and "{both[1]}". Keep one of the forms and remove the other.'
        )
    if hot and len(hot) < len(task.labels):
        lacking = next(label for label in task.labels if label not in hot)
        raise UserError(f'{at(path, 1)}: there are 0/1 columns for some labels, but none for "{lacking}".{did_you_mean(lacking, columns)} Add it.')
    if not named and not hot:
        raise UserError(
            f"{at(path, 1)}: there is no label column.{did_you_mean(task.column, columns)} Found: {', '.join(columns)}. "
            f'Expected "{task.column}", or one 0/1 column per label.'
        )
    return named[0] if named else None


def source_of(cell: str) -> str:
    """Returns where a label comes from as its cell says, `human` where it says nothing."""
    return cell.lower() if cell.lower() in (OPINION, CORRECTION, ADJUDICATED) else cell or "human"


def identity_of(identity: str, text: str, where: str) -> tuple[str, str | None]:
    """Returns (id, text or None) of a row that has at least one of them; a UserError where they disagree."""
    if identity and not ID_PATTERN.fullmatch(identity):
        raise UserError(
            f'{where}: "{identity[:40]}" is not a text id; expected 16 characters from 0-9 and a-f. A spreadsheet may have '
            "turned it into a number: copy the id again, or empty the cell and give the text."
        )
    if not text.strip():
        if not identity:
            raise UserError(f"{where}: the text is empty and there is no id. Fill in one of them, or remove the row.")
        return identity, None
    expected = text_id(text)
    if identity and identity != expected:
        raise UserError(
            f"{where}: id and text disagree: the id is {identity}, but this text's is {expected}. The text was edited, or rows "
            "were shifted against each other: restore the text, or empty the id to label the edited text as a new one."
        )
    return expected, text


def _one_hot(given: list[str], task: Task, where: str) -> tuple[str, ...]:
    found = []
    for label, cell in zip(task.labels, given, strict=True):
        if cell.lower() in TRUE:
            found.append(label)
        elif cell.lower() not in FALSE:
            raise UserError(f'{where}: the column "{label}" holds "{cell[:40]}"; expected 0 or 1.')
    if not task.multi_label and len(found) != 1:
        raise UserError(f"{where}: {len(found)} labels are marked with 1; the task is multi-class, so exactly one is expected.")
    return tuple(found)
