"""What the deployed labeler said of every text of the pool: data/predictions/shards, in the pool's order, shard by shard."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core import files, paths, tables


def write_shard(path: Path, columns: dict[str, Any]) -> None:
    """Writes one shard: `id`, the labels as cells, `confidence`, `score_LABEL` for each label, and the labeler's fingerprint."""
    import pyarrow
    import pyarrow.parquet

    with files.atomic(path, "wb") as file:
        pyarrow.parquet.write_table(pyarrow.table(columns), file)


def scores(labels: Sequence[str]) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yields (ids, float32 scores of shape (n, n_labels)) of each shard."""
    for table in _read(["id", *(f"score_{label}" for label in labels)]):
        yield table["id"].to_pylist(), np.stack([table[f"score_{label}"].to_numpy() for label in labels], axis=1)


def ids() -> Iterator[str]:
    """Yields the id of every text, in the pool's order."""
    for table in _read(["id"]):
        yield from table["id"].to_pylist()


def cells(column: str) -> Iterator[tuple[str, str]]:
    """Yields (id, the labels as a cell) of every text. column : the task's, `label` or `labels`"""
    for table in _read(["id", column]):
        yield from zip(table["id"].to_pylist(), table[column].to_pylist(), strict=True)


def labelers() -> set[str]:
    """Returns the fingerprints of the labelers that made the shards: one, if all is well."""
    return {found for table in _read(["labeler"]) for found in table["labeler"].unique().to_pylist()}


def _read(columns: list[str]) -> Iterator[Any]:
    import pyarrow.parquet

    for shard in tables.shards(paths.SHARDS):
        yield pyarrow.parquet.read_table(shard, columns=columns)
