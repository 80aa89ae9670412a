"""The pool: every text there is, as a stream of rows in constant memory."""

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, cast

from labelrounds.core import tables
from labelrounds.core.errors import UserError, at, did_you_mean
from labelrounds.pool.identity import text_id

GROUP = "group"  # rows with the same group (a document, a customer) land on one side of the split


class PoolText(NamedTuple):
    """One text of the pool; `own` holds the pool's other columns, untouched. It stands at `line` of the file `path`."""

    id: str
    text: str
    own: dict[str, str]
    path: Path
    line: int

    @property
    def where(self) -> str:
        return at(self.path, self.line)


class Texts:
    """Texts of the pool that follow each other in one file: for what needs no row of its own."""

    def __init__(self, batch: tables.Batch, text_column: str, texts: list[str]) -> None:
        self._batch, self._column, self.texts = batch, text_column, texts

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def ids(self) -> list[str]:
        return list(map(text_id, self.texts))

    @property
    def groups(self) -> list[str]:
        """What stands in the pool's column `group`, empty where there is nothing."""
        return list(map(str.strip, self.column(GROUP)))

    def column(self, name: str) -> list[str]:
        """Returns the cells of one of the pool's own columns, empty in rows that lack it."""
        found = self._batch.column(name) if name != self._column else None
        return [cell or "" for cell in found] if found else [""] * len(self)

    def row(self, number: int) -> PoolText:
        """Returns one of the texts with all that stands beside it."""
        return self._made(number, self._batch.cells(number), text_id(self.texts[number]))

    def rows(self) -> Iterator[PoolText]:
        """Yields all of them so."""
        for number, (cells, identity) in enumerate(zip(self._batch.rows(), self.ids, strict=True)):
            yield self._made(number, cells, identity)

    def _made(self, number: int, cells: dict[str, str], identity: str) -> PoolText:
        own = {name: cell for name, cell in cells.items() if name != self._column}
        return PoolText(identity, self.texts[number], own, self._batch.path, self._batch.lines[number])


def stream(path: str | Path, text_column: str) -> Iterator[PoolText]:
    """Yields every text of the pool in file order.

    An empty text or a missing column is a UserError at its line.
    """
    for texts in batches(path, text_column):
        yield from texts.rows()


def batches(path: str | Path, text_column: str) -> Iterator[Texts]:
    """Yields the same texts many at a time; those before an error come before it."""
    if not has_column(path, text_column):
        raise missing_column(path, text_column)
    for batch in tables.batches(path):
        found = batch.column(text_column)
        there = [] if found is None else itertools.takewhile(lambda cell: cell is not None, found) if None in found else found
        texts = cast(list[str], list(there))
        if len(texts) == len(batch) and all(map(str.strip, texts)):
            yield Texts(batch, text_column, texts)
            continue
        number = next((number for number, text in enumerate(texts) if not text.strip()), len(texts))
        if number:
            yield Texts(batch.first(number), text_column, texts[:number])
        where = at(batch.path, batch.lines[number])
        if found is None or found[number] is None:
            raise UserError(f'{where}: no column "{text_column}" in this row. Every shard and line of the pool needs it (data.text_column).')
        raise UserError(f"{where}: the text is empty. Remove the row, or fill in its text.")


def size(path: str | Path, text_column: str) -> int:
    """Returns how many texts the pool has."""
    return sum(map(len, batches(path, text_column)))


def parts(path: str | Path, text_column: str, size: int) -> Iterator[tuple[list[str], list[str]]]:
    """Yields the pool in parts of up to `size` texts, none across two files, as (ids, texts): another file changes no part of this one."""
    for file in tables.shards(path):
        ids: list[str] = []
        texts: list[str] = []
        for some in batches(file, text_column):
            ids += some.ids
            texts += some.texts
            while len(texts) >= size:
                yield ids[:size], texts[:size]
                ids, texts = ids[size:], texts[size:]
        if texts:
            yield ids, texts


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
        for texts in batches(path, text_column):
            if ids.isdisjoint(texts.ids):
                continue
            for number, identity in enumerate(texts.ids):
                if identity in ids and identity not in found:
                    found[identity] = texts.row(number)
            if len(found) == len(ids):
                break
    return found


def take(path: str | Path, text_column: str, numbers: Iterable[int]) -> dict[int, PoolText]:
    """Returns {number: what stands there} of these rows of the pool, the first of which is 0; reads no further than needed."""
    wanted = sorted(set(numbers))
    found: dict[int, PoolText] = {}
    before = 0
    if wanted:
        for texts in batches(path, text_column):
            after = before + len(texts)
            mine = wanted[bisect_left(wanted, before) : bisect_left(wanted, after)]
            found |= {number: texts.row(number - before) for number in mine}
            if len(found) == len(wanted):
                break
            before = after
    return found
