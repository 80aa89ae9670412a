"""A round for people to read: the text beside each label. Rounds hold ids, and nobody can judge those."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from labelrounds.core import params, paths, tables
from labelrounds.core.errors import UserError, at
from labelrounds.core.screen import markdown_row, one_line, table
from labelrounds.pool import reader
from labelrounds.pool.identity import text_id
from labelrounds.rounds import names, record

WIDTH = 100  # characters of a text on the screen and in a diff
LONGEST = 500  # in Markdown
ASIDE = ("id", "text")  # what is shown in a place of its own


def read(word: str, settings: params.Params) -> tuple[list[Path], list[dict[str, str]]]:
    """Returns (the files that `word` means: a round's name or number, or a path; their rows, each with its text where it is known)."""
    known = {path.stem: path for folder in (paths.ROUNDS, paths.AUDITS) for path in reversed(record.round_files(folder))}
    found = [Path(word)] if Path(word).is_file() else [known[name] for name in names.matching(word.removesuffix(".csv"), known)]
    if not found:
        raise UserError(f'there is no round "{word}". Rounds there are: {", ".join(sorted(known, key=names.order)) or "none"}.')
    rows = [dict(row.cells) for path in found for row in tables.rows(path)]
    return found, with_texts(rows, settings)


def with_texts(rows: list[dict[str, str]], settings: params.Params) -> list[dict[str, str]]:
    """Returns the rows with their texts, from the row itself, the pool, or another round."""
    lacking = {row.get("id", "") for row in rows if not row.get("text")} - {""}
    known: dict[str, str] = {}
    if lacking and Path(settings.data.pool).exists():
        known = {identity: row.text for identity, row in reader.find(settings.data.pool, settings.data.text_column, lacking).items()}
    for path in record.round_files() if lacking - known.keys() else ():
        carried = (row.cells for row in tables.rows(path) if row.cells.get("text"))
        known |= {cells.get("id") or text_id(cells["text"]): cells["text"] for cells in carried}
    return [{**row, "text": row.get("text") or known.get(row.get("id", ""), "")} for row in rows]


def as_text(rows: Sequence[dict[str, str]]) -> str:
    """Returns the rows as a table for the screen."""
    columns = columns_of(rows)
    return table([*columns, "text"], [[*(row.get(name, "") for name in columns), one_line(row["text"], WIDTH)] for row in rows])


def as_markdown(found: Sequence[Path], rows: Sequence[dict[str, str]]) -> str:
    """Returns the rows as a table for a comment on a pull request, where texts may be shown."""
    columns = columns_of(rows)[1:]
    lines = [f"**{', '.join(map(at, found))}**: {len(rows)} labels", "", markdown_row([*columns, "text"]), f"|{'---|' * (len(columns) + 1)}"]
    return "\n".join([*lines, *(markdown_row([*(row.get(name, "") for name in columns), one_line(row["text"], LONGEST)]) for row in rows)])


def as_diff(path: Path) -> str:
    """Returns what `git diff` shows of a file of labels: a line per label, with its text; the file as it is where that fails."""
    content = path.read_bytes().decode("utf-8-sig", "replace")
    try:
        rows = [{name: cell or "" for name, cell in row.items() if name} for row in csv.DictReader(io.StringIO(content, newline=""))]
        rows = with_texts(rows, params.load())
    except (UserError, csv.Error, OSError):
        return content
    columns = columns_of(rows)
    lines = [[*(row.get(name, "") for name in columns), one_line(row["text"], WIDTH)] for row in rows]
    return "".join("  ".join(line).rstrip() + "\n" for line in ([*columns, "text"], *lines))


def columns_of(rows: Sequence[dict[str, str]]) -> list[str]:
    """Returns the columns that hold anything, the id first; the text has a place of its own."""
    filled = dict.fromkeys(name for row in rows for name, cell in row.items() if cell)
    return ["id", *(name for name in filled if name not in ASIDE)]
