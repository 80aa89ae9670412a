"""Rows of a parquet file: as the file holds them, or as text, column by column. A damaged file is one error."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labelrounds.core.batches import Batch, as_text, checked
from labelrounds.core.errors import UserError, at
from labelrounds.core.lines import MAX_CELL, most_unpacked, packed_too_well

BROKEN = (OSError, ValueError, KeyError, NotImplementedError, OverflowError)  # what pyarrow raises for damage; its own errors are among these


def opened(path: Path) -> Any:
    """Returns the pyarrow.parquet.ParquetFile; a damaged one, or one that would fill the memory, is a UserError."""
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        names = file.schema_arrow.names
        # Repeated texts stay one text in memory: a small file may hold the same megabyte a million times.
        texts = [field.name for field in file.schema_arrow if pyarrow.types.is_string(field.type) or pyarrow.types.is_large_string(field.type)]
        largest = max((file.metadata.row_group(number).total_byte_size for number in range(file.num_row_groups)), default=0)
        file = pyarrow.parquet.ParquetFile(path, read_dictionary=texts)
    except BROKEN as error:
        raise _broken(path, error) from None
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UserError(f'{at(path)}: the column "{repeated[0]}" is there twice. Rename or remove one.')
    if largest > most_unpacked(path):
        raise packed_too_well(path, most_unpacked(path))
    return file


def records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (row number, {column: value}) of every row, with its values as the file holds them."""
    number = 0
    for part in _parts(path):
        yield from _numbered(path, part, number)
        number += part.num_rows


def batches(path: Path) -> Iterator[Batch]:
    """Yields the rows as text; those before a wrong one come before its error."""
    number = 0
    for part in _parts(path):
        columns = _columns(path, part)
        if not columns:
            yield from checked(_numbered(path, part, number), path)
        elif part.num_rows:
            yield Batch(path, range(number + 1, number + 1 + part.num_rows), columns)
        number += part.num_rows


def _parts(path: Path) -> Iterator[Any]:
    """Yields the rows in parts (pyarrow.RecordBatch) that stay small when repeated texts are written out."""
    with opened(path) as file:
        try:
            for batch in file.iter_batches(batch_size=4096):
                step = max(1, 16 * MAX_CELL // _longest_row(batch))
                for start in range(0, batch.num_rows, step):
                    yield batch.slice(start, step)
        except BROKEN as error:
            raise _broken(path, error) from None


def _longest_row(batch: Any) -> int:
    """Returns how many bytes of text a row of the batch has at most, 1 or more; what is not kept as repeated texts is in memory anyway."""
    import importlib

    import pyarrow

    compute: Any = importlib.import_module("pyarrow.compute")
    repeated = [column.dictionary for column in batch.columns if pyarrow.types.is_dictionary(column.type) and len(column.dictionary)]
    return 1 + sum(compute.max(compute.binary_length(texts)).as_py() or 0 for texts in repeated)


def _numbered(path: Path, part: Any, before: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields (row number, {column: value}) of a part. before : rows of the file before it"""
    try:
        found = part.to_pylist()
    except BROKEN as error:
        raise _broken(path, error) from None
    for number, record in enumerate(found, before + 1):
        yield number, {name: _decoded(value, name, path, number) if isinstance(value, bytes) else value for name, value in record.items()}


def _columns(path: Path, part: Any) -> dict[str, list[str]] | None:
    """Returns the cells of each column; None where a cell may be wrong, or a value is no text, number or day."""
    import pyarrow

    found = {}
    types = pyarrow.types
    for name, column in zip(part.schema.names, part.columns, strict=True):
        plain = column.type.value_type if types.is_dictionary(column.type) else column.type
        is_text = types.is_string(plain) or types.is_large_string(plain)
        if types.is_nested(plain) or types.is_binary(plain) or types.is_large_binary(plain):
            return None
        try:
            values = (column if plain == column.type else column.cast(plain)).to_pylist()
        except BROKEN as error:
            raise _broken(path, error) from None
        if not is_text or column.null_count:
            try:
                values = [as_text(value) for value in values]
            except UnicodeDecodeError:
                return None
        if values and (max(map(len, values)) > MAX_CELL or any("\0" in cell for cell in values)):
            return None
        found[name] = values
    return found


def _broken(path: Path, error: Exception) -> UserError:
    return UserError(
        f"{at(path)}: not a whole parquet file ({(str(error).splitlines() or ['no reason given'])[0]}). Copy or write it again, or use CSV."
    )


def _decoded(value: bytes, name: str, path: Path, line: int) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise UserError(f'{at(path, line)}: "{name}" holds bytes that are no UTF-8 text. Remove the column, or decode it first.') from None
