"""The labelled pool, twice: a CSV for spreadsheets, in which no cell is a formula, and a parquet for programs, with every text as it is."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from labelrounds.core import files
from labelrounds.core.task import Task
from labelrounds.rounds.queue import harmless

ROWS = 10_000  # of a row group

Line = tuple[str, str, tuple[str, ...], float | None, str, list[str]]  # id, text, labels, confidence, decision, the pool's own cells


def write(lines: Iterable[Line], task: Task, own: Sequence[str], sheet: Path, data: Path) -> None:
    """Writes every line to both files: `sheet` is the CSV, `data` the parquet. own : the names of the pool's own columns.

    In the parquet a multi-label task's `labels` is a list, empty where none applies, and `confidence` is null where people decided.
    """
    import pyarrow
    import pyarrow.parquet

    text = pyarrow.string()
    said = pyarrow.list_(text) if task.multi_label else text
    fields = [
        ("id", text),
        ("text", text),
        (task.column, said),
        ("confidence", pyarrow.float64()),
        ("decision", text),
        *((name, text) for name in own),
    ]
    schema = pyarrow.schema(fields)
    waiting: list[list[Any]] = []

    with files.atomic(data, "wb") as file, pyarrow.parquet.ParquetWriter(file, schema) as table:

        def flush() -> None:
            if waiting:
                table.write_table(pyarrow.table(list(zip(*waiting, strict=True)), schema=schema), row_group_size=ROWS)
                waiting.clear()

        def rows() -> Iterable[list[str]]:
            for identity, words, labels, confidence, decision, cells in lines:
                sure = None if confidence is None else round(float(confidence), 4)
                waiting.append([identity, words, list(labels) if task.multi_label else labels[0], sure, decision, *cells])
                if len(waiting) == ROWS:
                    flush()
                shown = "" if sure is None else f"{sure:.4f}"
                yield [identity, harmless(words), harmless(task.spell(labels)), shown, decision, *map(harmless, cells)]

        files.write_csv(sheet, ["id", "text", task.column, "confidence", "decision", *map(harmless, own)], rows(), bom=True)
        flush()
