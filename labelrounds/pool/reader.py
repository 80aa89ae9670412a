"""The pool: every text there is, as a stream of rows in constant memory."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from labelrounds.core import tables
from labelrounds.core.errors import UserError, at, did_you_mean
from labelrounds.pool.identity import text_id

GROUP = "group"  # rows with the same group (a document, a customer) land on one side of the split


@dataclass(frozen=True, slots=True)
class PoolText:
    """One text of the pool; `own` holds the pool's other columns, untouched."""

    id: str
    text: str
    own: dict[str, str]
    where: str


def stream(path: str | Path, text_column: str) -> Iterator[PoolText]:
    """Yields every text of the pool in file order.

    An empty text or a missing column is a UserError at its line.
    """
    if not has_column(path, text_column):
        raise missing_column(path, text_column)
    for row in tables.rows(path):
        text = row.cells.get(text_column)
        if text is None:
            raise UserError(f'{row.where}: no column "{text_column}" in this row. Every shard and line of the pool needs it (data.text_column).')
        if not text.strip():
            raise UserError(f"{row.where}: the text is empty. Remove the row, or fill in its text.")
        yield PoolText(text_id(text), text, {name: cell for name, cell in row.cells.items() if name != text_column}, row.where)


def parts(path: str | Path, text_column: str, size: int) -> Iterator[list[PoolText]]:
    """Yields the pool in parts of up to `size` texts, none across two files: another file changes no part of this one."""
    for file in tables.shards(path):
        rows = stream(file, text_column)
        while part := list(itertools.islice(rows, size)):
            yield part


def has_column(path: str | Path, name: str) -> bool:
    """Says whether the pool has a column `name`."""
    return name in tables.columns(path)


def missing_column(path: str | Path, name: str) -> UserError:
    """Returns the error for a table without the column that should hold the text."""
    found = tables.columns(path)
    return UserError(
        f'{at(tables.shards(path)[0], 1)}: there is no column "{name}".{did_you_mean(name, found)} '
        f"Found: {', '.join(found)}. Name the text's column in params.yaml (data.text_column), or with --text-column."
    )


def columns(path: str | Path) -> list[str]:
    """Returns the columns that any file of the pool has, in the order in which they come up; rows of other files are empty there."""
    found: dict[str, None] = {}
    for file in tables.shards(path):
        if tables.table_format(file) in tables.JSON:  # objects need not have the same keys
            for row in tables.rows(file):
                found |= dict.fromkeys(row.cells)
        else:
            found |= dict.fromkeys(tables.columns(file))
    return list(found)


def own_columns(path: str | Path, text_column: str, taken: Iterable[str]) -> dict[str, str]:
    """Returns {the pool's own column: its name beside the columns `taken`}; one of the same name gets `pool_` before it."""
    taken = set(taken)
    own = [name for name in columns(path) if name != text_column]
    return {name: f"pool_{name}" if name in taken else name for name in own}


def find(path: str | Path, text_column: str, ids: set[str]) -> dict[str, PoolText]:
    """Returns {id: its first row} for those of `ids` that the pool holds; reads no further than needed."""
    found: dict[str, PoolText] = {}
    if ids:
        for row in stream(path, text_column):
            if row.id in ids and row.id not in found:
                found[row.id] = row
                if len(found) == len(ids):
                    break
    return found
