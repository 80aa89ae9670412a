"""Labels that change: one command changes params.yaml and the history, and rounds of before are read in the labels of today."""

import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from labelrounds.rounds import schema
from tests.small import SmallProject, project, sentences

TEXTS = sentences(60)
LABELS = ["good", "bad", "other"]
SAID = {text: LABELS[number % 3] for number, text in enumerate(TEXTS)}


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    """A project with a pool of 60 texts, all of which round 01 labels."""
    made = project(tmp_path)
    made.pool(TEXTS)
    made.round("01", SAID)
    return made


def labels(here: SmallProject) -> list[str]:
    return YAML(typ="safe").load(here.read("params.yaml"))["task"]["labels"]


def split_of(here: SmallProject) -> dict[str, tuple[str, str]]:
    """Runs the split; returns {text: (side, label)}."""
    here.split()
    return {row["text"]: (side, row["label"]) for side in ("train", "valid", "test") for row in here.rows(f"data/split/{side}.csv")}


def test_a_rename_changes_the_name_everywhere_and_no_round(here: SmallProject) -> None:
    before, round_of_then = split_of(here), here.read("data/rounds/01.csv")
    shown = here.command("schema", "rename", "bad", "awful")
    assert "rename: bad -> awful. params.yaml and data/schema.jsonl say so now" in shown and '"bad": 20 labels in the rounds.' in shown
    assert labels(here) == ["good", "awful", "other"] and here.read("data/rounds/01.csv") == round_of_then
    assert split_of(here) == {text: (side, "awful" if label == "bad" else label) for text, (side, label) in before.items()}
    [entry] = map(json.loads, here.read("data/schema.jsonl").splitlines())
    assert entry["files"] == ["data/rounds/01.csv"] and entry["before"] == LABELS and len(entry["date"]) == 10


def test_the_names_of_two_labels_can_be_swapped(here: SmallProject) -> None:
    """An old round says the old names for good, also where a new label has one of them."""
    before = split_of(here)
    for old, new in (("good", "aside"), ("bad", "good"), ("aside", "bad")):
        here.command("schema", "rename", old, new)
    swapped = {"good": "bad", "bad": "good", "other": "other"}
    assert split_of(here) == {text: (side, swapped[label]) for text, (side, label) in before.items()}
    here.round("02", {TEXTS[0]: "bad"})
    assert split_of(here)[TEXTS[0]][1] == "bad", "a round of after the changes speaks today's labels"


def test_a_merge_makes_one_label_of_several(here: SmallProject) -> None:
    before = split_of(here)
    here.command("schema", "merge", "bad", "other", "--into", "rest")
    assert labels(here) == ["good", "rest"]
    assert split_of(here) == {text: (side, "good" if label == "good" else "rest") for text, (side, label) in before.items()}


def test_a_split_asks_for_its_texts_again_and_nothing_else_moves(here: SmallProject) -> None:
    before = split_of(here)
    shown = here.command("schema", "split", "other", "--into", "odd", "--into", "even", "--form", "again.csv")
    asked = here.rows("again.csv")
    assert "20 texts whose label is no more wait in again.csv" in shown and len(asked) == 20
    assert {row["text"] for row in asked} == {text for text, label in SAID.items() if label == "other"} and not any(row["label"] for row in asked)
    assert split_of(here) == {text: found for text, found in before.items() if found[1] != "other"}, "an open text neither trains nor tests"
    assert "20 texts wait to be labelled again" in here.command("status")
    here.fill("again.csv", {row["id"].lstrip("'"): ("odd", "even")[number % 2] for number, row in enumerate(asked)})
    assert "20 labels of 20 texts" in here.command("import", "again.csv")
    after = split_of(here)
    assert {text: side for text, (side, _) in after.items()} == {text: side for text, (side, _) in before.items()}, "every text is back on its side"
    assert {label for _, label in after.values()} == {"good", "bad", "odd", "even"}
    assert here.command("schema", "relabel", code=1) == "Error: no text waits to be labelled again: every label in the rounds is one of today's.\n"


def test_the_majority_of_a_split_label_is_not_outvoted_by_the_one_who_said_something_else(here: SmallProject) -> None:
    rows = [[TEXTS[0], label, who] for label, who in (("other", "ana"), ("other", "ben"), ("good", "cem"))]
    here.table("data/rounds/02.csv", ["text", "label", "annotator"], rows)
    here.command("schema", "split", "other", "--into", "odd", "--into", "even")
    assert TEXTS[0] not in split_of(here)


def test_retired_labels_leave_texts_without_one_and_a_text_with_several_keeps_the_others(tmp_path: Path) -> None:
    here = project(tmp_path, multi_label=True)
    here.pool(TEXTS)
    cells = {text: ("good;bad", "bad", "-", "good")[number % 4] for number, text in enumerate(TEXTS)}
    here.table("data/rounds/01.csv", ["text", "labels"], cells.items())
    here.command("schema", "retire", "bad")
    here.split()
    found = {row["text"]: row["labels"] for side in ("train", "valid", "test") for row in here.rows(f"data/split/{side}.csv")}
    assert found == {text: {"good;bad": "good", "bad": "-"}.get(cell, cell) for text, cell in cells.items()}


def test_a_retired_label_of_one_per_text_leaves_the_test_set_where_it_was(here: SmallProject) -> None:
    before, heldout = split_of(here), here.read("data/split/heldout.txt")
    here.command("schema", "retire", "other")
    assert split_of(here) == {text: found for text, found in before.items() if found[1] != "other"}
    assert here.read("data/split/heldout.txt") == heldout, "adapt must not hear of it"
    here.round("02", {text: "good" for text, label in SAID.items() if label == "other"})
    assert {text: side for text, (side, _) in split_of(here).items()} == {text: side for text, (side, _) in before.items()}


def test_a_form_of_before_a_rename_is_read_in_the_new_name_and_one_of_before_a_split_is_an_error(here: SmallProject) -> None:
    here.pool([*TEXTS, "one more text here", "and yet another one"])
    here.command("schema", "rename", "bad", "awful")
    here.table("late.csv", ["text", "label"], [["one more text here", "bad"]])
    here.command("import", "late.csv")
    assert [row["label"] for row in here.rows("data/rounds/02.csv")] == ["awful"]
    here.command("schema", "split", "other", "--into", "odd", "--into", "even")
    here.table("later.csv", ["text", "label"], [["and yet another one", "other"]])
    assert 'later.csv:2: The label "other" was split into odd, even on ' in here.wrong("import", "later.csv")


def test_a_round_of_another_branch_with_the_old_name_is_read_in_the_new_one(here: SmallProject) -> None:
    here.command("schema", "rename", "bad", "awful")
    here.command("schema", "merge", "awful", "other", "--into", "rest")
    here.round("02", {TEXTS[0]: "bad", TEXTS[1]: "awful", TEXTS[2]: "good"})
    assert [split_of(here)[text][1] for text in TEXTS[:3]] == ["rest", "rest", "good"]


def test_one_column_per_label_is_read_in_the_labels_of_its_time(tmp_path: Path) -> None:
    here = project(tmp_path)
    here.pool(TEXTS)
    here.table("data/rounds/01.csv", ["text", *LABELS], ([text, *(str(int(label == name)) for name in LABELS)] for text, label in SAID.items()))
    before = split_of(here)
    here.command("schema", "rename", "bad", "awful")
    assert split_of(here) == {text: (side, label.replace("bad", "awful")) for text, (side, label) in before.items()}


def test_the_descriptions_go_along_and_the_comments_stay(here: SmallProject) -> None:
    here.params(task__descriptions={"good": "Praise.", "bad": "Blame.", "other": "Neither."})
    comments = [line.partition("#")[2] for line in here.read("params.yaml").splitlines()]
    here.command("schema", "rename", "bad", "awful")
    assert YAML(typ="safe").load(here.read("params.yaml"))["task"]["descriptions"] == {"good": "Praise.", "awful": "Blame.", "other": "Neither."}
    assert [line.partition("#")[2] for line in here.read("params.yaml").splitlines()] == comments
    here.command("schema", "merge", "awful", "other", "--into", "rest")
    assert YAML(typ="safe").load(here.read("params.yaml"))["task"]["descriptions"] == {"good": "Praise.", "rest": "Blame. Neither."}
    assert 'Its description is gone from params.yaml: "Praise."' in here.command("schema", "split", "good", "--into", "fine", "--into", "great")


def test_the_history_is_shown(here: SmallProject) -> None:
    assert "They have not been changed." in here.command("schema")
    here.command("schema", "add", "new one")
    here.command("schema", "retire", "other")
    shown = here.command("schema")
    assert "3 labels: good, bad, new one" in shown and "20 texts wait to be labelled again" in shown
    assert [line.split()[1] for line in shown.splitlines()[3:5]] == ["add", "retire"]
    assert "schema" in here.command("status")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("rename", "wrong", "right"), 'there is no label "wrong".'),
        (("rename", "good", "bad"), 'there is a label "bad" already. Choose another name. To make them one: labelrounds schema merge "good" "bad"'),
        (("rename", "good", "a;b"), '"a;b" cannot be a label'),
        (("rename", "good", ""), '"" cannot be a label'),
        (("add", "good"), 'there is a label "good" already.'),
        (("merge", "good", "--into", "x"), "a merge needs two labels or more."),
        (("merge", "good", "good", "--into", "x"), '"good" is named twice.'),
        (("merge", "good", "bad", "other", "--into", "x"), "that would leave 1 label"),
        (("split", "good", "--into", "x"), "a split needs two new labels or more"),
        (("split", "good", "--into", "x", "--into", "bad"), 'there is a label "bad" already.'),
        (("split", "good", "--into", "x", "--into", "y", "--form", "data/rounds/01.csv"), "data/rounds/01.csv is there already"),
        (("relabel",), "no text waits to be labelled again"),
    ],
)
def test_what_cannot_be_changed_is_one_error_and_nothing_is_touched(here: SmallProject, words: tuple[str, ...], expected: str) -> None:
    assert expected in here.wrong("schema", *words)


def test_a_damaged_history_is_one_error_with_its_line(here: SmallProject) -> None:
    here.command("schema", "rename", "bad", "awful")
    here.write("data/schema.jsonl", f"{schema.BEGIN}\n[]\n")
    assert "data/schema.jsonl:2: not a change of the labels" in here.wrong("split")
