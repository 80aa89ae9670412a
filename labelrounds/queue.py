"""The queue: which texts people are asked next, and the file that they fill in.

`data/queue/next.csv` is made by the pipeline; people never type into it. They fill in a copy, opened in a
spreadsheet: so it begins with a byte-order mark, and cells that a spreadsheet would run as formulas or turn
into numbers are made harmless and restored on the way back.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labelrounds import files, pool, tables
from labelrounds.errors import UserError, at
from labelrounds.schema import Task
from labelrounds.texts import near_duplicate_key

PATH = Path("data/queue/next.csv")
FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")
NUMBER = re.compile(r"'*(\d+(e\d+)?)")
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


def unlike(texts: Iterable[tuple[str, str]], taken: set[str]) -> Iterator[tuple[str, str]]:
    """Yields (id, text) of those that are no near-duplicate of an earlier one or of the keys `taken`, which grow."""
    for identity, text in texts:
        key = near_duplicate_key(text)
        if key not in taken:
            taken.add(key)
            yield identity, text


def harmless(cell: str) -> str:
    """Returns a cell that no spreadsheet runs as a formula: one apostrophe goes before what looks like one."""
    return f"'{cell}" if FORMULA.match(cell) else cell


def harmless_id(cell: str) -> str:
    """Returns an id that no spreadsheet turns into a number such as 1.23E+15."""
    return f"'{cell}" if NUMBER.fullmatch(cell) else cell


def restored(cell: str) -> str:
    """Returns what stood in the cell before `harmless` or `harmless_id`."""
    return cell[1:] if cell.startswith("'") and (FORMULA.match(cell) or NUMBER.fullmatch(cell)) else cell


def shortened(text: str) -> str:
    """Returns a text that fits into a spreadsheet's cell, with a note of its whole length if it was cut."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]} … [cut here by labelrounds: the whole text has {len(text):,} characters]"


def read() -> list[Asked]:
    """Returns the queue in its order; none there is a UserError."""
    if not PATH.is_file():
        raise UserError(f"{at(PATH)}: there is no queue yet. Run `dvc repro`; before the first labels, `labelrounds draw 200 FILE`.")
    ours = {"id", "text", "suggestion", "confidence", "uncertainty"}
    return [
        Asked(
            row.cells["id"],
            row.cells["text"],
            row.cells["suggestion"],
            row.cells["confidence"],
            {name: cell for name, cell in row.cells.items() if name not in ours},
        )
        for row in tables.rows(PATH)
    ]


def write_form(path: str | Path, asked: list[Asked], task: Task | None) -> None:
    """Writes the file to fill in; a file that is there is never overwritten.

    `task` is None before any label is known: the column is then `label`.
    """
    path = Path(path)
    if path.exists():
        raise UserError(f"{at(path)} is there already and may hold what somebody typed. Choose another name, or remove it yourself.")
    if path.suffix.lower() != ".csv":
        raise UserError(f'{at(path)}: the file to fill in is a CSV; expected a name such as "{path.stem or "next"}.csv".')
    label = task.column if task else "label"
    taken = ["id", "text", label, "annotator", "note", "suggestion", "confidence"]
    kept_apart = {*taken, "source", "label", "labels", *(task.labels if task else ())}
    own = {name: f"pool_{name}" if name in kept_apart else name for name in (asked[0].own if asked else {})}
    suggested = any(entry.suggestion for entry in asked)
    columns = ["id", "text", label, *(["suggestion", "confidence"] if suggested else []), "annotator", "note", *own.values()]
    rows = (
        [
            harmless_id(entry.id),
            harmless(shortened(entry.text)),
            "",
            *([harmless(entry.suggestion), entry.confidence] if suggested else []),
            "",
            "",
            *(harmless(entry.own[name]) for name in own),
        ]
        for entry in asked
    )
    try:
        files.write_csv(path, columns, rows, bom=True, new=True)
    except FileNotFoundError:
        raise UserError(f"{at(path)}: there is no such folder.") from None


def own_of(row: pool.PoolText) -> dict[str, str]:
    """Returns the pool's own columns of a text, renamed where the queue has a column of that name."""
    ours = {"id", "suggestion", "confidence", "uncertainty"}
    return {f"pool_{name}" if name in ours else name: cell for name, cell in row.own.items()}
