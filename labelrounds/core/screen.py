"""Tables as people read them, on the screen or in Markdown."""

import html
from collections.abc import Sequence
from typing import Any


def few(names: Sequence[str], shown: int = 12) -> str:
    """Returns the names joined by commas; of many the first `shown`, and how many more there are."""
    return ", ".join(names[:shown]) + (f" … and {len(names) - shown} more" if len(names) > shown else "")


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Returns an aligned table: text to the left, numbers to the right; three digits for a float, `-` for None."""
    shown = [[f"{cell:.3f}" if isinstance(cell, float) else "-" if cell is None else str(cell) for cell in row] for row in rows]
    cells = [list(columns), *shown]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [bool(rows) and all(row[place] is None or isinstance(row[place], (int, float)) for row in rows) for place in range(len(columns))]
    lines = ((cell.rjust(width) if side else cell.ljust(width) for cell, width, side in zip(row, widths, right, strict=True)) for row in cells)
    return "\n".join("  ".join(line).rstrip() for line in lines)


def frame(found: Any) -> str:
    """Returns a pandas.DataFrame as such a table, without its index."""
    return table([str(name) for name in found.columns], found.astype(object).values.tolist())


def one_line(text: str, width: int) -> str:
    """Returns a text without line breaks and control characters, cut to `width` characters."""
    shown = "".join(character if character.isprintable() else "?" for character in " ".join(text.split()))
    return shown if len(shown) <= width else f"{shown[: width - 1]}…"


def markdown_row(cells: Sequence[str]) -> str:
    """Returns a row of a table in Markdown."""
    return f"| {' | '.join(escaped(cell) for cell in cells)} |"


def escaped(text: str) -> str:
    """Returns text that Markdown shows as it is: no tags, no columns, no mentions of people, no marks."""
    marked = {character: f"&#{ord(character)};" for character in "|@#`*_[]\\~"}
    return html.escape(text, quote=False).translate(str.maketrans(marked))
