"""Rows taken out of a table: every byte of the other rows stays as it is."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

from labelrounds.core import files, tables
from labelrounds.core.errors import UserError, at


def remove(path: Path, gone: Callable[[dict[str, str]], bool]) -> int:
    """Takes the rows whose cells are `gone` out of a file, in one step; returns how many. A file that loses all of them loses its name."""
    kind = tables.table_format(path)
    kept, lines = 0, []
    for number, row in enumerate(tables.rows(path)):
        if gone(row.cells):
            lines.append(number if kind == ".parquet" else row.line)
        else:
            kept += 1
    if not lines:
        return 0
    if not kept:
        path.unlink()
    elif kind == ".parquet":
        _from_parquet(path, lines)
    elif kind in (*tables.DELIMITED, ".jsonl", ".ndjson"):
        _from_lines(path, set(lines), {row.line for row in tables.rows(path)})
    elif kind == ".json":
        _from_json(path, gone)
    else:
        raise UserError(f"{at(path)}: no row can be taken out of a workbook here. Save it as CSV UTF-8, and put that in its place.")
    return len(lines)


def _from_lines(path: Path, lines: set[int], starts: set[int]) -> None:
    """lines : where the records that go begin; starts : where any record begins"""
    packed = path.suffix.lower() == ".gz"
    opener = gzip.open if packed else open
    with opener(path, "rb") as file:
        raw = file.readlines()
    going, left = False, []
    for number, line in enumerate(raw, 1):
        if number in starts:
            going = number in lines
        if not going:
            left.append(line)
    content = b"".join(left)
    with files.atomic(path, "wb") as file:
        file.write(gzip.compress(content, mtime=0) if packed else content)


def _from_parquet(path: Path, numbers: list[int]) -> None:
    import numpy
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    keep = numpy.ones(len(table), dtype=bool)
    keep[numbers] = False
    with files.atomic(path, "wb") as file:
        pyarrow.parquet.write_table(table.filter(keep), file)


def _from_json(path: Path, gone: Callable[[dict[str, str]], bool]) -> None:
    records = json.loads(path.read_text(encoding="utf-8-sig"))
    left = [record for record in records if not gone({name: tables.as_text(value) for name, value in record.items()})]
    with files.atomic(path) as file:
        file.write(json.dumps(left, ensure_ascii=False, indent=1) + "\n")
