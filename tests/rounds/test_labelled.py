"""The labelled pool for spreadsheets is harmless, and the one for programs says everything as it is."""

import csv
from pathlib import Path

import pyarrow.parquet
import pytest

from labelrounds.core import files
from labelrounds.core.task import Task
from labelrounds.rounds import labelled

LINES: list[labelled.Line] = [
    ("0" * 16, "=1+1", ("a",), 0.87654, "auto", ["-5"]),
    ("1" * 16, "'- he said", ("a", "b"), None, "human", ["@you"]),
    ("2" * 16, 'comma, "quote"\nline', (), 0.5, "review", [""]),
]


def test_a_program_reads_texts_and_labels_as_they_are(tmp_path: Path) -> None:
    task = Task("multi-label", ("a", "b"))
    labelled.write(LINES, task, ["=own"], tmp_path / "l.csv", tmp_path / "l.parquet")
    rows = pyarrow.parquet.read_table(tmp_path / "l.parquet").to_pylist()
    assert [row["text"] for row in rows] == [line[1] for line in LINES] and [row["=own"] for row in rows] == ["-5", "@you", ""]
    assert [row["labels"] for row in rows] == [["a"], ["a", "b"], []] and [row["confidence"] for row in rows] == [0.8765, None, 0.5]
    with open(tmp_path / "l.csv", encoding="utf-8-sig", newline="") as file:
        header, *cells = list(csv.reader(file))
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in (*header, *(cell for row in cells for cell in row)))
    assert [row[2] for row in cells] == ["a", "a;b", "'-"] and [row[3] for row in cells] == ["0.8765", "", "0.5000"]


def test_both_have_the_same_rows_and_the_same_bytes_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelled, "ROWS", 2)
    task = Task("multi-class", ("a", "b"))
    for folder in "xy":
        labelled.write(
            [(*line[:2], ("b",), *line[3:]) for line in LINES], task, ["own"], tmp_path / folder / "l.csv", tmp_path / folder / "l.parquet"
        )
    assert files.folder_digests(tmp_path / "x") == files.folder_digests(tmp_path / "y")
    table = pyarrow.parquet.read_table(tmp_path / "x/l.parquet")
    assert table.num_rows == 3 and table["label"].to_pylist() == ["b"] * 3
