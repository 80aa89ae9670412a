"""A form as an .xlsx workbook: pleasant to fill in, and read back by the same reader as a CSV.

The cells are typed as text, so no spreadsheet runs one as a formula or turns an id into a number.
"""

import re
from collections.abc import Iterable, Sequence
from math import ceil
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

from labelrounds.core import files

GREY, FONT = "FF5F6368", "Calibri"
WIDTHS = {"text": 90, "label": 22, "labels": 34, "suggestion": 18, "confidence": 12, "annotator": 16, "note": 40}
LINE, TALLEST = 15.0, 409.0  # points: of a line in this font, and the most that a row may have
ESCAPE = re.compile(r"_x[0-9A-Fa-f]{4}_")  # stands for another character in a workbook


def write(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]], labels: Sequence[str], several: bool, guideline: str) -> None:
    """Writes the sheet to fill in, a sheet with the guideline and a hidden one with the labels; a file that is there is a FileExistsError.

    labels : what the drop-down offers, nothing if empty; several : more may be typed, joined by `;`
    """
    import openpyxl
    from openpyxl.styles import Alignment, Font, PatternFill
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Texts"
    top, grey = Alignment(vertical="top"), Font(name=FONT, size=11, color=GREY)
    wrapped = Alignment(vertical="top", wrap_text=True)
    for place, name in enumerate(columns, 1):
        cell = _text(sheet, 1, place, name)
        cell.font, cell.fill = Font(name=FONT, size=11, bold=True), PatternFill("solid", fgColor="FFE4E8FB")
        sheet.column_dimensions[get_column_letter(place)].width = WIDTHS.get(name, 18)
    count = 1
    for count, row in enumerate(rows, 2):
        for place, (name, value) in enumerate(zip(columns, row, strict=True), 1):
            cell = _text(sheet, count, place, value)
            cell.alignment = wrapped if name in ("text", "note") else top
            if name in ("suggestion", "confidence"):
                cell.font = grey
        sheet.row_dimensions[count].height = height(
            max(lines_of(value, WIDTHS[name]) for name, value in zip(columns, row, strict=True) if name in WIDTHS)
        )
    sheet.column_dimensions[get_column_letter(columns.index("id") + 1)].hidden = True
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{count}"
    label_column = next(name for name in columns if name in ("label", "labels"))
    if labels:
        _offer(book, sheet, DataValidation, get_column_letter(columns.index(label_column) + 1), count, labels, several)
    _explain(book, guideline, labels, several, wrapped, Font(name=FONT, size=11, bold=True))
    with files.atomic(path, "wb", new=True) as file:
        book.save(file)


def _offer(book: Any, sheet: Any, validation: Any, column: str, last: int, labels: Sequence[str], several: bool) -> None:
    """Gives the label column a drop-down. With several labels, what is typed is not refused: the import checks it."""
    hidden = book.create_sheet("Labels")
    hidden.sheet_state = "hidden"
    offered = [*labels, "-"] if several else labels
    for number, label in enumerate(offered, 1):
        _text(hidden, number, 1, label)
    rule = validation(
        type="list", formula1=f"Labels!$A$1:$A${len(offered)}", allow_blank=True, showErrorMessage=not several, showInputMessage=several
    )
    rule.errorTitle, rule.error = "Not a label", "Choose a label from the list."
    if several:
        rule.promptTitle, rule.prompt = "Labels", "One or more labels joined by ; or - if none fits."
    rule.add(f"{column}2:{column}{max(last, 2)}")
    sheet.add_data_validation(rule)


def _explain(book: Any, guideline: str, labels: Sequence[str], several: bool, wrapped: Any, bold: Any) -> None:
    """Adds the sheet with the guideline, as it was typed, line by line."""
    sheet = book.create_sheet("Guideline")
    sheet.column_dimensions["A"].width = 110
    lines = guideline.splitlines() or ["There is no guideline.md in the project yet."]
    how = "labels joined by ; or - if none fits" if several else "one label per text"
    for number, line in enumerate([f"{how[0].upper()}{how[1:]}: {', '.join(labels)}" if labels else "", "", *lines], 1):
        cell = _text(sheet, number, 1, line.lstrip("# ") if line.startswith("#") else line)
        cell.alignment = wrapped
        sheet.row_dimensions[number].height = height(lines_of(line, 110))
        if line.startswith("#"):
            cell.font = bold


def lines_of(text: str, width: int) -> int:
    """Returns how many lines a wrapped cell of `width` characters needs for a text, a little too many rather than too few."""
    wide = 0.9 * width  # words do not break where the line ends
    return sum(max(1, ceil(sum(2 if east_asian_width(letter) in "WF" else 1 for letter in part) / wide)) for part in text.split("\n"))


def height(count: int) -> float:
    """Returns the points of a row of so many lines: LibreOffice finds no height of its own, and lays one text over the next."""
    return min(LINE * count, TALLEST)


def _text(sheet: Any, row: int, column: int, value: str) -> Any:
    """Writes a cell that is text whatever it looks like, and returns it."""
    cell = sheet.cell(row, column)
    value = value if holds(value) else without_forbidden(value)
    if value:
        cell.value = value
        cell.data_type = "s"  # "=1+1" is what somebody wrote, not a formula
    cell.number_format = "@"  # what is typed stays as it is typed
    cell.quotePrefix = value[:1] in "=+-@" and bool(value)
    return cell


def holds(text: str) -> bool:
    """Says whether a workbook can hold this text and give it back unchanged."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    return not ILLEGAL_CHARACTERS_RE.search(text) and not ESCAPE.search(text)


def without_forbidden(text: str) -> str:
    """Returns what a workbook can hold of a text."""
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    return ESCAPE.sub(" ", ILLEGAL_CHARACTERS_RE.sub(" ", text))
