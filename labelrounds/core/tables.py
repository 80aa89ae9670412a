"""Rows of a table with their line numbers: csv, tsv, jsonl and parquet, also .gz, a file or a folder of shards.

Every row is read as strings. What spreadsheets and exports break (encodings, quoting, NUL bytes, cells that
swallow half a file) is an error with its file and line, never a guess.
"""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelrounds.core.errors import UserError, at

MAX_CELL = 1_000_000
TEXT_FORMATS = (".csv", ".tsv", ".jsonl", ".ndjson")
FORMATS = (*TEXT_FORMATS, ".parquet")
HALF_PAIR = re.compile("[\ud800-\udfff]")

csv.field_size_limit(MAX_CELL)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it begins (for parquet, its number) and its cells by column."""

    path: Path
    line: int
    cells: dict[str, str]

    @property
    def where(self) -> str:
        return at(self.path, self.line)


def table_format(path: Path) -> str:
    """Returns the suffix that tells the format, `.gz` aside; an unknown one is a UserError."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix not in FORMATS:
        hint = " Save it from the spreadsheet as CSV UTF-8." if suffix in (".xlsx", ".xls", ".ods") else ""
        raise UserError(
            f'{at(path)}: the format "{suffix or path.name}" is not read here; use one of {", ".join(FORMATS)} (text formats also .gz).{hint}'
        )
    return suffix


def shards(path: str | Path) -> list[Path]:
    """Returns the files of a table: the file itself, or a folder's tables sorted by name."""
    path = Path(path)
    if not path.exists():
        raise UserError(f"{at(path)}: there is no such file or folder. Check the path (or `dvc pull`, if DVC tracks it).")
    if path.is_file():
        return [path]
    found = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
    found = [file for file in found if file.name != "README.md"]
    if not found:
        raise UserError(f"{at(path)}: the folder is empty; expected shards such as part-000.csv.")
    return found


def columns(path: str | Path) -> list[str]:
    """Returns the column names of a table (of its first shard)."""
    file = shards(path)[0]
    if table_format(file) == ".parquet":
        return _parquet(file).schema_arrow.names
    if table_format(file) in (".csv", ".tsv"):
        header = next(iter(_delimited_records(file)), None)
        if header is None:
            raise _empty(file)
        return _named(header[1], file)
    first = next(iter(rows(file)), None)
    if first is None:
        raise _empty(file)
    return list(first.cells)


def rows(path: str | Path) -> Iterator[Row]:
    """Yields every row of a table, shard by shard, in constant memory."""
    for file in shards(path):
        kind = table_format(file)
        if kind == ".parquet":
            yield from _parquet_rows(file)
        elif kind in (".csv", ".tsv"):
            yield from _delimited_rows(file)
        else:
            yield from _json_rows(file)


def _empty(path: Path) -> UserError:
    return UserError(f"{at(path)}: the file is empty; expected a header line with column names, then one row per text.")


def lines(path: Path) -> Iterator[str]:
    """Yields decoded lines; a wrong encoding or a NUL byte is an error at its line."""
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as file:
        number = 0
        try:
            while raw := file.readline(16 * MAX_CELL):
                number += 1
                if len(raw) == 16 * MAX_CELL:
                    raise UserError(f"{at(path, number)}: a line of more than {len(raw):,} bytes. Cut what stands in it into parts.")
                if number == 1:
                    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                        raise _wrong_encoding(path, 1, "UTF-16")
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                if b"\0" in raw:
                    if raw.count(b"\0") * 3 > len(raw):
                        raise _wrong_encoding(path, number, "UTF-16")
                    raise UserError(
                        f"{at(path, number)}: found a NUL byte, which no text holds. The file is damaged or not a text file; "
                        f"`tr -d '\\000' < {path.name} > clean-{path.name}` removes such bytes."
                    )
                try:
                    yield raw.decode("utf-8")
                except UnicodeDecodeError:
                    raise _wrong_encoding(path, number, _guess_encoding(raw)) from None
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(f"{at(path)}: not a whole gzip file ({error}). Copy or compress it again.") from None


def _guess_encoding(raw: bytes) -> str:
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        return "Windows-1252"
    beyond = [character for character in text if ord(character) > 127]
    chinese = sum("\u4e00" <= character <= "\u9fff" or "\u3000" <= character <= "\u303f" or "\uff00" <= character <= "\uffef" for character in beyond)
    return "GBK" if beyond and chinese >= 0.8 * len(beyond) else "Windows-1252"


def _wrong_encoding(path: Path, line: int, found: str) -> UserError:
    return UserError(
        f"{at(path, line)}: the file is not UTF-8; it looks like {found}. Save it from the spreadsheet as "
        f'"CSV UTF-8", or convert it: iconv -f {found.upper()} -t UTF-8 {path.name} > utf8-{path.name}'
    )


def _delimited_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields (line where the record begins, its cells); blank lines are not records."""
    rest = lines(path)
    first = next(rest, "")
    delimiter = "\t" if table_format(path) == ".tsv" else _delimiter(first)

    def all_lines() -> Iterator[str]:
        yield first
        yield from rest

    reader = csv.reader(all_lines(), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _broken(path, start, reader.line_num, str(error)) from None
        if record:
            yield start, record


def _delimiter(header: str) -> str:
    """Spreadsheets in many languages write `;` (or tabs) into what they call CSV: the header tells."""
    return max(",;\t", key=lambda mark: header.count(mark))


def _broken(path: Path, start: int, end: int, found: str) -> UserError:
    where = at(path, start)
    if "field larger than" in found:
        return UserError(
            f"{where}: a cell holds more than {MAX_CELL:,} characters. Either a closing quote is missing in this row, "
            "or a whole document stands in one cell: correct the quote, or cut the text into parts."
        )
    if "unexpected end of data" in found:
        found = f"a quote that opens in this row never closes (read on to line {end})"
    elif "new-line character" in found:
        found = "a bare carriage return (old Macintosh line ends)"
    else:
        found = f"broken quoting ({found})"
    return UserError(f'{where}: {found}. Expected CSV: cells with commas, quotes or line breaks in "…", quotes inside doubled ("").')


def _named(header: list[str], path: Path) -> list[str]:
    names = [name.strip() for name in header]
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise UserError(f'{at(path, 1)}: the column "{repeated[0]}" stands there twice. Rename or remove one.')
    if not any(names):
        raise UserError(f"{at(path, 1)}: the first line names no columns. Expected a header such as text,label.")
    return names


def _delimited_rows(path: Path) -> Iterator[Row]:
    records = _delimited_records(path)
    header = next(records, None)
    if header is None:
        raise _empty(path)
    names = _named(header[1], path)
    for line, record in records:
        if len(record) != len(names):
            raise UserError(
                f"{at(path, line)}: {len(record)} cells found, {len(names)} expected as in the header. "
                'A comma inside a text needs quotes around it: "…".'
            )
        cells = {}
        for number, (name, cell) in enumerate(zip(names, record, strict=True), 1):
            if len(cell) > MAX_CELL:
                raise _broken(path, line, line, "field larger than")
            if name:
                cells[name] = cell
            elif cell.strip():
                raise UserError(
                    f'{at(path, line)}: "{cell[:40]}" stands in column {number}, which has no name in the header. Name the column or empty it.'
                )
        yield Row(path, line, cells)


def _json_rows(path: Path) -> Iterator[Row]:
    for number, line in enumerate(lines(path), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{at(path, number)}: not JSON: {error.msg} at character {error.pos + 1}. Expected one object per line.") from None
        if not isinstance(record, dict):
            raise UserError(f'{at(path, number)}: found {type(record).__name__}, expected one object per line such as {{"text": "…"}}.')
        yield Row(path, number, _cells(record, at(path, number)))


def _cells(record: dict[Any, Any], where: str) -> dict[str, str]:
    """Returns the cells of a record as text; what no CSV could hold later is an error here, at its source."""
    cells = {str(name): _as_text(value) for name, value in record.items()}
    for name, cell in cells.items():
        if len(cell) > MAX_CELL:
            raise UserError(f'{where}: "{name}" holds {len(cell):,} characters, more than {MAX_CELL:,}. Cut the text into parts.')
        if "\0" in cell:
            raise UserError(f'{where}: "{name}" holds a NUL character, which no text holds. Remove it.')
        if HALF_PAIR.search(cell):
            raise UserError(f'{where}: "{name}" holds half of a surrogate pair, so a character (often an emoji) was cut in two. Remove it.')
    return cells


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (list, tuple)):
        return ";".join(_as_text(part) for part in value)
    return value if isinstance(value, str) else str(value)


def _parquet(path: Path):
    import pyarrow
    import pyarrow.parquet

    try:
        return pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise _broken_parquet(path, error) from None


def _broken_parquet(path: Path, error: Exception) -> UserError:
    return UserError(f"{at(path)}: not a whole parquet file ({str(error).splitlines()[0]}). Copy or write it again, or use CSV.")


def _parquet_batches(path: Path) -> Iterator[list[dict[str, Any]]]:
    with _parquet(path) as file:
        try:
            for batch in file.iter_batches(batch_size=4096):
                yield batch.to_pylist()
        except OSError as error:  # what pyarrow raises for damage further in
            raise _broken_parquet(path, error) from None


def _parquet_rows(path: Path) -> Iterator[Row]:
    number = 0
    for batch in _parquet_batches(path):
        for record in batch:
            number += 1
            yield Row(path, number, _cells(record, at(path, number)))
