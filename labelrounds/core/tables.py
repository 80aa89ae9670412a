"""Rows of a table with their line numbers: csv, tsv, jsonl, json, parquet and xlsx, text also .gz, a file or a folder of shards.

Every row is read as strings. What spreadsheets and exports break (encodings, quoting, NUL bytes, cells that
swallow half a file) is an error with its file and line, never a guess.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelrounds.core import delimited, json_records, parquet, sheets
from labelrounds.core.batches import Batch, as_text, cells, checked
from labelrounds.core.errors import UserError, at
from labelrounds.core.lines import MAX_CELL, lines

__all__ = [
    "FORMATS", "MAX_CELL", "Batch", "Record", "Row", "as_text", "batches", "cells", "columns", "lines", "records", "rows", "shards", "table_format",
]  # fmt: skip

DELIMITED = (".csv", ".tsv")
JSON = (".jsonl", ".ndjson", ".json")
FORMATS = (*DELIMITED, *JSON, ".parquet", ".xlsx")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it begins (for parquet, its number) and its cells by column; one that the file lacks is a UserError."""

    path: Path
    line: int
    cells: dict[str, str]

    @property
    def where(self) -> str:
        return at(self.path, self.line)


@dataclass(frozen=True, slots=True)
class Record:
    """One row with its values as the file holds them: a JSON list is a list."""

    path: Path
    line: int
    values: dict[str, Any]

    @property
    def where(self) -> str:
        return at(self.path, self.line)


def table_format(path: Path) -> str:
    """Returns the suffix that tells the format, `.gz` aside; an unknown one is a UserError."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] == ".gz"
    if packed:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix not in FORMATS or (packed and suffix in (".parquet", ".xlsx")):
        hint = " Save it from the spreadsheet as .xlsx or CSV UTF-8." if suffix in (".xls", ".xlsm", ".ods", ".numbers") else ""
        raise UserError(
            f'{at(path)}: the format "{suffix or path.name}" is not read here; use one of {", ".join(FORMATS)} (text formats also .gz).{hint}'
        )
    return suffix


def shards(path: str | Path) -> list[Path]:
    """Returns the files of a table: the file itself, or a folder's tables sorted by name."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"{at(path)}: there is no such file or folder. Check the path (or `dvc pull`, if DVC tracks it).")
    if path.is_file():
        return [path]
    found = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    found = [file for file in found if file.name != "README.md"]
    if not found:
        raise UserError(f"{at(path)}: the folder is empty; expected shards such as part-000.csv.")
    return found


def columns(path: str | Path) -> list[str]:
    """Returns the column names of a table (of its first shard)."""
    file = shards(path)[0]
    kind = table_format(file)
    if kind == ".parquet":
        return parquet.opened(file).schema_arrow.names
    if kind in DELIMITED:
        header = next(delimited.records(file, kind == ".tsv"), None)
        if header is None:
            raise _empty(file)
        return delimited.named(header[1], file, header[0])
    first = next(records(file), None)
    if first is None:
        raise _empty(file)
    return [str(name) for name in first.values]


def rows(path: str | Path) -> Iterator[Row]:
    """Yields every row of a table, shard by shard, in constant memory."""
    for batch in batches(path):
        for line, found in zip(batch.lines, batch.rows(), strict=True):
            yield Row(batch.path, line, found)


def batches(path: str | Path) -> Iterator[Batch]:
    """Yields the same rows many at a time, in constant memory; those before an error come before it."""
    for file in shards(path):
        kind = table_format(file)
        if kind in DELIMITED:
            # What is decoded from UTF-8 line by line holds neither a NUL nor half a pair, and no cell is too long: nothing is left to check.
            yield from (Batch(file, lines, columns) for lines, columns in _some(delimited.batches(file, kind == ".tsv"), file))
        elif kind == ".parquet":
            yield from parquet.batches(file)
        else:
            yield from checked(sheets.rows(file) if kind == ".xlsx" else json_records.records(file), file)


def records(path: str | Path) -> Iterator[Record]:
    """Yields every row of a table with its values as the file holds them, shard by shard, in constant memory."""
    for file in shards(path):
        kind = table_format(file)
        if kind == ".parquet":
            found = parquet.records(file)
        elif kind == ".xlsx":
            found = sheets.rows(file)
        elif kind in DELIMITED:
            found = _some(delimited.rows(file, kind == ".tsv"), file)
        else:
            found = json_records.records(file)
        for line, values in found:
            yield Record(file, line, values)


def _some(found: Iterator[Any], path: Path) -> Iterator[Any]:
    """Yields what is there; a file without even a header is a UserError."""
    first = next(found, None)
    if first is None:
        if next(lines(path), None) is None:
            raise _empty(path)
        return
    yield first
    yield from found


def _empty(path: Path) -> UserError:
    return UserError(f"{at(path)}: the file is empty; expected a header line with column names, then one row per text.")
