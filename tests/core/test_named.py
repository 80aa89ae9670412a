"""A file that lacks a column or a key, or is no UTF-8, is one sentence with its place, whoever reads it."""

import json
import zipfile
from pathlib import Path

import pytest

from labelrounds.core import files, tables, unforeseen
from labelrounds.core.errors import UserError
from labelrounds.core.named import Named
from labelrounds.pool.identity import text_id
from tests.small import LABELS, SmallProject, project, sentences

TEXTS = sentences(30)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """A project with a round and a queue."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(unforeseen.SHOW)
    made = project(tmp_path)
    made.pool(TEXTS)
    made.round("01", {text: LABELS[number % 3] for number, text in enumerate(TEXTS[:20])}, "ana")
    made.table("data/queue/next.csv", ["id", "text", "suggestion", "confidence"], [[text_id(TEXTS[25]), TEXTS[25], "good", "0.5"]])
    return made


@pytest.mark.parametrize("lacking", ["id", "text", "suggestion", "confidence"])
@pytest.mark.parametrize("words", [("next", "form.csv"), ("export", "--format", "prodigy", "form.jsonl")])
def test_a_queue_that_lacks_a_column_is_one_error_with_its_line(here: SmallProject, lacking: str, words: tuple[str, ...]) -> None:
    rows = here.rows("data/queue/next.csv")
    columns = [name for name in rows[0] if name != lacking]
    here.table("data/queue/next.csv", columns, ([row[name] for name in columns] for row in rows))
    said = here.wrong(*words)
    assert said.startswith(f'Error: data/queue/next.csv:2: there is no "{lacking}" here. Found: "') and "remove it and run `dvc repro`" in said


def test_a_row_or_an_object_that_lacks_a_name_says_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"b": 2}\n', encoding="utf-8")
    first, second = tables.rows(tmp_path / "a.jsonl")
    assert first.cells["a"] == "1" and first.cells.get("b") is None
    with pytest.raises(UserError, match=r'a\.jsonl:2: there is no "a" here\. Found: "b"\.'):
        second.cells["a"]
    (tmp_path / "b.json").write_text('{"test": {"n": 3}}', encoding="utf-8")
    found = files.read_json(tmp_path / "b.json")
    assert json.loads(json.dumps(found)) == {"test": {"n": 3}} and isinstance(found["test"], Named)
    with pytest.raises(UserError, match=r'b\.json: there is no "f1" here\. Found: "n"\.'):
        found["test"]["f1"]
    with pytest.raises(KeyError):  # code that looks for a KeyError still finds one
        found["valid"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("data/schema.jsonl", ("status",)),
        ("data/retired.txt", ("retire", "--yes", text_id(TEXTS[0]))),
        ("data/split/heldout.txt", ("pool", "add", "new.csv")),
        ("ids.txt", ("retire", "--yes", "ids.txt")),
    ],
)
def test_a_file_that_is_no_utf8_is_one_error_with_its_name(here: SmallProject, path: str, words: tuple[str, ...]) -> None:
    here.split()
    here.table("new.csv", ["text"], [["a text that nobody knows"]])
    here.write(path, b"abc\xff\n")
    assert f"Error: {path}: byte 4 is not UTF-8 text" in here.wrong(*words)


def test_a_snapshot_that_is_none_is_one_error_and_stops_no_import(here: SmallProject) -> None:
    here.split()
    here.write("data/snapshots/01.json", '{"test": {"a": "good"}, "stop": null}')
    said = here.command("retire", "--yes", text_id(TEXTS[0]), code=1)
    assert "Error: data/snapshots/01.json: a file there lacks what labelrounds writes" in said
    here.write("data/snapshots/01.json", "{}")
    here.write("metrics/split.json", '{"rounds": [1]}')
    here.table("more.csv", ["text", "label"], [[TEXTS[21], "good"]])
    assert "is not kept (what is on disk cannot be read" in here.command("import", "more.csv")


def test_a_learning_curve_that_is_damaged_is_one_error(here: SmallProject) -> None:
    here.table("metrics/curve_summary.csv", ["labels", "recipe", "f1_macro", "f1_macro_deviation"], [["many", "a", "0.5", ""]])
    assert "metrics: a file there lacks what labelrounds writes" in here.command("curve", code=1)


def test_a_workbook_of_which_a_part_is_damaged_is_one_error(here: SmallProject) -> None:
    here.command("next", "form.xlsx")
    content = bytearray((here.folder / "form.xlsx").read_bytes())
    with zipfile.ZipFile(here.folder / "form.xlsx") as book:
        entry = book.getinfo("xl/worksheets/sheet1.xml")
    start = entry.header_offset + 30 + len(entry.filename)
    content[start + 4 : start + 40] = b"\xff" * 36
    here.write("damaged.xlsx", bytes(content))
    assert "Error: damaged.xlsx: not a whole .xlsx workbook" in here.wrong("import", "damaged.xlsx")
