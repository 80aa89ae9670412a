"""The first round is an even random draw of distinct texts that nobody has labelled, and says what to do with it."""

from collections import Counter
from pathlib import Path

import pytest

from labelrounds.core import params
from labelrounds.pool.identity import text_id
from labelrounds.rounds.sampling import draw_at_random
from tests.small import LABELS, SmallProject, project, sentences

POOL = sentences(30)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    monkeypatch.chdir(tmp_path)
    made = project(tmp_path)
    made.pool(POOL)
    return made


def drawn(here: SmallProject, path: str = "a.csv") -> list[str]:
    return [row["text"] for row in here.rows(path)]


def test_a_draw_says_what_to_do_next(here: SmallProject) -> None:
    assert here.command("draw", "8", "round-01.csv") == (
        "8 texts, drawn at random from 30 that nobody has labelled, wait in round-01.csv.\n"
        "Fill in the column `label`: good, bad, other (one per text).\n"
        "Then: labelrounds import round-01.csv\n"
    )
    assert len(set(drawn(here, "round-01.csv"))) == 8


def test_before_any_label_is_named_a_draw_says_to_name_them(here: SmallProject) -> None:
    here.params(task__labels=[])
    shown = here.command("draw", "3", "a.csv")
    assert "Name your labels in params.yaml (task.labels), then fill in the column `label`." in shown
    assert list(here.rows("a.csv")[0]) == ["id", "text", "label", "annotator", "note"]


def test_where_there_are_rounds_but_no_named_labels_a_draw_does_not_guess(here: SmallProject) -> None:
    here.round("01", {POOL[0]: "good"})
    here.params(task__labels=[])
    assert "task.labels is empty" in here.wrong("draw", "3", "a.csv")


def test_for_several_labels_a_draw_says_how_to_write_them(tmp_path: Path) -> None:
    here = project(tmp_path, multi_label=True)
    here.pool(POOL)
    assert "Fill in the column `labels`: good, bad, other (joined by `;`, or `-` where none applies)." in here.command("draw", "3", "a.csv")


def test_the_same_seed_draws_the_same_texts(here: SmallProject) -> None:
    here.command("draw", "8", "a.csv")
    here.command("draw", "8", "b.csv")
    assert drawn(here, "a.csv") == drawn(here, "b.csv")
    here.params(seed=14)
    here.command("draw", "8", "c.csv")
    assert drawn(here, "a.csv") != drawn(here, "c.csv")


def test_the_next_draw_is_another_one(here: SmallProject) -> None:
    here.command("draw", "8", "a.csv")
    here.fill("a.csv", {text_id(text): "good" for text in POOL})
    here.command("import", "a.csv")
    here.command("draw", "8", "b.csv")
    assert not set(drawn(here, "a.csv")) & set(drawn(here, "b.csv"))


def test_labelled_texts_and_what_is_near_them_are_never_drawn(here: SmallProject) -> None:
    copies = [POOL[0].upper(), f"{POOL[1]}!", f"{POOL[2]} 2", "New TEXT"]
    here.pool([*POOL[:5], *copies])
    here.round("01", dict.fromkeys(POOL[:3], "good"))
    here.table("data/rounds/02.csv", ["text", "label"], [["new text?", "bad"]])
    shown = here.command("draw", "8", "a.csv")
    assert set(drawn(here)) == {POOL[3], POOL[4]}
    assert "2 texts (of 8: no more unlabelled, distinct texts are left), drawn at random from 2" in shown


def test_no_two_near_duplicates_are_drawn(here: SmallProject) -> None:
    here.pool([variant for text in POOL[:4] for variant in (text, text.upper(), f"{text} 7", text)])
    here.command("draw", "99", "a.csv")
    assert len(drawn(here)) == 4


def test_when_everything_is_labelled_there_is_nothing_to_draw(here: SmallProject) -> None:
    here.round("01", dict.fromkeys(POOL, "good"))
    assert "of the 30 texts of data/pool.csv, 30 are labelled or audited" in here.wrong("draw", "3", "a.csv")


def test_a_draw_never_overwrites_a_file(here: SmallProject) -> None:
    here.command("draw", "3", "a.csv")
    assert "a.csv is there already and may hold what somebody typed." in here.wrong("draw", "3", "a.csv")


def test_every_text_has_the_same_chance(here: SmallProject) -> None:
    settings = params.load()
    here.pool(POOL[:10])
    counts = Counter(asked.text for seed in range(200) for asked in draw_at_random(3, settings.model_copy(update={"seed": seed}))[0])
    # 60 expected of each, with a standard deviation of 6.5.
    assert len(counts) == 10 and all(35 < count < 85 for count in counts.values())


def test_the_pools_own_columns_stand_in_the_form(here: SmallProject) -> None:
    here.table("data/pool.csv", ["ref", "text", "label"], [["7", POOL[0], "guess"]])
    here.command("draw", "1", "a.csv")
    row = here.rows("a.csv")[0]
    assert (row["ref"], row["pool_label"], row["label"]) == ("7", "guess", "")


def test_a_pool_of_json_lines_with_different_keys_is_drawn_from(here: SmallProject) -> None:
    here.write("data/pool.jsonl", '{"text": "one", "ref": 1}\n{"text": "two", "day": "Monday"}\n{"text": "three"}\n')
    here.params(data__pool="data/pool.jsonl")
    here.command("draw", "3", "a.csv")
    assert {(row["text"], row["ref"], row["day"]) for row in here.rows("a.csv")} == {("one", "1", ""), ("two", "", "Monday"), ("three", "", "")}


def test_the_order_of_the_labels_is_that_of_the_task(here: SmallProject) -> None:
    here.params(task__labels=list(reversed(LABELS)))
    assert "other, bad, good" in here.command("draw", "1", "a.csv")


@pytest.mark.parametrize("n", ["0", "-3", "many"])
def test_a_number_that_is_none_is_a_usage_error(here: SmallProject, n: str) -> None:
    assert "Usage:" in here.command("draw", "--", n, "a.csv", code=2)
