"""Rows of an .xlsx workbook: the first visible sheet that holds anything, as its cells are shown."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labelrounds.core.delimited import named
from labelrounds.core.errors import UserError, at
from labelrounds.core.lines import most_unpacked, packed_too_well


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (row number, {column: value}) of every row below the header; values are str, int, float, bool, dates or None."""
    import openpyxl

    try:
        with open(path, "rb") as file:
            if sum(entry.file_size for entry in zipfile.ZipFile(file).infolist()) > (most := most_unpacked(path)):
                raise packed_too_well(path, most)
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            for sheet in book.worksheets:
                if sheet.sheet_state != "visible":
                    continue
                sheet.reset_dimensions()  # what the file says of its size may be wrong
                found = _rows(path, sheet.iter_rows(values_only=True))
                first = next(found, None)
                if first is not None:
                    yield first
                    yield from found
                    return
    except (UserError, OSError, MemoryError):
        raise
    except Exception as error:  # a damaged file makes zlib, the XML parser and openpyxl raise whatever they like
        raise UserError(f"{at(path)}: not a whole .xlsx workbook ({error}). Save it again, or as CSV UTF-8.") from None


def _rows(path: Path, values: Iterator[tuple[Any, ...]]) -> Iterator[tuple[int, dict[str, Any]]]:
    names: list[str] = []
    for number, row in enumerate(values, 1):
        if all(value is None or value == "" for value in row):
            continue
        if not names:
            names = named(("" if value is None else str(value) for value in row), path, number)
            continue
        cells: dict[str, Any] = {name: None for name in names if name}
        for place, value in enumerate(row):
            name = names[place] if place < len(names) else ""
            if name:
                cells[name] = value
            elif value not in (None, ""):
                raise UserError(
                    f'{at(path, number)}: "{str(value)[:40]}" stands in column {place + 1}, which has no name in the header. Name the column or empty it.'
                )
        yield number, cells
