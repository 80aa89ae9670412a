"""Rows of a table with their line numbers: csv, tsv, jsonl, json, parquet and xlsx, text also .gz, a file or a folder of shards.

Every row is read as strings. What spreadsheets and exports break (encodings, quoting, NUL bytes, cells that
swallow half a file) is an error with its file and line, never a guess.
"""

import datetime
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelrounds.core import delimited, json_records, sheets
from labelrounds.core.errors import UserError, at
from labelrounds.core.lines import MAX_CELL, lines, most_unpacked, packed_too_well
from labelrounds.core.named import Named

__all__ = ["FORMATS", "MAX_CELL", "Record", "Row", "as_text", "cells", "columns", "lines", "records", "rows", "shards", "table_format"]

DELIMITED = (".csv", ".tsv")
JSON = (".jsonl", ".ndjson", ".json")
FORMATS = (*DELIMITED, *JSON, ".parquet", ".xlsx")
HALF_PAIR = re.compile("[\ud800-\udfff]")


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
        return _parquet(file).schema_arrow.names
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
    for record in records(path):
        yield Row(record.path, record.line, cells(record.values, record.path, record.line))


def records(path: str | Path) -> Iterator[Record]:
    """Yields every row of a table with its values as the file holds them, shard by shard, in constant memory."""
    for file in shards(path):
        kind = table_format(file)
        if kind == ".parquet":
            found = _parquet_records(file)
        elif kind == ".xlsx":
            found = sheets.rows(file)
        elif kind in DELIMITED:
            found = _some(delimited.rows(file, kind == ".tsv"), file)
        else:
            found = json_records.records(file)
        for line, values in found:
            yield Record(file, line, values)


def _some(found: Iterator[tuple[int, dict[str, str]]], path: Path) -> Iterator[tuple[int, dict[str, str]]]:
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


def _parquet(path: Path):
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        names = file.schema_arrow.names
        # Repeated texts stay one text in memory: a small file may hold the same megabyte a million times.
        texts = [field.name for field in file.schema_arrow if pyarrow.types.is_string(field.type) or pyarrow.types.is_large_string(field.type)]
        largest = max((file.metadata.row_group(number).total_byte_size for number in range(file.num_row_groups)), default=0)
        file = pyarrow.parquet.ParquetFile(path, read_dictionary=texts)
    except BROKEN as error:
        raise _broken_parquet(path, error) from None
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UserError(f'{at(path)}: the column "{repeated[0]}" is there twice. Rename or remove one.')
    if largest > most_unpacked(path):
        raise packed_too_well(path, most_unpacked(path))
    return file


BROKEN = (OSError, ValueError, KeyError, NotImplementedError, OverflowError)  # what pyarrow raises for damage; its own errors are among these


def _broken_parquet(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{at(path)}: not a whole parquet file ({(str(error).splitlines() or ['no reason given'])[0]}). Copy or write it again, or use CSV."
    )


def _parquet_batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    with _parquet(path) as file:
        try:
            for batch in file.iter_batches(batch_size=4096):
                step = max(1, 16 * MAX_CELL // _longest_row(batch))
                for start in range(0, batch.num_rows, step):
                    yield batch.slice(start, step).to_pylist()
        except BROKEN as error:
            raise _broken_parquet(path, error) from None


def _longest_row(batch: Any) -> int:
    """Returns how many bytes of text a row of the batch has at most, 1 or more; what is not kept as repeated texts is in memory anyway."""
    import importlib

    import pyarrow

    compute: Any = importlib.import_module("pyarrow.compute")
    repeated = [column.dictionary for column in batch.columns if pyarrow.types.is_dictionary(column.type) and len(column.dictionary)]
    return 1 + sum(compute.max(compute.binary_length(texts)).as_py() or 0 for texts in repeated)


def _parquet_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    for batch in _parquet_batches(path):
        for record in batch:
            number += 1
            yield number, {name: _decoded(value, name, path, number) if isinstance(value, bytes) else value for name, value in record.items()}


def _decoded(value: bytes, name: str, path: Path, line: int) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise UserError(f'{at(path, line)}: "{name}" holds bytes that are no UTF-8 text. Remove the column, or decode it first.') from None
