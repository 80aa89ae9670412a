"""Records of a csv or tsv file, whatever a spreadsheet in any language made of it.

What a wrong quote or a stray delimiter breaks is an error with its file and line.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain
from pathlib import Path

from labelrounds.core.errors import UserError, at
from labelrounds.core.lines import MAX_CELL, blocks

MARKS = ",;\t|"
TOLD = re.compile(r'"?sep=(.)"?[,;\t]*\s*', re.IGNORECASE)  # how Excel is told which delimiter follows
LOOKED_AT = 20  # lines from which the delimiter is found

csv.field_size_limit(MAX_CELL)


def records(path: Path, tabs: bool) -> Iterator[tuple[int, list[str]]]:
    """Yields (line where the record begins, its cells); blank lines are not records. The first one is the header.

    tabs : whether tabs part the cells, whatever the header looks like
    """
    for starts, found in _records(path, tabs):
        yield from zip(starts, found, strict=True)


def _records(path: Path, tabs: bool) -> Iterator[tuple[Sequence[int], list[list[str]]]]:
    """Yields the same, many at a time: those that begin in one block of the file. What comes before an error is yielded before it."""
    read = 0

    def counted() -> Iterator[str]:
        nonlocal read
        for block in blocks(path):
            read += 1
            yield from block

    rest = counted()
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
    wrong: Exception | None = None
    going_on = True
    while going_on:
        before, begun, going_on = reader.line_num, read, False
        found: list[list[str]] = []
        try:
            for record in reader:
                found.append(record)
                if read != begun:
                    going_on = True
                    break
        except (csv.Error, UserError) as error:
            wrong = error
        starts: Sequence[int] = range(before + 1 + skipped, before + 1 + skipped + len(found))
        if reader.line_num - before != len(found):  # a line break in a cell, or an error
            ends = accumulate((1 + sum(cell.count("\n") for cell in record) for record in found), initial=starts.start)
            *starts, after = ends
        else:
            after = starts.stop
        if not all(found):
            starts, found = [start for start, record in zip(starts, found, strict=True) if record], list(filter(None, found))
        if found:
            yield starts, found
        if isinstance(wrong, csv.Error):
            raise broken(path, after, reader.line_num + skipped, str(wrong)) from None
        if wrong:
            raise wrong


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
    for starts, columns in batches(path, tabs):
        names = list(columns)
        for line, cells in zip(starts, zip(*columns.values(), strict=True), strict=True):
            yield line, dict(zip(names, cells, strict=True))


def batches(path: Path, tabs: bool) -> Iterator[tuple[Sequence[int], dict[str, list[str]]]]:
    """Yields the same, many records at a time: (their lines, {column: its cells}). The records before an error come before it."""
    names: list[str] = []
    for starts, found in _records(path, tabs):
        if not names:
            names = named(found[0], path, starts[0])
            starts, found = starts[1:], found[1:]
        error = None
        columns = list(zip(*found, strict=False))
        if not _fit(found, columns, names):
            number, error = next((n, wrong) for n, record in enumerate(found) if (wrong := _misfit(record, names, path, starts[n])))
            starts, columns = starts[:number], list(zip(*found[:number], strict=True))
        if columns:
            yield starts, {name: list(cells) for name, cells in zip(names, columns, strict=True) if name}
        if error:
            raise error


def _fit(found: Sequence[Sequence[str]], columns: Sequence[Sequence[str]], names: Sequence[str]) -> bool:
    """Says whether `_misfit` would find nothing in any of the records, whose cells stand in `columns`."""
    if set(map(len, found)) - {len(names)}:
        return False
    return all(max(map(len, cells)) <= MAX_CELL and (name or not any(map(str.strip, cells))) for name, cells in zip(names, columns, strict=False))


def _misfit(record: Sequence[str], names: Sequence[str], path: Path, line: int) -> UserError | None:
    """Returns what is wrong with a record under these column names."""
    if len(record) != len(names):
        return UserError(
            f'{at(path, line)}: {len(record)} cells found, {len(names)} expected as in the header. A comma inside a text needs quotes around it: "…".'
        )
    for number, (name, cell) in enumerate(zip(names, record, strict=True), 1):
        if len(cell) > MAX_CELL:
            return broken(path, line, line, "field larger than")
        if not name and cell.strip():
            return UserError(
                f'{at(path, line)}: "{cell[:40]}" stands in column {number}, which has no name in the header. Name the column or empty it.'
            )
    return None
