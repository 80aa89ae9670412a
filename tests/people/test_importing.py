"""What people typed becomes one round: checked as a whole, written as a whole, and never twice."""

import subprocess
import sys
from pathlib import Path

import pytest

from labelrounds.core import task
from labelrounds.pool.identity import text_id
from tests.small import LABELS, SmallProject, project, sentences

POOL = sentences(12)
OUTSIDE = "a text that is in no pool"


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    made = project(tmp_path)
    made.pool(POOL)
    return made


@pytest.fixture
def several(tmp_path: Path) -> SmallProject:
    made = project(tmp_path, multi_label=True)
    made.pool(POOL)
    return made


def form(here: SmallProject, path: str, labels: dict[str, str], columns: str = "text,label,annotator", annotator: str = "") -> None:
    """Writes a file of {text: label}."""
    here.table(path, columns.split(","), ([text, label, annotator] for text, label in labels.items()))


def label_rows(here: SmallProject, path: str = "data/rounds/01.csv") -> list[tuple[str, str, str]]:
    return [(row["id"], row.get("label", row.get("labels", "")), row["annotator"]) for row in here.rows(path)]


def test_labels_of_pool_texts_are_written_by_id_alone(here: SmallProject) -> None:
    form(here, "a.csv", {POOL[0]: "good", POOL[1]: "bad"}, annotator="Ann")
    shown = here.command("import", "a.csv")
    assert here.read("data/rounds/01.csv") == f"id,label,annotator\n{text_id(POOL[0])},good,Ann\n{text_id(POOL[1])},bad,Ann\n"
    assert shown == (
        f"2 labels of 2 texts are in {here.named('data/rounds/01.csv')} now.\n"
        f"Next: dvc repro && dvc metrics diff; then commit {here.named('data/rounds/01.csv')}, dvc.lock and metrics.\n"
    )


def test_a_text_that_the_pool_lacks_is_carried_by_the_round(here: SmallProject) -> None:
    form(here, "a.csv", {POOL[0]: "good", OUTSIDE: "bad"})
    here.command("import", "a.csv")
    rows = here.rows("data/rounds/01.csv")
    assert list(rows[0]) == ["id", "text", "label", "annotator"]
    assert [row["text"] for row in rows] == ["", OUTSIDE]


def test_a_carried_text_with_line_breaks_of_any_kind_can_be_read_again(here: SmallProject) -> None:
    form(here, "a.csv", {"a bare\rreturn": "bad", 'one\rtwo\nthree\r\nfour, "five"': "bad"})
    here.command("import", "a.csv")
    assert "2 labels of 2 texts" in here.command("status")


def test_a_text_that_an_earlier_round_carries_is_known_by_its_id(here: SmallProject) -> None:
    form(here, "a.csv", {OUTSIDE: "bad"})
    here.command("import", "a.csv")
    here.table("b.csv", ["id", "label"], [[text_id(OUTSIDE), "good"]])
    here.command("import", "b.csv")
    assert label_rows(here, "data/rounds/02.csv") == [(text_id(OUTSIDE), "good", "")]


def test_source_and_note_are_written_where_there_are_any(here: SmallProject) -> None:
    here.table("a.csv", ["text", "label", "source", "note"], [[POOL[0], "good", "", ""], [POOL[1], "bad", "rule", "why, oh why"]])
    here.command("import", "a.csv")
    assert [(row["source"], row["note"]) for row in here.rows("data/rounds/01.csv")] == [("human", ""), ("rule", "why, oh why")]


def test_how_a_label_came_about_is_kept(here: SmallProject) -> None:
    how = ["labelled_at", "seconds", "guideline"]
    here.table("a.csv", ["text", "label", *how], [[POOL[0], "good", "2030-01-02T03:04:05Z", "4.2", "0123456789ab"], [POOL[1], "bad", "", "", ""]])
    here.command("import", "a.csv")
    assert list(here.rows("data/rounds/01.csv")[0]) == ["id", "label", "annotator", *how]
    assert [row["seconds"] for row in here.rows("data/rounds/01.csv")] == ["4.2", ""]


def test_an_adjudication_is_written_though_the_same_person_said_so_before(here: SmallProject) -> None:
    form(here, "a.csv", {POOL[0]: "good"}, annotator="Ann")
    here.command("import", "a.csv")
    here.table("b.csv", ["text", "label", "annotator", "source"], [[POOL[0], "good", "Ann", "Adjudicated"]])
    here.command("import", "b.csv")
    assert here.rows("data/rounds/02.csv")[0]["source"] == "adjudicated"


def test_a_half_filled_file_imports_what_is_filled_and_counts_the_rest(here: SmallProject) -> None:
    form(here, "a.csv", {POOL[0]: "good", POOL[1]: "", POOL[2]: " ", POOL[3]: "bad"})
    assert "2 rows have no label yet and were left out: fill them in and import the file again." in here.command("import", "a.csv")
    assert [label for _, label, _ in label_rows(here)] == ["good", "bad"]


def test_filling_in_the_rest_later_imports_the_rest_alone(here: SmallProject) -> None:
    form(here, "a.csv", {POOL[0]: "good", POOL[1]: ""})
    here.command("import", "a.csv")
    form(here, "a.csv", {POOL[0]: "good", POOL[1]: "bad"})
    assert "1 labels are in data/rounds already and were not written again." in here.command("import", "a.csv")
    assert label_rows(here, "data/rounds/02.csv") == [(text_id(POOL[1]), "bad", "")]


def test_importing_a_file_twice_writes_nothing_new(here: SmallProject) -> None:
    form(here, "a.csv", {POOL[0]: "good", POOL[1]: "bad"})
    here.command("import", "a.csv")
    before = here.digests()
    shown = here.command("import", "a.csv")
    assert shown == "2 labels are in data/rounds already and were not written again.\nNothing new to write.\n"
    assert here.digests() == before


@pytest.mark.slow
def test_a_file_imported_four_times_at_once_makes_one_round(here: SmallProject) -> None:
    form(here, "a.csv", {POOL[0]: "good", POOL[1]: "bad"}, annotator="Ann")
    command = [sys.executable, "-m", "labelrounds.people.cli", "import", "a.csv"]
    running = [subprocess.Popen(command, cwd=here.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(4)]
    said = [one.communicate()[0] for one in running]
    assert sorted(one.returncode for one in running) == [0, 0, 0, 0], said
    assert sum("2 labels of 2 texts are in data/rounds/01-" in one for one in said) == 1 and sum("Nothing new to write." in one for one in said) == 3
    assert len(label_rows(here)) == 2 and len(list(here.folder.glob("data/rounds/*"))) == 1


def test_a_label_that_a_later_round_changed_is_not_changed_back_by_an_old_file(here: SmallProject) -> None:
    form(here, "old.csv", {POOL[0]: "good", POOL[1]: "bad"}, annotator="Ann")
    here.command("import", "old.csv")
    form(here, "new.csv", {POOL[0]: "other"}, annotator="Ann")
    here.command("import", "new.csv")
    shown = here.command("import", "old.csv")
    assert "1 of these a later round has changed; that stands. To change one back, add a round by hand, number 03." in shown
    assert not list(here.folder.glob("data/rounds/03*"))


def test_a_correction_by_the_same_person_is_a_new_label(here: SmallProject) -> None:
    form(here, "a.csv", {POOL[0]: "good"}, annotator="Ann")
    here.command("import", "a.csv")
    form(here, "a.csv", {POOL[0]: "bad"}, annotator="Ann")
    assert "were not written again" not in here.command("import", "a.csv")
    assert label_rows(here, "data/rounds/02.csv") == [(text_id(POOL[0]), "bad", "Ann")]


def test_several_files_make_one_round(here: SmallProject) -> None:
    form(here, "ann.csv", {POOL[0]: "good", POOL[1]: "bad"}, annotator="Ann")
    form(here, "bob.csv", {POOL[0]: "good", POOL[2]: "bad"}, annotator="Bob")
    assert "4 labels of 3 texts are in data/rounds/01-" in here.command("import", "ann.csv", "bob.csv")
    assert len(list(here.folder.glob("data/rounds/*"))) == 1


def test_one_file_named_twice_counts_once_where_people_are_named(here: SmallProject) -> None:
    form(here, "ann.csv", {POOL[0]: "good"}, annotator="Ann")
    assert "1 labels of 1 texts" in here.command("import", "ann.csv", "ann.csv")


def test_a_round_is_never_overwritten(here: SmallProject) -> None:
    here.round("01", {POOL[0]: "good"})
    here.round("07", {POOL[1]: "good"})
    before = here.digests()
    form(here, "a.csv", {POOL[2]: "good"})
    here.command("import", "a.csv")
    assert {path: here.digests()[path] for path in before} == before
    assert here.rows("data/rounds/08.csv")


def test_who_labelled_may_be_named_for_the_whole_file(here: SmallProject) -> None:
    here.table("a.csv", ["text", "label", "annotator"], [[POOL[0], "good", ""], [POOL[1], "bad", "Bob"]])
    here.command("import", "a.csv", "--annotator", "Ann")
    assert [annotator for _, _, annotator in label_rows(here)] == ["Ann", "Bob"]


@pytest.mark.parametrize(
    ("name", "mark", "encoding"), [("a.csv", ";", "utf-8-sig"), ("a.csv", "\t", "utf-8"), ("a.tsv", "\t", "utf-8-sig"), ("a.csv", ",", "utf-8-sig")]
)
def test_the_csv_of_any_spreadsheet_is_read(here: SmallProject, name: str, mark: str, encoding: str) -> None:
    content = "\r\n".join(
        [mark.join(["id", "text", "label"]), mark.join(["", f'"{POOL[0]}"', "good"]), mark.join(["", f'"{POOL[1]}"', ""]), mark * 2, ""]
    )
    here.write(name, content.encode(encoding))
    assert "1 labels of 1 texts" in here.command("import", name)
    assert label_rows(here) == [(text_id(POOL[0]), "good", "")]


def test_one_column_per_label_is_read(here: SmallProject) -> None:
    here.table("a.csv", ["text", *LABELS], [[POOL[0], "0", "1", "0"], [POOL[1], "", "", ""], [POOL[2], "x", "", ""]])
    assert "1 rows have no label yet" in here.command("import", "a.csv")
    assert [label for _, label, _ in label_rows(here)] == ["bad", "good"]


def test_several_labels_and_none_are_written_in_one_spelling(several: SmallProject) -> None:
    form(several, "a.csv", {POOL[0]: "other; good", POOL[1]: "-", POOL[2]: "", POOL[3]: "bad"}, columns="text,labels,annotator")
    assert "1 rows have no label yet" in several.command("import", "a.csv")
    assert several.read("data/rounds/01.csv").splitlines()[0] == "id,labels,annotator"
    assert [labels for _, labels, _ in label_rows(several)] == ["good;other", "-", "bad"]


def test_columns_of_zeros_say_that_no_label_applies(several: SmallProject) -> None:
    several.table("a.csv", ["text", *LABELS], [[POOL[0], "0", "0", "0"], [POOL[1], "1", "0", "1"], [POOL[2], "", "", ""]])
    assert "1 rows have no label yet" in several.command("import", "a.csv")
    assert [labels for _, labels, _ in label_rows(several)] == ["-", "good;other"]


def test_a_dash_that_a_form_made_harmless_still_says_none(several: SmallProject) -> None:
    form(several, "a.csv", {POOL[0]: "'-"}, columns="text,labels,annotator")
    several.command("import", "a.csv")
    assert [labels for _, labels, _ in label_rows(several)] == ["-"]


def test_a_form_comes_back_whole_from_draw_to_round(tmp_path: Path) -> None:
    awkward = ["=one", "'=two", "1234567890123456", "12345678901234e1", "a\nb", 'c "d", e', "@you 😀", "x" * 40_000, "-3.5 °C"]
    here = project(tmp_path)
    here.pool(awkward)
    here.command("draw", "9", "round-01.csv")
    here.fill("round-01.csv", {text_id(text): "good" for text in awkward})
    assert f"{len(awkward)} labels of {len(awkward)} texts" in here.command("import", "round-01.csv")
    assert {identity for identity, _, _ in label_rows(here)} == {text_id(text) for text in awkward}
    assert "text" not in here.rows("data/rounds/01.csv")[0]


def test_one_person_with_two_labels_for_one_text_is_an_error_also_across_files(here: SmallProject) -> None:
    form(here, "a.csv", {POOL[0]: "good"}, annotator="Ann")
    form(here, "b.csv", {POOL[1]: "good", POOL[0]: "bad"}, annotator="Ann")
    assert f'b.csv:3: Ann gives text {text_id(POOL[0])} the label "bad", but "good" at a.csv:2.' in here.wrong("import", "a.csv", "b.csv")
    here.table("c.csv", ["text", "label"], [[POOL[0], "good"], [POOL[0], "bad"]])
    assert "Ann gives text" in here.wrong("import", "c.csv", "--annotator", "Ann")


def test_people_who_are_not_named_may_disagree(here: SmallProject) -> None:
    here.table("a.csv", ["text", "label"], [[POOL[0], "good"], [POOL[0], "bad"]])
    assert "2 labels of 1 texts" in here.command("import", "a.csv")


def test_an_id_that_nobody_knows_is_an_error_that_counts_them(here: SmallProject) -> None:
    here.table("a.csv", ["id", "label"], [[text_id(text), "good"] for text in (POOL[0], "gone", "gone too")])
    shown = here.wrong("import", "a.csv")
    assert f"a.csv:3: nobody knows the id {text_id('gone')}: it is not in the pool (data/pool.csv), and the row has no text." in shown
    assert "2 rows of this kind in all; also at a.csv:4" in shown


def test_a_file_without_a_single_label_is_an_error(here: SmallProject) -> None:
    form(here, "a.csv", {POOL[0]: "", POOL[1]: ""})
    assert "a.csv: no row has a label (2 without a label)." in here.wrong("import", "a.csv")


def test_one_wrong_row_keeps_the_whole_import_out(here: SmallProject) -> None:
    form(here, "a.csv", {POOL[0]: "good", POOL[1]: "godo"})
    assert 'a.csv:3: unknown label "godo". Did you mean "good"?' in here.wrong("import", "a.csv")


def test_a_broken_earlier_round_is_named_before_anything_is_written(here: SmallProject) -> None:
    here.round("01", {POOL[0]: "gut"})
    form(here, "a.csv", {POOL[1]: "good"})
    assert 'data/rounds/01.csv:2: unknown label "gut"' in here.wrong("import", "a.csv")


def test_labels_in_jsonl_are_imported_too(here: SmallProject) -> None:
    here.write("a.jsonl", f'{{"text": "{POOL[0]}", "label": "good"}}\n{{"text": "{POOL[1]}"}}\n')
    assert "1 rows have no label yet" in here.command("import", "a.jsonl")


def test_the_nearest_label_is_looked_for_once_however_many_rows_are_wrong(here: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    sought: list[str] = []
    monkeypatch.setattr(task, "did_you_mean", lambda word, known: sought.append(word) or "")
    here.table("a.csv", ["text", "label"], ([text, f"gooood {number}"] for number, text in enumerate(POOL)))
    assert f"{len(POOL)} rows of this kind in all" in here.wrong("import", "a.csv")
    assert len(sought) <= 5
