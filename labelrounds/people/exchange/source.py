"""A file from another tool as it lies there: its records, its columns, and what else tells its format."""

import json
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from labelrounds.core import files, tables
from labelrounds.core.errors import UserError, at
from labelrounds.core.lines import most_unpacked, packed_too_well


@dataclass(frozen=True)
class Source:
    """kind : the file's suffix, or `folder`; members : {name in a zip: its records}; features : the columns' types as datasets keeps them"""

    path: Path
    kind: str
    records: list[tables.Record]
    columns: list[str]
    members: dict[str, list[tables.Record]] = field(default_factory=dict)
    features: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def is_json(self) -> bool:
        """Whether its values are those of JSON."""
        return self.kind in (*tables.JSON, ".zip", "folder")

    def of(self, records: Iterable[tables.Record]) -> "Source":
        """Returns the same source with other records, and the columns of these."""
        records = list(records)
        return replace(self, records=records, columns=_columns(records))


def load(path: Path) -> Source:
    """Returns what lies at `path`: a table, a zip of tables, or the folder of an Argilla dataset. The file is read as a whole."""
    if path.is_dir() and (path / ".argilla").is_dir():
        records, settings = list(tables.records(path / "records.json")), path / ".argilla" / "settings.json"
        return Source(
            path, "folder", records, _columns(records), settings=files.read_json(settings, "Export the dataset again.") if settings.is_file() else {}
        )
    if path.is_dir() and (path / "dataset_info.json").is_file():
        raise UserError(f'{at(path)}: a folder of datasets.save_to_disk. Write it with `dataset.to_parquet("labels.parquet")`, and give that file.')
    if path.is_file() and path.suffix.lower() == ".zip":
        members = _zip(path)
        records = [record for found in members.values() for record in found]
        return Source(path, ".zip", records, _columns(records), members=members)
    file = tables.shards(path)[0]
    kind = tables.table_format(file)
    records = list(tables.records(path))
    columns = list(dict.fromkeys([*tables.columns(path), *_columns(records)]))
    return Source(path, kind, records, columns, features=_features(file) if kind == ".parquet" else {})


def _columns(records: list[tables.Record]) -> list[str]:
    return list(dict.fromkeys(str(name) for record in records for name in record.values))


def _features(path: Path) -> dict[str, Any]:
    """Returns the types of a parquet file's columns as the library datasets wrote them; empty where it did not."""
    import pyarrow.parquet

    found = (pyarrow.parquet.read_schema(path).metadata or {}).get(b"huggingface", b"{}")
    try:
        return json.loads(found).get("info", {}).get("features", {}) or {}
    except (ValueError, AttributeError):
        return {}


def _zip(path: Path) -> dict[str, list[tables.Record]]:
    try:
        with zipfile.ZipFile(path) as packed, tempfile.TemporaryDirectory() as folder:
            wanted = [entry for entry in packed.infolist() if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")]
            if sum(entry.file_size for entry in wanted) > (most := most_unpacked(path)):
                raise packed_too_well(path, most)
            found = {}
            for number, entry in enumerate(wanted):
                shown = path / entry.filename
                place = Path(folder) / f"{number}{''.join(Path(entry.filename).suffixes[-1:]).lower()}"
                tables.table_format(shown)
                place.write_bytes(packed.read(entry))
                try:
                    found[entry.filename] = [replace(record, path=shown) for record in tables.records(place)]
                except UserError as error:
                    raise UserError(error.message.replace(at(place), at(shown))) from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise UserError(f"{at(path)}: not a zip that can be read ({error}). Export it again, or unpack it.") from None
    if not found:
        raise UserError(f"{at(path)}: the zip is empty.")
    return found
