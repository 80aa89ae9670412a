"""The queue: which texts people are asked next, and the file that they fill in.

`data/queue/next.csv` is made by the pipeline; people never type into it. They fill in a copy, opened in a
spreadsheet: so it begins with a byte-order mark, and cells that a spreadsheet would run as formulas or turn
into numbers are made harmless and restored on the way back.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from labelrounds.core import files, leftovers, paths, tables
from labelrounds.core.errors import UserError, at
from labelrounds.core.task import Task
from labelrounds.pool import reader
from labelrounds.pool.identity import LOOSE, near_duplicate_key
from labelrounds.rounds import sheet

FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")
INSIDE = re.compile(r"""([;\t][ "]*)('*[=+\-@＝＋－＠][\w(=+\-@])""")  # a formula's first two signs; `;-)` is none
NUMBER = re.compile(r"'*\d[\d.,:/%eE+\- ]*")  # also dates and times
WORKBOOK = ".xlsx"
SHOWN = 30_000  # a spreadsheet's cell holds 32,767 characters
CUT = re.compile(r" … \[cut here by labelrounds: the whole text has [\d,]+ characters\]\s*\Z")


@dataclass(frozen=True, slots=True)
class Asked:
    """One text to label, with the model's suggestion where there is one."""

    id: str
    text: str
    suggestion: str
    confidence: str
    own: dict[str, str]


def without_near_duplicates(texts: Iterable[tuple[str, str]], taken: set[str], rule: str = LOOSE) -> Iterator[tuple[str, str]]:
    """Yields (id, text) of those that are no near-duplicate of an earlier one or of the keys `taken`, which grow."""
    for identity, text in texts:
        key = near_duplicate_key(text, rule)
        if key not in taken:
            taken.add(key)
            yield identity, text


def harmless(cell: str) -> str:
    """Returns a cell that no spreadsheet runs as a formula: one apostrophe goes before what looks like one.

    So does one inside, after a `;` or a tab: a spreadsheet that separates cells by these would begin a cell there.
    """
    cell = INSIDE.sub(r"\1'\2", cell)
    # A number that has an apostrophe gets another, or `restored` would take its own.
    return f"'{cell}" if FORMULA.match(cell) or (cell.startswith("'") and NUMBER.fullmatch(cell)) else cell


def literal(cell: str) -> str:
    """Returns a harmless cell that no spreadsheet turns into a number or a date either: 1.23E+15 is no id."""
    return f"'{cell}" if NUMBER.fullmatch(cell) else harmless(cell)


def restored(cell: str) -> str:
    """Returns what stood in the cell before `harmless` or `literal`."""
    cell = cell[1:] if cell.startswith("'") and (FORMULA.match(cell) or NUMBER.fullmatch(cell)) else cell
    return INSIDE.sub(lambda found: found[1] + found[2].removeprefix("'"), cell)


def shortened(text: str) -> str:
    """Returns a text that fits into a spreadsheet's cell, with a note of its whole length if it was cut."""
    return text if len(text) <= SHOWN else cut_mark(text[:SHOWN], text)


def cut_mark(shown: str, text: str) -> str:
    """Returns what is shown of a text, with a note of its whole length: the row's id then says which text it is."""
    return f"{shown} … [cut here by labelrounds: the whole text has {len(text):,} characters]"


def read() -> list[Asked]:
    """Returns the queue in its order; none there is a UserError."""
    if not paths.QUEUE.is_file():
        raise UserError(f"{at(paths.QUEUE)}: there is no queue yet. Run `dvc repro`; before the first labels, `labelrounds draw 200 FILE`.")
    ours = {"id", "text", "suggestion", "confidence", "uncertainty"}
    return [
        Asked(
            row.cells["id"],
            row.cells["text"],
            row.cells["suggestion"],
            row.cells["confidence"],
            {name: cell for name, cell in row.cells.items() if name not in ours},
        )
        for row in tables.rows(paths.QUEUE)
    ]


def write(asked: Sequence[Asked], uncertainty: Iterable[float]) -> None:
    """Writes the queue in the order given. uncertainty : how little the model knows about each text"""
    own = list(dict.fromkeys(name for entry in asked for name in entry.own))  # lines of a jsonl pool may differ in their keys
    rows = (
        [entry.id, entry.text, entry.suggestion, entry.confidence, f"{unsure:.6f}", *(entry.own.get(name, "") for name in own)]
        for entry, unsure in zip(asked, uncertainty, strict=True)
    )
    files.write_csv(paths.QUEUE, ["id", "text", "suggestion", "confidence", "uncertainty", *own], rows)


def write_form(path: str | Path, asked: list[Asked], task: Task | None, source: str = "") -> None:
    """Writes the file to fill in; a file that is there is never overwritten.

    `task` is None before any label is known: the column is then `label`. `source` marks every row, where it is no
    ordinary label.
    """
    path = Path(path)
    check_target(path)
    leftovers.sweep(path.parent)
    try:
        if path.suffix.lower() == WORKBOOK:
            _write_workbook(path, asked, task, source)
        else:
            files.write_csv(path, *form_of(asked, task, source), bom=True, new=True)
    except FileExistsError:
        raise taken_name(path) from None


def _write_workbook(path: Path, asked: list[Asked], task: Task | None, source: str) -> None:
    """Writes the form as .xlsx, whose cells are text: only what `restored` would change needs its apostrophe."""
    columns, _ = form_of(asked, task, source)
    held = [
        entry if sheet.holds(entry.text) else replace(entry, text=cut_mark(sheet.without_forbidden(shortened(entry.text)), entry.text))
        for entry in asked
    ]
    rows = ([_as_typed(cell) for cell in row] for row in form_of(held, task, source)[1])
    guideline = paths.GUIDELINE.read_text(encoding="utf-8-sig", errors="replace") if paths.GUIDELINE.is_file() else ""
    sheet.write(path, columns, rows, task.labels if task else (), bool(task and task.multi_label), guideline)


def _as_typed(cell: str) -> str:
    plain = restored(cell)
    return plain if restored(plain) == plain else cell


def is_unfilled(path: str | Path, asked: list[Asked], task: Task | None) -> bool:
    """Says whether the file is the form of these texts as it was written, with nothing typed into it yet."""
    path, (columns, rows) = Path(path), form_of(asked, task)
    return path.is_file() and path.read_bytes().replace(b"\r\n", b"\n") == files.csv_text(columns, rows).replace("\r\n", "\n").encode("utf-8-sig")


def form_of(asked: list[Asked], task: Task | None, source: str = "") -> tuple[list[str], Iterator[list[str]]]:
    """Returns (the columns of a form, its rows), nothing in them a formula."""
    label = task.column if task else "label"
    taken = ["id", "text", label, "annotator", "note", "suggestion", "confidence"]
    kept_apart = {*taken, "source", "labelled_at", "seconds", "guideline", "score", "label", "labels", *(task.labels if task else ())}
    # Lines of JSON need not have the same keys.
    own = {name: f"pool_{name}" if name in kept_apart else name for entry in asked for name in entry.own}
    suggested = any(entry.suggestion for entry in asked)
    columns = [
        "id",
        "text",
        label,
        *(["suggestion", "confidence"] if suggested else []),
        "annotator",
        *(["source"] if source else []),
        "note",
        *map(harmless, own.values()),
    ]
    rows = (
        [
            literal(entry.id),
            literal(shortened(entry.text)),
            "",
            *([harmless(entry.suggestion), entry.confidence] if suggested else []),
            "",
            *([source] if source else []),
            "",
            *(harmless(entry.own.get(name, "")) for name in own),
        ]
        for entry in asked
    )
    return columns, rows


def check_target(path: Path) -> None:
    """Raises a UserError where no form can be written: a file is there, it is no workbook or CSV, or its folder is not there."""
    if os.path.lexists(path):
        raise taken_name(path)
    if path.suffix.lower() not in (".csv", WORKBOOK):
        stem = path.stem or "next"
        raise UserError(f'{at(path)}: the file to fill in is a workbook or a CSV; expected a name such as "{stem}.xlsx" or "{stem}.csv".')
    if not path.parent.is_dir():
        raise UserError(f"{at(path.parent)}: there is no such folder. Make it first, or choose another place.")


def taken_name(path: Path) -> UserError:
    """Returns the error about a form that is there already."""
    return UserError(f"{at(path)} is there already and may hold what somebody typed. Choose another name, or remove it yourself.")


def own_of(row: reader.PoolText) -> dict[str, str]:
    """Returns the pool's own columns of a text, renamed where the queue has a column of that name."""
    ours = {"id", "suggestion", "confidence", "uncertainty", "audit"}
    return {f"pool_{name}" if name in ours else name: cell for name, cell in row.own.items()}
