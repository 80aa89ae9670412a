"""A person asks for deletion: the text and its label go from every file, for good, however often the command is killed."""

import gzip
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from labelrounds.core import files, removal
from labelrounds.llm import responses
from labelrounds.people import tracking
from labelrounds.pool.identity import text_id
from stages import corpus
from tests.small import LABELS, SmallProject, project, sentences

TEXTS = sentences(60)
GONE = TEXTS[3]
ID = text_id(GONE)


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    """A project with a pool of two files, two rounds, and everything that names a text."""
    made = project(tmp_path)
    made.params(data__pool="data/pool")
    made.table("data/pool/000-a.csv", ["ref", "text"], ([f"{number}", text] for number, text in enumerate(TEXTS[:40])))
    made.write("data/pool/001-b.jsonl", "".join(json.dumps({"text": text, "ref": "b"}) + "\n" for text in [*TEXTS[40:], GONE]))
    made.round("01", dict(zip(TEXTS[:36], LABELS * 12, strict=True)))
    made.table("data/rounds/02.csv", ["text", "label", "annotator"], [[GONE, "bad", "Ann"], ["a text of a round alone", "good", "Ann"]])
    made.split()
    made.made(corpus)
    rows = [[text_id(text), text, "good", "0.9000", "review"] for text in TEXTS]
    made.table("data/predictions/labelled.csv", ["id", "text", "label", "confidence", "decision"], rows)
    shards = made.folder / "data/predictions/shards"
    shards.mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"id": [text_id(text) for text in TEXTS], "label": ["good"] * 60}), shards / "part-00000.parquet")
    made.table(
        "data/queue/next.csv",
        ["id", "text", "suggestion", "confidence", "uncertainty"],
        [[ID, GONE, "good", "0.9", "0.1"], [text_id(TEXTS[50]), TEXTS[50], "good", "0.9", "0.1"]],
    )
    made.table(
        "data/audits/drawn/01.csv",
        ["id", "label", "confidence", "labeler", "auto"],
        [[ID, "good", "0.9", "x", "9"], [text_id(TEXTS[41]), "good", "0.9", "x", "9"]],
    )
    made.table("metrics/baseline/test.csv", ["id", "gold", "predicted"], [[ID, "good", "bad"], [text_id(TEXTS[4]), "good", "good"]])
    snapshot = {"round": "01", "labeler": "baseline", "model": "m", "train": 3, "test": {ID: "good", text_id(TEXTS[4]): "bad"}, "stop": {ID: "good"}}
    made.write("data/snapshots/01.json", json.dumps(snapshot) + "\n")
    made.write("metrics/report.html", f"<p>{GONE}</p>")
    events = [
        {"do": "label", "person": "Ann", "id": name, "key": name, "at": "2026-01-01T00:00:00Z", "labels": ["good"]}
        for name in (ID, text_id(TEXTS[7]))
    ]
    for place in ("queue", "done/round-001"):
        made.write(f"data/inbox/{place}.journal", "".join(json.dumps(event) + "\n" for event in events))
    return made


def holding(here: SmallProject) -> list[str]:
    """Returns the files that still hold the text or its id, the list of withdrawn ids aside."""
    found = []
    for path in sorted(here.folder.rglob("*")):
        if path.is_file() and path.name != "retired.txt":
            table = pyarrow.parquet.read_table(path).to_pylist() if path.suffix == ".parquet" else []
            if any(part in path.read_bytes() + repr(table).encode() for part in (ID.encode(), GONE.encode())):
                found.append(path.relative_to(here.folder).as_posix())
    return found


def test_a_text_goes_from_every_file_and_all_else_stays(here: SmallProject) -> None:
    assert len(holding(here)) > 10
    said = here.command("retire", "--yes", GONE)
    assert holding(here) == []
    assert here.read("data/retired.txt") == f"{ID}\n"
    assert "1 texts are withdrawn" in said and "data/rounds/01.csv: 1 rows removed" in said and "data/pool/001-b.jsonl: 1 rows removed" in said
    assert len(here.rows("data/rounds/01.csv")) == 35 and len(here.rows("data/pool/000-a.csv")) == 39
    assert [row["text"] for row in here.rows("data/rounds/02.csv")] == ["a text of a round alone"]
    assert "59 pool texts" in here.split(), "the loop goes on"
    assert "data/inbox/queue.journal: 1 rows removed" in said and "1 labels of 1 texts are in data/rounds/03-" in here.command("import"), (
        "what others said stays"
    )


@pytest.mark.parametrize("way", ["id", "file of ids", "file of texts", "lines"])
def test_texts_are_named_by_id_or_in_a_file(here: SmallProject, way: str) -> None:
    here.table("ids.csv", ["id"], [[ID]])
    here.table("texts.csv", ["text"], [[GONE]])
    (here.folder / "lines.txt").write_text(f"{GONE}\n\n{text_id(TEXTS[5])}\n", encoding="utf-8")
    here.command("retire", "--yes", {"id": ID, "file of ids": "ids.csv", "file of texts": "texts.csv", "lines": "lines.txt"}[way])
    assert [name for name in holding(here) if name not in ("ids.csv", "texts.csv", "lines.txt")] == []
    assert (text_id(TEXTS[5]) in here.read("data/retired.txt")) == (way == "lines")


@pytest.mark.parametrize("kill_at", range(0, 14, 4))
def test_a_kill_at_any_file_is_made_good_by_the_command_without_arguments(here: SmallProject, kill_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = removal.remove, []

    def dying(*arguments):
        if len(calls) == kill_at:
            raise KeyboardInterrupt
        calls.append(arguments)
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(removal, "remove", dying)
        with pytest.raises(AssertionError, match="exited with 1"):
            here.command("retire", "--yes", GONE)
    assert holding(here)
    here.command("retire", "--yes")
    assert holding(here) == []


def test_a_kill_before_dvc_tracks_the_pool_is_made_good_by_the_next_run(here: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else `dvc checkout` would bring the text back."""
    here.write("data/pool.dvc", "outs: []\n")
    tracked = []

    def track(path: str) -> bool:
        tracked.append(path)
        if len(tracked) == 1:
            raise KeyboardInterrupt
        return True

    monkeypatch.setattr(tracking, "track", track)
    with pytest.raises(AssertionError, match="exited with 1"):
        here.command("retire", "--yes", GONE)
    here.command("retire", "--yes", GONE)
    assert tracked == ["data/pool", "data/pool"]


def test_a_withdrawn_text_does_not_come_back(here: SmallProject) -> None:
    here.command("retire", "--yes", GONE)
    here.table("again.csv", ["text", "label"], [[GONE, "good"]])
    assert f"the text {ID} was withdrawn for good" in here.wrong("import", "again.csv")
    assert f"again.csv:2: the text {ID} was withdrawn for good" in here.wrong("pool", "add", "again.csv")


def test_near_duplicates_are_named_and_go_when_asked(here: SmallProject) -> None:
    copy = f"{GONE.upper()} 2!"
    here.table("data/pool/002-c.csv", ["text"], [[copy]])
    assert f"1 near-duplicates are still in the pool, such as {text_id(copy)}" in here.command("retire", "--yes", GONE)
    here.command("retire", "--yes", "--near", copy)
    assert not (here.folder / "data/pool/002-c.csv").exists()


def test_what_people_keep_beside_the_project_is_named(here: SmallProject) -> None:
    here.table("form.csv", ["id", "text", "label"], [[ID, GONE, ""]])
    assert "Still there: form.csv" in here.command("retire", "--yes", GONE)


def test_a_text_that_nobody_knows_is_an_error(here: SmallProject) -> None:
    assert "nobody knows this text here" in here.wrong("retire", "a text of nobody")
    assert "name what to withdraw" in here.wrong("retire")


def test_git_history_that_holds_it_is_named(here: SmallProject) -> None:
    here.run("git", "init", "-q")
    here.commit("as it was")
    assert "git's history still holds 1 of them" in here.command("retire", "--yes", GONE)


def test_what_a_language_model_answered_is_forgotten(tmp_path: Path) -> None:
    kept = responses.Kept(tmp_path / "kept.sqlite")
    kept.keep({"a": {"text": "an answer about Ann", "usage": [1, 1]}, "b": {"text": "other", "usage": [1, 1]}})
    assert kept.forget(["a", "c"]) == 1
    kept.close()
    assert b"about Ann" not in (tmp_path / "kept.sqlite").read_bytes()


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "a.jsonl", "a.json", "a.parquet"])
def test_rows_are_taken_out_of_a_table_and_the_others_keep_their_bytes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    mark = "\t" if ".tsv" in name else ","
    lines = [
        f"text{mark}n\r\n",
        f'"two\nlines ""{mark} one"{mark}1\r\n',
        "\r\n",
        f"gone{mark}2\r\n",
        f'"gone"{mark}3\r\n',
        f"  kept {mark}4\r\n",
        f"gone{mark}5",
    ]
    rows = [{"text": "first", "n": 1}, {"text": "gone", "n": 2}, {"text": "last", "n": 3}]
    if name == "a.parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    elif "json" in name:
        path.write_text(json.dumps(rows) if name == "a.json" else "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        content = "".join(lines).encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    count = removal.remove(path, lambda cells: cells["text"] == "gone")
    if name == "a.parquet":
        assert count == 1 and pyarrow.parquet.read_table(path).to_pylist() == [rows[0], rows[2]]
    elif "json" in name:
        left = json.loads(path.read_text()) if name == "a.json" else [json.loads(line) for line in path.read_text().splitlines()]
        assert count == 1 and left == [rows[0], rows[2]]
    else:
        content = gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes()
        assert count == 3 and content.decode() == "".join([*lines[:3], lines[5]])
    before = files.sha256(path)
    assert removal.remove(path, lambda cells: False) == 0 and files.sha256(path) == before
