"""The corpus: the texts that models learn from without labels, written down once: data/corpus/texts.parquet.

Models read it in place of the pool. So a pool may grow, and nothing that learns from texts alone learns again: `corpus.pool_until`
says up to which row of the pool the corpus goes, and the same rows give the same bytes.
"""

import itertools
from collections.abc import Iterator, Set
from pathlib import Path
from typing import NamedTuple

from labelrounds.core import files, params, paths
from labelrounds.core.errors import UserError, at
from labelrounds.pool import reader

AT_ONCE = 4096


class Text(NamedTuple):
    id: str
    text: str


def write(data: params.Data, until: int, heldout: Set[str], path: Path = paths.CORPUS) -> tuple[int, int]:
    """Writes the corpus; returns (its texts, rows of the pool that it does not reach).

    Each text of the first `until` rows (0: of all) once, in the pool's order, but for those whose id is held out.
    """
    import pyarrow
    import pyarrow.parquet

    rows = reader.stream(data.pool, data.text_column)
    texts = _distinct(itertools.islice(rows, until or None), heldout)
    count = 0
    schema = pyarrow.schema([(name, pyarrow.string()) for name in Text._fields])
    with files.atomic(path, "wb") as file, pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while some := list(itertools.islice(texts, AT_ONCE)):
            count += len(some)
            writer.write_table(pyarrow.table([list(column) for column in zip(*some, strict=True)], schema=schema))
    return count, sum(1 for _ in rows)


def read(path: Path = paths.CORPUS) -> Iterator[Text]:
    """Yields the corpus in its order, in constant memory; none there is a UserError."""
    import pyarrow.parquet

    if not path.is_file():
        raise UserError(f"{at(path)}: there is no corpus yet. Run `dvc repro` (or `dvc repro corpus`).")
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=AT_ONCE):
            yield from map(Text, batch["id"].to_pylist(), batch["text"].to_pylist())


def _distinct(rows: Iterator[reader.PoolText], heldout: Set[str]) -> Iterator[Text]:
    seen = set(heldout)
    for row in rows:
        if row.id not in seen:
            seen.add(row.id)
            yield Text(row.id, row.text)
