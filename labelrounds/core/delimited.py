"""Records of a csv or tsv file, whatever a spreadsheet in any language made of it.

What a wrong quote or a stray delimiter breaks is an error with its file and line.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from labelrounds.core.errors import UserError, at
from labelrounds.core.lines import MAX_CELL, lines

MARKS = ",;\t|"
TOLD = re.compile(r'"?sep=(.)"?[,;\t]*\s*', re.IGNORECASE)  # how Excel is told which delimiter follows
LOOKED_AT = 20  # lines from which the delimiter is found

csv.field_size_limit(MAX_CELL)


def records(path: Path, tabs: bool) -> Iterator[tuple[int, list[str]]]:
    """Yields (line where the record begins, its cells); blank lines are not records. The first one is the header.

    tabs : whether tabs part the cells, whatever the header looks like
    """
    rest = lines(path)
    first = next(rest, "")
    told = TOLD.fullmatch(first)
    skipped = 0
    if told:
        first, skipped = next(rest, ""), 1
    head = [first]
    while len(head) < LOOKED_AT and sum(map(len, head)) < MAX_CELL and (line := next(rest, None)) is not None:
        head.append(line)
    delimiter = told[1] if told else "\t" if tabs else find_delimiter(head)
    reader = csv.reader(chain(head, rest), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1 + skipped
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise broken(path, start, reader.line_num + skipped, str(error)) from None
        if record:
            yield start, record


def find_delimiter(head: Sequence[str]) -> str:
    """Returns the mark that parts the first lines: spreadsheets in many languages write `;` (or tabs) into what they call CSV.

    A mark inside of quotes counts for nothing, and one that parts the header but not the rows counts for less.
    """
    best, delimiter = (0.0, 0), ","
    for mark in MARKS:
        widths = _widths(head, mark)
        if not widths or widths[0] < 2:
            continue
        same = sum(width == widths[0] for width in widths[1:]) / (len(widths) - 1) if len(widths) > 1 else 1.0
        if (same, widths[0]) > best and (mark != "|" or (same == 1.0 and len(widths) > 1)):
            best, delimiter = (same, widths[0]), mark
    return delimiter


def _widths(head: Sequence[str], mark: str) -> list[int]:
    """Returns the number of cells of each whole record in the first lines, the header's first."""
    found = []
    try:
        for record in csv.reader(head, delimiter=mark, strict=True):
            if record:
                found.append(len(record))
    except csv.Error:  # the mark is wrong, or the last record goes on beyond these lines
        pass
    return found


def broken(path: Path, start: int, end: int, found: str) -> UserError:
    """Returns the error for a record that cannot be read. found : what the csv module says"""
    where = at(path, start)
    if "field larger than" in found:
        return UserError(
            f"{where}: a cell holds more than {MAX_CELL:,} characters. Either a closing quote is missing in this row, "
            "or a whole document stands in one cell: correct the quote, or cut the text into parts."
        )
    if "unexpected end of data" in found:
        found = f"a quote that opens in this row never closes (read on to line {end})"
    elif "new-line character" in found:
        found = "a bare carriage return (old Macintosh line ends)"
    else:
        found = f"broken quoting ({found})"
    return UserError(f'{where}: {found}. Expected CSV: cells with commas, quotes or line breaks in "…", quotes inside doubled ("").')


def named(header: Iterable[str], path: Path, line: int = 1) -> list[str]:
    """Returns the column names of a header; one that stands there twice, or none at all, is a UserError."""
    names = [name.strip("\ufeff\u200b \t\r\n") for name in header]
    repeated = [name for name, count in Counter(names).items() if name and count > 1]
    if repeated:
        raise UserError(f'{at(path, line)}: the column "{min(repeated)}" stands there twice. Rename or remove one.')
    if not any(names):
        raise UserError(f"{at(path, line)}: the first line names no columns. Expected a header such as text,label.")
    return names


def rows(path: Path, tabs: bool) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields (line, {column: cell}) of every record below the header; an empty file yields nothing."""
    found = records(path, tabs)
    header = next(found, None)
    if header is None:
        return
    names = named(header[1], path, header[0])
    for line, record in found:
        if len(record) != len(names):
            raise UserError(
                f"{at(path, line)}: {len(record)} cells found, {len(names)} expected as in the header. "
                'A comma inside a text needs quotes around it: "…".'
            )
        cells = {}
        for number, (name, cell) in enumerate(zip(names, record, strict=True), 1):
            if len(cell) > MAX_CELL:
                raise broken(path, line, line, "field larger than")
            if name:
                cells[name] = cell
            elif cell.strip():
                raise UserError(
                    f'{at(path, line)}: "{cell[:40]}" stands in column {number}, which has no name in the header. Name the column or empty it.'
                )
        yield line, cells
