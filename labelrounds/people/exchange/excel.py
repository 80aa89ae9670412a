"""An .xlsx workbook: the same columns as a plain table, in its first sheet that holds anything."""

from pathlib import Path

from labelrounds.core import files
from labelrounds.people.exchange import table
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.items import Export
from labelrounds.people.exchange.said import Read
from labelrounds.people.exchange.source import Source
from labelrounds.rounds import queue

NAME = "a workbook"
SUFFIXES = (".xlsx",)


def recognises(source: Source) -> bool:
    """Says whether it is a workbook."""
    return source.kind == ".xlsx"


def read(source: Source, wanted: Wanted) -> Read:
    """Returns the annotations of the sheet: one per row that has a label."""
    return table.read_named(source, wanted, NAME)


def write(path: Path, export: Export) -> None:
    """Writes a sheet with the columns of a round; a text that no cell can hold is cut, and known by its id."""
    import openpyxl
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE as NEVER

    def cut(text: str) -> str:
        return queue.shortened(text) if not NEVER.search(text) else queue.cut_mark(NEVER.sub("", text)[: queue.SHOWN], text)

    names, found = table.rows(export, plain=False, cut=cut)
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("labels")
    for row in (names, *found):
        sheet.append([NEVER.sub("", cell) for cell in row])
    with files.atomic(path, "wb", new=True) as file:
        book.save(file)
