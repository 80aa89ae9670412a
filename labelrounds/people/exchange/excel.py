"""An .xlsx workbook: the same columns as a plain table, in its first sheet that holds anything."""

from labelrounds.people.exchange import table
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.said import Read
from labelrounds.people.exchange.source import Source

NAME = "a workbook"


def recognises(source: Source) -> bool:
    """Says whether it is a workbook."""
    return source.kind == ".xlsx"


def read(source: Source, wanted: Wanted) -> Read:
    """Returns the annotations of the sheet: one per row that has a label."""
    return table.read_named(source, wanted, NAME)
