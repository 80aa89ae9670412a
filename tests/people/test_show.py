"""A round is shown with its texts: from the pool, from the round itself, or from another round."""

from pathlib import Path

import pytest

from labelrounds.pool.identity import text_id
from tests.small import SmallProject, project, sentences

POOL = sentences(3)
OUTSIDE = "from elsewhere,\nwith a | and an @name and <b>"


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    made = project(tmp_path)
    made.pool(POOL)
    made.round("01", {POOL[0]: "good"}, "Ana")
    made.table("data/rounds/02-5f1c2a.csv", ["id", "text", "label", "annotator"], [["", OUTSIDE, "bad", ""]])
    made.table("data/rounds/02-777777.csv", ["id", "label", "note"], [[text_id(OUTSIDE), "other", "why"], [text_id("gone"), "bad", ""]])
    return made


def test_a_round_is_shown_by_name_number_or_path(here: SmallProject) -> None:
    for word in ("01", "01.csv", "data/rounds/01.csv"):
        shown = here.command("show", word)
        assert shown.splitlines()[0].split() == ["id", "label", "annotator", "text"]
        assert shown.splitlines()[1].split(maxsplit=3) == [text_id(POOL[0]), "good", "Ana", POOL[0]]


def test_a_number_shows_all_rounds_that_have_it_and_texts_come_from_other_rounds_too(here: SmallProject) -> None:
    shown = here.command("show", "02")
    assert shown.count("from elsewhere, with a | and an @name and <b>") == 2 and len(shown.splitlines()) == 4
    assert len(here.command("show", "02-777777").splitlines()) == 3
    assert 'there is no round "07". Rounds there are: 01, 02-5f1c2a, 02-777777.' in here.wrong("show", "07")


def test_a_comment_shows_texts_as_they_are_and_calls_nobody(here: SmallProject) -> None:
    shown = here.command("show", "02-5f1c2a", "--md")
    assert shown.startswith("**data/rounds/02-5f1c2a.csv**: 1 labels\n\n| label | text |\n|---|---|\n| bad | from elsewhere,")
    assert "@name" not in shown and "<b>" not in shown and "with a &#124; and an &#64;name and &lt;b&gt;" in shown


def test_a_diff_has_a_line_per_label_and_shows_a_broken_file_as_it_is(here: SmallProject) -> None:
    assert here.command("show", "--as-diff", "data/rounds/01.csv").splitlines()[1] == f"{text_id(POOL[0])}  good  Ana  {POOL[0]}"
    here.write("old.csv", b"id,label\n\xff,a\n")
    assert "a" in here.command("show", "--as-diff", "old.csv")
    (here.folder / "params.yaml").write_text("no: parameters\n", encoding="utf-8")
    assert here.command("show", "--as-diff", "data/rounds/01.csv") == here.read("data/rounds/01.csv")
