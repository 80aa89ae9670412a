"""`labelrounds history` shows what each round bought, from git alone."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.people.test_compare import GOLD, TEXTS, measured, wrong_on
from tests.small import LABELS, SmallProject, project, sentences


def split(here: SmallProject, *rounds: str, train: int = 10) -> None:
    """Writes what metrics/split.json says of these rounds."""
    here.write("metrics/split.json", json.dumps({"train": train * len(rounds), "rounds": {name: {} for name in rounds}}))


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    """Three rounds: wrong on 30, 24 and 3 of 60 texts; between the last two a commit without a new round."""
    made = project(tmp_path)
    made.run("git", "init", "-q", "-b", "main")
    for names, wrong in ((["01"], 30), (["01", "02"], 28), (["01", "02"], 24), (["01", "02", "03"], 3)):
        split(made, *names)
        measured(made, "baseline", wrong_on(wrong))
        made.commit(f"{names[-1]}: {wrong}")
    return made


def entries(here: SmallProject, *arguments: str) -> list[dict]:
    return json.loads(here.command("history", "--json", *arguments))


def test_every_set_of_rounds_has_its_last_commit_its_score_and_the_change_since(here: SmallProject) -> None:
    found = entries(here)
    assert [entry["rounds"] for entry in found] == [["01"], ["01", "02"], ["01", "02", "03"]]
    assert [entry["train"] for entry in found] == [10, 20, 30] and {entry["test"] for entry in found} == {60}
    hashes = here.run("git", "log", "--format=%H").stdout.split()
    assert [entry["revision"] for entry in found] == [hashes[3], hashes[1], hashes[0]]
    assert [entry["f1_macro"] for entry in found] == pytest.approx([0.5, 0.6, 0.95])
    assert all(entry["ci95"][0] < entry["f1_macro"] < entry["ci95"][1] for entry in found)
    assert found[0]["change"] is None and found[1]["change"]["difference"] == pytest.approx(0.1)
    low, high = found[2]["change"]["ci95"]
    assert 0.2 < low < 0.35 < high < 0.5


def test_the_table_shows_the_same(here: SmallProject) -> None:
    lines = here.command("history").splitlines()
    assert lines[0] == "baseline, after each round"
    assert re.split(" {2,}", lines[2]) == ["round", "commit", "trained on", "tested on", "macro-F1", "95 % interval", "change", "95 % interval"]
    assert [line.split()[0] for line in lines[3:]] == ["01", "02", "03"]
    assert re.search(r"03 +\w+ +30 +60 +0\.950 +0\.\d{3} to (0\.\d{3}|1\.000) +\+0\.350 +\+0\.\d{3} to \+0\.\d{3}$", lines[5])


def test_what_is_not_committed_yet_comes_last(here: SmallProject) -> None:
    split(here, "01", "02", "03", "04")
    measured(here, "baseline", wrong_on(1))
    found = entries(here)
    assert [entry["rounds"][-1] for entry in found] == ["01", "02", "03", "04"] and found[-1]["revision"] is None
    assert "04     not committed" in here.command("history")


def test_a_round_measured_again_and_not_committed_replaces_its_commit(here: SmallProject) -> None:
    measured(here, "baseline", wrong_on(0))
    found = entries(here)
    assert len(found) == 3 and found[-1]["revision"] is None and found[-1]["f1_macro"] == 1.0


def test_the_past_of_another_project_is_left_out(here: SmallProject) -> None:
    """As after `labelrounds init`: the demo's rounds are in git, and are not ours."""
    texts = sentences(90)[60:]
    gold = {text: LABELS[number % 3] for number, text in enumerate(texts)}
    split(here, "01")
    measured(here, "baseline", gold, gold)
    here.commit("our own")
    found = entries(here)
    assert [entry["rounds"] for entry in found] == [["01"]] and found[0]["test"] == 30
    assert "2 older sets of rounds were measured on other test texts and are left out." in here.command("history")


def test_what_else_changed_is_said_of_the_round(here: SmallProject) -> None:
    split(here, "01", "02", "03", "04")
    measured(here, "baseline", dict(list(wrong_on(3).items())[:50]), {**GOLD, TEXTS[0]: LABELS[1]})
    shown = here.command("history")
    assert "Round 04: The test sets differ: " in shown
    assert "Round 04: 1 of these texts got another gold label in between" in shown
    assert [entry["test"] for entry in entries(here)] == [60, 60, 60, 50]


def test_a_round_on_a_branch_is_compared_with_what_it_grew_from(here: SmallProject) -> None:
    here.run("git", "checkout", "-q", "-b", "ben")
    split(here, "01", "02", "03", "04-ben")
    measured(here, "baseline", wrong_on(2))
    here.commit("ben")
    here.run("git", "checkout", "-q", "main")
    split(here, "01", "02", "03", "04-ana")
    measured(here, "baseline", wrong_on(27))
    here.commit("ana")
    here.run("git", "merge", "-q", "-s", "ours", "--no-commit", "ben")
    split(here, "01", "02", "03", "04-ana", "04-ben")
    measured(here, "baseline", wrong_on(0))
    here.commit("merge")
    found = {"+".join(entry["rounds"][3:]): entry for entry in entries(here)}
    assert found["04-ana"]["change"]["difference"] == pytest.approx(-0.4) and found["04-ben"]["change"]["difference"] > 0, "each with round 03"
    assert list(found)[-1] == "04-ana+04-ben"


def test_a_shallow_clone_says_that_it_lacks_the_past(here: SmallProject, tmp_path: Path) -> None:
    assert "shallow" not in here.command("history")
    here.run("git", "clone", "-q", "--depth", "1", f"file://{here.folder}", str(tmp_path / "shallow"))
    shallow = SmallProject(tmp_path / "shallow")
    shown = shallow.command("history")
    assert "This clone is shallow: older commits are not here. `git fetch --unshallow` brings them." in shown
    assert 'git knows no revision "HEAD~1".' in shallow.wrong("compare", "HEAD~1") and "This clone is shallow" in shallow.wrong("compare", "HEAD~1")


def test_a_labeler_that_came_later_begins_later(here: SmallProject) -> None:
    measured(here, "vanilla", wrong_on(10))
    here.commit("vanilla")
    assert [entry["rounds"][-1] for entry in entries(here, "--labeler", "vanilla")] == ["03"]


def test_several_labels_per_text(tmp_path: Path) -> None:
    here = project(tmp_path, multi_label=True)
    here.run("git", "init", "-q", "-b", "main")
    gold = {text: ["good;bad", "-", "other"][number % 3] for number, text in enumerate(TEXTS)}
    split(here, "01")
    measured(here, "baseline", dict.fromkeys(TEXTS, "good"), gold)
    here.commit("01")
    split(here, "01", "02")
    measured(here, "baseline", gold, gold)
    found = entries(here)
    assert found[1]["f1_macro"] == 1.0 and found[1]["change"]["difference"] > 0.5


@pytest.mark.slow
def test_the_plot_is_the_same_bytes_every_time_and_holds_neither_date_nor_script(here: SmallProject) -> None:
    first = here.command("history", "--plot", "one.svg")
    here.command("history", "--plot", "two.svg")
    assert "Drawn in one.svg." in first
    assert here.read("one.svg") == here.read("two.svg")
    drawn = here.read("one.svg")
    assert not re.search(r"dc:date|<script|https?://(?!www\.w3\.org|purl\.org|creativecommons)", drawn)
    root = ElementTree.fromstring(drawn)
    assert root.tag.endswith("svg") and len(drawn) < 200_000
    marked = [node for node in root.iter() if node.get("id", "").startswith("LineCollection")]
    assert marked and len(list(marked[0].iter("{http://www.w3.org/2000/svg}path"))) == 3, "an interval for each of the three rounds"


@pytest.mark.slow
def test_wrong_wishes_get_one_clear_error(here: SmallProject, tmp_path: Path) -> None:
    assert 'one.png: the plot is an SVG; expected a name such as "one.svg".' in here.wrong("history", "--plot", "one.png")
    # codespell:ignore-next-line basline
    assert 'no labeler "basline" was measured in the working tree. Did you mean "baseline"?' in here.wrong("history", "--labeler", "basline")
    empty = project(tmp_path / "empty")
    empty.run("git", "init", "-q")
    assert "there are no predictions on test texts in the working tree" in empty.wrong("history")


def test_a_renamed_label_is_no_change_and_labels_that_nothing_connects_are_a_gap(here: SmallProject) -> None:
    here.pool(TEXTS)
    here.round("01", GOLD)
    here.command("schema", "rename", "bad", "awful")
    names = {"bad": "awful"}
    split(here, "01", "02", "03", "04")
    renamed = [{text: names.get(label, label) for text, label in said.items()} for said in (wrong_on(3), GOLD)]
    measured(here, "baseline", *renamed, ["good", "awful", "other"])
    here.commit("04, renamed")
    found = entries(here)
    assert found[-1]["change"]["difference"] == 0 and found[-1]["f1_macro"] == found[-2]["f1_macro"]
    assert "Round 04: The labels changed in between: rename bad -> awful (20" in here.command("history")
    here.params(task__labels=["x", "y"])
    split(here, "01", "02", "03", "04", "05")
    measured(here, "baseline", dict.fromkeys(TEXTS, "x"), dict.fromkeys(TEXTS, "x"), ["x", "y"])
    assert entries(here)[-1]["change"] is None
    assert "have no label in common that a test text has" in here.command("history")
