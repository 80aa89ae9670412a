"""A parquet file of the library datasets: numbers whose names stand in the file's schema."""

from dataclasses import replace
from typing import Any

from labelrounds.core.errors import UserError
from labelrounds.people.exchange import table
from labelrounds.people.exchange.columns import Wanted
from labelrounds.people.exchange.said import Read
from labelrounds.people.exchange.source import Source

NAME = "a Hugging Face dataset"


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
    found = table.read_named(source.of(records), wanted, NAME)
    order = names.get(wanted.label_column or "", []) if wanted.task is None else []
    used = {label for stated in found.rows for label in stated.labels}
    return replace(found, labels=[label for label in order if label in used])


def _name(value: Any, names: list[str], column: str, where: str) -> Any:
    if isinstance(value, list):
        return [_name(part, names, column, where) for part in value] or [table.NONE]
    if value is None or value == -1:
        return None
    if not isinstance(value, int) or not 0 <= value < len(names):
        raise UserError(f'{where}: the column "{column}" holds {value!r}; its schema has names for 0 to {len(names) - 1}.')
    return names[value]
