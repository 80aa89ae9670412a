"""The form that people fill in: harmless in a spreadsheet, never overwritten, and every text comes back as it was."""

import csv
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labelrounds.core import files, tables
from labelrounds.core.errors import UserError
from labelrounds.core.task import Task
from labelrounds.pool.identity import fold, near_duplicate_key, text_id
from labelrounds.rounds import queue, record
from labelrounds.rounds.queue import Asked, harmless, literal, restored
from tests.small import FEWER, LABELS, PROPERTY, SmallProject, project, sentences

TASK = Task("multi-class", tuple(LABELS))
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from("'=+-@\t\r\n\",;0123456789e.:/😀"), max_size=20)
AWKWARD = [
    "=1+1",
    '=HYPERLINK("http://example.org","x")',
    "'=1+1",
    "''=1+1",
    "+49 30 1234",
    "-5 degrees",
    "@someone hello",
    "＝1+1",
    "\tindented",
    "a\nb\r\nc\rd",
    'she said "no", then left',
    "😀👩‍👩‍👧 text",
    "1234567890123456",
    "'1234567890123456",
    "12345678901234e1",
    "007",
    "1.50",
    "2024-01-31",
    "12:30",
    "'quoted'",
    "'",
    "-",
    "a;b\tc",
    "text … [cut here by labelrounds: nothing was]",
]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """A project whose queue holds five of the pool's texts."""
    monkeypatch.chdir(tmp_path)
    made = project(tmp_path)
    texts = sentences(20)
    made.pool(texts)
    rows = ([text_id(text), text, LABELS[number % 3], "0.5", "0.9"] for number, text in enumerate(texts[:5]))
    made.table("data/queue/next.csv", ["id", "text", "suggestion", "confidence", "uncertainty"], rows)
    return made


def asked(text: str, **own: str) -> Asked:
    return Asked(text_id(text), text, "", "", own)


def filled(path: Path, label: str = "good") -> list[record.Annotation]:
    """Fills every row of a form, saves it as a spreadsheet does, and reads it as an import does."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows({**row, "label": label} for row in rows)
    annotations, unfilled = record.read_filled(path, TASK, restore=queue.restored, cut=queue.CUT)
    assert not unfilled
    return annotations


@PROPERTY
@given(TEXTS)
def test_what_is_made_harmless_is_restored_letter_by_letter(text: str) -> None:
    assert restored(harmless(text)) == text
    assert restored(literal(text)) == text


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_texts_are_restored_too(text: str) -> None:
    assert restored(harmless(text)) == restored(literal(text)) == text


@PROPERTY
@given(TEXTS, TEXTS)
def test_no_two_texts_look_alike_once_they_are_harmless(one: str, other: str) -> None:
    assert (harmless(one) == harmless(other)) == (one == other)
    assert (literal(one) == literal(other)) == (one == other)


@PROPERTY
@given(TEXTS)
def test_no_cell_begins_as_a_formula(text: str) -> None:
    assert not harmless(text).startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))


@PROPERTY
@given(st.from_regex(r"[0-9]{16}|[0-9]{1,14}e[0-9]{1,8}", fullmatch=True))
@example("1234567890123456")
@example("12345678901234e1")
def test_no_id_looks_like_a_number(identity: str) -> None:
    assert literal(identity) == f"'{identity}"
    assert restored(literal(identity)) == identity


def test_ordinary_texts_and_ids_stay_as_they_are() -> None:
    assert literal("He paid 5 euros.") == "He paid 5 euros."
    assert literal("4b0f4e4063c5b54f") == "4b0f4e4063c5b54f"
    assert harmless("2024-01-31") == "2024-01-31"


@FEWER
@given(st.lists(TEXTS.filter(str.strip), min_size=1, max_size=5, unique_by=fold))
@example(AWKWARD)
def test_every_text_comes_back_from_the_form_with_its_label(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("form") / "form.csv"
    queue.write_form(path, [asked(text) for text in texts], TASK)
    found = filled(path)
    assert [given.text for given in found] == texts
    assert [given.id for given in found] == [text_id(text) for text in texts]


def test_texts_that_a_spreadsheet_would_rewrite_are_guarded_in_the_form(tmp_path: Path) -> None:
    texts = ["1234567890123456", "2024-01-31", "=1+1"]
    queue.write_form(tmp_path / "form.csv", [asked(text) for text in texts], TASK)
    with open(tmp_path / "form.csv", encoding="utf-8-sig", newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == [f"'{text}" for text in texts]


def test_a_text_too_long_for_a_cell_is_cut_and_known_by_its_id(tmp_path: Path) -> None:
    text = "word " * 7000
    path = tmp_path / "form.csv"
    queue.write_form(path, [asked(text)], TASK)
    shown = path.read_text(encoding="utf-8-sig")
    assert "[cut here by labelrounds: the whole text has 35,000 characters]" in shown
    assert len(shown) < 32_767
    found = filled(path)
    assert [(given.id, given.text) for given in found] == [(text_id(text), None)]


def test_a_text_that_just_fits_is_whole(tmp_path: Path) -> None:
    text = "a" * queue.SHOWN
    queue.write_form(tmp_path / "form.csv", [asked(text)], TASK)
    assert filled(tmp_path / "form.csv")[0].text == text


def test_the_pools_own_columns_travel_along_and_give_way_to_ours(tmp_path: Path) -> None:
    entries = [asked("one", ref="7", label="old", good="yes"), asked("two", ref="8", day="=Monday")]
    queue.write_form(tmp_path / "form.csv", entries, TASK)
    with open(tmp_path / "form.csv", encoding="utf-8-sig", newline="") as file:
        first, second = csv.DictReader(file)
    assert list(first) == ["id", "text", "label", "annotator", "note", "ref", "pool_label", "pool_good", "day"]
    assert (first["ref"], first["pool_label"], first["label"], first["day"]) == ("7", "old", "", "")
    assert (second["ref"], second["pool_good"], second["day"]) == ("8", "", "'=Monday")
    assert len(filled(tmp_path / "form.csv")) == 2


def test_for_several_labels_the_column_is_called_labels(tmp_path: Path) -> None:
    queue.write_form(tmp_path / "form.csv", [asked("one")], Task("multi-label", tuple(LABELS)))
    assert (tmp_path / "form.csv").read_text(encoding="utf-8-sig").startswith("id,text,labels,")


def test_no_two_near_duplicates_stand_in_one_queue() -> None:
    texts = [("1", "Hello there"), ("2", "hello, there!"), ("3", "Bye"), ("4", "labelled already?")]
    assert list(queue.without_near_duplicates(texts, {near_duplicate_key("Labelled already")})) == [texts[0], texts[2]]


def test_next_copies_the_queue_and_says_what_to_do(here: SmallProject) -> None:
    shown = here.command("next", "round-02.csv")
    assert shown.startswith(
        "5 texts wait in round-02.csv.\nFill in the column `label`: good, bad, other (one per text).\nThen: labelrounds import round-02.csv\n"
    )
    assert "cannot give the test set: import a random round before them" in shown, "there is no round yet"
    rows = here.rows("round-02.csv")
    assert [row["text"] for row in rows] == sentences(20)[:5]
    assert list(rows[0]) == ["id", "text", "label", "suggestion", "confidence", "annotator", "note"]
    assert rows[0]["suggestion"] == "good" and all(row["label"] == "" for row in rows)


def test_next_without_suggestions_shows_nothing_that_could_sway(here: SmallProject) -> None:
    here.command("next", "--no-suggestions", "round-02.csv")
    assert list(here.rows("round-02.csv")[0]) == ["id", "text", "label", "annotator", "note"]
    assert "0.5" not in here.read("round-02.csv")


def test_next_skips_what_is_labelled_already(here: SmallProject) -> None:
    here.round("01", dict.fromkeys(sentences(20)[:2], "good"))
    assert here.command("next", "a.csv").startswith("3 texts (2 more of the queue are labelled already) wait in a.csv.")
    assert [row["text"] for row in here.rows("a.csv")] == sentences(20)[2:5]


def test_next_never_overwrites_a_file(here: SmallProject) -> None:
    here.command("next", "a.csv")
    assert "a.csv is there already and may hold what somebody typed." in here.wrong("next", "a.csv")


def test_when_all_of_the_queue_is_labelled_next_says_to_run_the_pipeline(here: SmallProject) -> None:
    here.round("01", dict.fromkeys(sentences(20)[:5], "good"))
    assert "all 5 texts of the queue are labelled. Run `dvc repro`" in here.wrong("next", "a.csv")


def test_without_a_queue_next_says_how_to_get_one(here: SmallProject) -> None:
    (here.folder / "data/queue/next.csv").unlink()
    assert "there is no queue yet. Run `dvc repro`; before the first labels, `labelrounds draw 200 FILE`." in here.wrong("next", "a.csv")


def test_next_writes_csv_and_nothing_else(here: SmallProject) -> None:
    assert 'expected a name such as "a.xlsx" or "a.csv"' in here.wrong("next", "a.ods")


@pytest.mark.parametrize("path", ["no/such/a.csv", "params.yaml/a.csv"])
def test_next_makes_no_folders(here: SmallProject, path: str) -> None:
    assert "there is no such folder" in here.wrong("next", path)
    assert not (here.folder / "no").exists()


def test_a_form_that_somebody_else_made_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("theirs", encoding="utf-8")
    monkeypatch.setattr(Path, "exists", lambda path: False)
    with pytest.raises(UserError, match="is there already and may hold what somebody typed"):
        queue.write_form(tmp_path / "a.csv", [asked("one")], TASK)
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "theirs"


def test_an_apostrophe_that_a_person_wrote_stays(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    for written in ("'-) he said", "'@you, not me", "say;'=hello", "'42"):
        files.write_csv(path, ["text", "label"], [[written, "good"]])
        assert record.read_filled(path, TASK, restore=queue.restored)[0][0].text == written
        files.write_csv(path, ["id", "text", "label"], [[text_id(written), written, "good"]])
        assert record.read_filled(path, TASK, restore=queue.restored)[0][0].text == written, "its id says so"
        files.write_csv(path, ["id", "text", "label"], [[text_id(written), literal(written), "good"]])
        assert record.read_filled(path, TASK, restore=queue.restored)[0][0].text == written, "and of a form"


@pytest.mark.parametrize("text", ["a;=1+2", 'a;"=cmd()', "a;\t@SUM(1)", "a; +a", "a\t=b", "a;==", "a;;-2"])
def test_no_cell_begins_with_a_formula_where_a_spreadsheet_cuts_at_another_sign(text: str) -> None:
    """Many languages' spreadsheets separate cells by `;`, whatever the file does."""
    for mark in ";\t":
        assert not any(part.strip(' "').startswith(("=", "+", "-", "@")) for part in harmless(text).split(mark))
    assert restored(harmless(text)) == restored(literal(text)) == text
    assert harmless("well ;-) a;b; c") == "well ;-) a;b; c"


def test_a_columns_name_is_no_formula_either(tmp_path: Path) -> None:
    queue.write_form(tmp_path / "form.csv", [Asked("0" * 16, "a", "", "", {'=HYPERLINK("x")': "1"})], TASK)
    assert tables.columns(tmp_path / "form.csv")[-1] == '\'=HYPERLINK("x")'
