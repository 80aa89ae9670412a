"""Rows of a table as text, many at a time: what no CSV could hold later is an error at its line."""

import datetime
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from labelrounds.core.errors import UserError, at
from labelrounds.core.lines import BLOCK, MAX_CELL
from labelrounds.core.named import Named

HALF_PAIR = re.compile("[\ud800-\udfff]")
A_ROW = 200  # bytes that a row takes besides its texts, roughly


class Batch:
    """Rows of one file, one after the other. lines : where each begins (for parquet, its number)

    They are kept as `columns`, {name: its cells}, or where rows need not have the same columns (JSON) as `found`, cells by column.
    """

    def __init__(
        self, path: Path, lines: Sequence[int], columns: dict[str, list[str]] | None = None, found: Sequence[dict[str, str]] | None = None
    ) -> None:
        self.path, self.lines, self._columns, self._found = path, lines, columns, found or ()

    def __len__(self) -> int:
        return len(self.lines)

    def column(self, name: str) -> Sequence[str | None] | None:
        """Returns the cells of a column, None in rows that lack it; None if no row has it."""
        if self._columns is not None:
            return self._columns.get(name)
        return [row.get(name) for row in self._found]

    def first(self, count: int) -> "Batch":
        """Returns the first rows alone."""
        columns = None if self._columns is None else {name: cells[:count] for name, cells in self._columns.items()}
        return Batch(self.path, self.lines[:count], columns, self._found[:count])

    def cells(self, number: int) -> dict[str, str]:
        """Returns one row's cells by column."""
        if self._columns is None:
            return self._found[number]
        return Named({name: cells[number] for name, cells in self._columns.items()}, self.path, self.lines[number])

    def rows(self) -> Iterator[dict[str, str]]:
        """Yields every row's cells by column."""
        if self._columns is None:
            yield from self._found
        else:
            names = list(self._columns)
            for line, *row in zip(self.lines, *self._columns.values(), strict=True):
                yield Named(dict(zip(names, row, strict=True)), self.path, line)


def checked(found: Iterable[tuple[int, dict[str, Any]]], path: Path) -> Iterator[Batch]:
    """Yields records as rows of text, many at a time."""
    lines: list[int] = []
    waiting: list[dict[str, str]] = []
    size = 0
    wrong = None
    try:
        for line, values in found:
            waiting.append(cells(values, path, line))
            lines.append(line)
            size += A_ROW + sum(map(len, waiting[-1].values()))
            if size > BLOCK:
                yield Batch(path, lines, None, waiting)
                lines, waiting, size = [], [], 0
    except UserError as error:
        wrong = error
    if waiting:
        yield Batch(path, lines, None, waiting)
    if wrong:
        raise wrong


def cells(record: dict[Any, Any], path: Path, line: int) -> dict[str, str]:
    """Returns the cells of a record as text; what no CSV could hold later is an error here, at its source."""
    found = Named({}, path, line)
    for name, value in record.items():
        try:
            cell = value if type(value) is str else as_text(value)
        except UnicodeDecodeError:
            raise UserError(f'{at(path, line)}: "{name}" holds bytes that are no UTF-8 text. Remove the column, or decode it first.') from None
        if len(cell) > MAX_CELL:
            raise UserError(f'{at(path, line)}: "{name}" holds {len(cell):,} characters, more than {MAX_CELL:,}. Cut the text into parts.')
        if "\0" in cell:
            raise UserError(f'{at(path, line)}: "{name}" holds a NUL character, which no text holds. Remove it.')
        if HALF_PAIR.search(cell):
            raise UserError(f'{at(path, line)}: "{name}" holds half of a surrogate pair, so a character (often an emoji) was cut in two. Remove it.')
        found[str(name)] = cell
    return found


def as_text(value: Any) -> str:
    """Returns a value as a cell: nothing (None, NaN) is empty, a plain list is joined by `;`, what is nested is JSON.

    Bytes that are no UTF-8 raise a UnicodeDecodeError.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8")
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (list, tuple)) and not any(isinstance(part, (dict, list, tuple)) for part in value):
        return ";".join(as_text(part) for part in value)
    if isinstance(value, (dict, list, tuple)):
        return json.dumps(value, ensure_ascii=False, default=as_text)
    return value if isinstance(value, str) else str(value)
