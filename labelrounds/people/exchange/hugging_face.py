"""A parquet file of the library datasets: numbers whose names stand in the file's schema."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from labelrounds.core import files
from labelrounds.core.errors import UserError
from labelrounds.people.exchange import table
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.items import Export
from labelrounds.people.exchange.said import Read
from labelrounds.people.exchange.source import Source

NAME = "a Hugging Face dataset"
SUFFIXES = (".parquet",)


def recognises(source: Source) -> bool:
    """Says whether the schema names the classes of any column."""
    return any(class_names(feature) for feature in source.features.values())


def class_names(feature: Any) -> list[str]:
    """Returns the names of a ClassLabel, also of a list of them; none for another type."""
    while isinstance(feature, list) and len(feature) == 1:
        feature = feature[0]
    if isinstance(feature, dict) and feature.get("_type") in ("Sequence", "List", "LargeList"):
        feature = feature.get("feature")
    names = feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
    return [str(name) for name in names] if isinstance(names, list) else []


def read(source: Source, wanted: Wanted) -> Read:
    """Returns the annotations: one per row that has a class; -1 is none."""
    names = {column: found for column, feature in source.features.items() if (found := class_names(feature))}
    if wanted.label_column is None and len(names) == 1:
        wanted = replace(wanted, label_column=next(iter(names)))
    records = []
    for record in source.records:
        values = {column: _name(value, names[column], column, record.where) if column in names else value for column, value in record.values.items()}
        records.append(replace(record, values=values))
    found = table.read_named(replace(source, records=records), wanted, NAME, [label for found in names.values() for label in found])
    order = names.get(wanted.label_column or "", []) if wanted.task is None else []
    used = {label for stated in found.rows for label in stated.labels}
    return replace(found, labels=[label for label in order if label in used])


def _name(value: Any, names: list[str], column: str, where: str) -> Any:
    if isinstance(value, list):
        return [name for part in value for name in _name(part, names, column, where) or [None]] or [table.NONE]
    if value is None or value == -1:
        return None
    if not isinstance(value, int) or not 0 <= value < len(names):
        raise UserError(f'{where}: the column "{column}" holds {value!r}; its schema has names for 0 to {len(names) - 1}.')
    return [names[value]]


def write(path: Path, export: Export) -> None:
    """Writes one row per annotation; the names of the labels stand in the schema, and -1 (or null) is no label yet."""
    import pyarrow
    import pyarrow.parquet

    task, rows = export.task, list(export.rows())
    several = task.multi_label

    def numbers(labels: tuple[str, ...] | None) -> Any:
        found = None if labels is None else [task.index[label] for label in labels]
        return found if several else found[0] if found else -1

    kind = pyarrow.list_(pyarrow.int64()) if several else pyarrow.int64()
    classes: dict[str, Any] = {"names": list(task.labels), "_type": "ClassLabel"}
    table = {
        "id": pyarrow.array([item.id for item, _ in rows]),
        "text": pyarrow.array([item.text for item, _ in rows]),
        task.column: pyarrow.array([numbers(stated and stated.labels) for _, stated in rows], kind),
    }
    if any(item.suggestion is not None for item, _ in rows):
        table["suggestion"] = pyarrow.array(["" if item.suggestion is None else task.spell(item.suggestion) for item, _ in rows])
        table["confidence"] = pyarrow.array([item.confidence for item, _ in rows])
    for name in export.extras():
        table[name] = pyarrow.array([getattr(stated, name) if stated else "" for _, stated in rows])
    features: dict[str, Any] = {name: {"dtype": "string", "_type": "Value"} for name in table}
    features[task.column] = {"feature": classes, "_type": "List"} if several else classes
    schema = pyarrow.table(table).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    with files.atomic(path, "wb", new=True) as file:
        pyarrow.parquet.write_table(schema, file)
