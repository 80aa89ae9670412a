"""A form as a workbook: what it offers, and that it comes back whole from whatever program saved it."""

import shutil
import subprocess
from pathlib import Path

import openpyxl
import pytest

from labelrounds.pool.identity import text_id
from tests.people.serve.page import newest
from tests.small import SmallProject, project, sentences

SOFFICE = shutil.which("soffice") or shutil.which("libreoffice")
AWKWARD = [
    "=1+1",
    "'=two",
    "'1234",
    "1234567890123456",
    "1e5",
    "@you 😀",
    "x" * 40_000,
    "-3.5 °C",
    "a\r\nb",
    "bell \x07 rings",
    "_x0041_ is no A",
    "2024-01-02",
    "TRUE",
]


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    made = project(tmp_path)
    made.pool(AWKWARD)
    return made


def fill(path: Path, label: str = "good", column: str = "label") -> None:
    """Types a label into every row, as a person does in a spreadsheet."""
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    place = [cell.value for cell in sheet[1]].index(column) + 1
    for row in range(2, sheet.max_row + 1):
        sheet.cell(row, place).value = label
    book.save(path)


def test_a_workbook_comes_back_whole_from_draw_to_round(here: SmallProject) -> None:
    here.command("draw", "20", "form.xlsx")
    fill(here.folder / "form.xlsx")
    shown = here.command("import", "form.xlsx")
    assert f"{len(AWKWARD)} labels of {len(AWKWARD)} texts are in data/rounds/01-" in shown
    assert {row["id"] for row in newest(here)} == {text_id(text) for text in AWKWARD}


def test_the_sheet_is_pleasant_to_fill_in(here: SmallProject) -> None:
    here.write("guideline.md", "# Be kind\n\nUse *good* for praise.\n")
    texts = [row["text"] for row in here.rows("data/pool.csv")]
    rows = [[text_id(text), text, "bad", "0.71", "0.5"] for text in texts]
    here.table("data/queue/next.csv", ["id", "text", "suggestion", "confidence", "uncertainty"], rows)
    here.command("next", "form.xlsx")
    book = openpyxl.load_workbook(here.folder / "form.xlsx")
    sheet = book["Texts"]
    assert [cell.value for cell in sheet[1]] == ["id", "text", "label", "suggestion", "confidence", "annotator", "note"]
    assert sheet.freeze_panes == "A2" and sheet.column_dimensions["A"].hidden and sheet["B2"].alignment.wrap_text
    assert sheet["D2"].value == "bad" and sheet["D2"].font.color.rgb == "FF5F6368"
    assert {cell.data_type for row in sheet.iter_rows(min_row=2, max_col=2) for cell in row} == {"s"}
    (rule,) = sheet.data_validations.dataValidation
    assert str(rule.sqref) == f"C2:C{len(AWKWARD) + 1}" and rule.formula1 == "Labels!$A$1:$A$3" and rule.showErrorMessage
    assert [cell.value for cell in book["Labels"]["A"]] == ["good", "bad", "other"] and book["Labels"].sheet_state == "hidden"
    assert "Be kind" in [cell.value for cell in book["Guideline"]["A"]]
    assert "is there already" in here.wrong("next", "form.xlsx")
    assert 'expected a name such as "form.xlsx" or "form.csv"' in here.wrong("next", "form.ods")


def test_a_row_is_as_high_as_its_text_so_that_no_text_lies_over_the_next(tmp_path: Path) -> None:
    made = project(tmp_path)
    made.pool(["short", "word " * 100, "屏幕很亮" * 50, "one\ntwo\nthree", "y" * 40_000])
    made.command("draw", "5", "form.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "form.xlsx")["Texts"]
    place = [cell.value for cell in sheet[1]].index("text")
    heights = {row[place].value[:4]: sheet.row_dimensions[row[0].row].height for row in sheet.iter_rows(min_row=2)}
    assert heights["shor"] == 15 and heights["one\n"] == 45
    assert heights["word"] >= 6 * 15 and heights["屏幕很亮"] >= 5 * 15, "a Chinese letter is as wide as two others"
    assert heights["yyyy"] == 409, "the most that a row may have"


def test_several_labels_may_be_typed_beside_the_list(tmp_path: Path) -> None:
    here = project(tmp_path, multi_label=True)
    here.pool(sentences(2))
    here.command("draw", "2", "form.xlsx")
    rule = openpyxl.load_workbook(here.folder / "form.xlsx")["Texts"].data_validations.dataValidation[0]
    assert not rule.showErrorMessage
    fill(here.folder / "form.xlsx", "other; good", "labels")
    here.command("import", "form.xlsx")
    assert {row["labels"] for row in newest(here)} == {"good;other"}


def test_numbers_as_labels_and_rows_moved_or_half_filled_come_back(tmp_path: Path) -> None:
    here = project(tmp_path, labels=["1", "2"])
    here.pool(sentences(3))
    here.command("draw", "3", "form.xlsx")
    path = here.folder / "form.xlsx"
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    sheet["C2"].value, sheet["C2"].number_format = 1, "General"  # what a spreadsheet makes of a digit
    sheet["C4"].value = "2"
    sheet.move_range("A4:F4", rows=3)
    book.save(path)
    assert "1 rows have no label yet" in here.command("import", "form.xlsx")
    assert sorted(row["label"] for row in newest(here)) == ["1", "2"]


def test_the_audits_form_may_be_a_workbook(here: SmallProject) -> None:
    lines = [[text_id(text), "good", "0.9", "auto"] for text in AWKWARD]
    here.table("data/predictions/labelled.csv", ["id", "label", "confidence", "decision"], lines)
    here.table("data/predictions/shards/00.csv", ["id", "labeler"], [[text_id(AWKWARD[0]), "0123"]])
    here.command("audit", "3", "audit.xlsx")
    fill(here.folder / "audit.xlsx")
    here.command("import", "audit.xlsx")
    assert len(newest(here, "audits")) == 3


@pytest.mark.slow
@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed (Debian: apt-get install libreoffice-calc), so its own saving is not tried")
def test_a_workbook_that_libreoffice_saved_comes_back_whole(here: SmallProject) -> None:
    here.command("draw", "20", "form.xlsx")
    fill(here.folder / "form.xlsx")
    (here.folder / "saved").mkdir()
    profile = f"-env:UserInstallation=file://{here.folder}/profile"
    subprocess.run(
        [SOFFICE or "", profile, "--headless", "--convert-to", "xlsx", "--outdir", "saved", "form.xlsx"],
        cwd=here.folder,
        check=True,
        timeout=120,
        capture_output=True,
    )
    here.command("import", "saved/form.xlsx")
    assert {row["id"] for row in newest(here)} == {text_id(text) for text in AWKWARD}


def test_signs_that_no_workbook_holds_stop_no_form_wherever_they_stand(here: SmallProject) -> None:
    """A text gives its id beside it; of a guideline and of the pool's own columns the signs go."""
    here.write("guideline.md", "# Be\x07 kind\n\n_x0041_ is a sign, too\n")
    row = [text_id(AWKWARD[0]), AWKWARD[0], "good", "0.5", "a\x1bb"]
    here.table("data/queue/next.csv", ["id", "text", "suggestion", "confidence", "re\x0bf"], [row])
    here.command("next", "odd.xlsx")
    book = openpyxl.load_workbook(here.folder / "odd.xlsx")
    assert "a b" in [cell.value for row in book.worksheets[0].iter_rows() for cell in row]
