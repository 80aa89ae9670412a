"""What is asked on the page, and when it shows what the model would say."""

from pathlib import Path

import pytest

from labelrounds.core import params
from labelrounds.people.serve import keys, work
from labelrounds.pool.identity import text_id
from tests.people.serve.page import Site, newest, with_queue
from tests.small import SmallProject, project, sentences


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    monkeypatch.chdir(tmp_path)
    return with_queue(tmp_path)


def suggestions(found: work.Work) -> set:
    return {item.suggestion for item in found.items.values()}


def test_the_queue_shows_what_the_model_would_say_unless_blind(here: SmallProject) -> None:
    assert suggestions(work.of_queue(params.load(), False)) == {("good",), ("bad",), ("other",)}
    assert suggestions(work.of_queue(params.load(), True)) == {None}


def test_a_round_that_will_be_held_out_shows_no_suggestion(here: SmallProject) -> None:
    here.params(split__holdout_rounds=["01", "02"])
    assert suggestions(work.of_queue(params.load(), False)) == {None}


def test_what_is_labelled_already_is_not_asked(here: SmallProject) -> None:
    texts = [row["text"] for row in here.rows("data/queue/next.csv")]
    here.round("02", dict.fromkeys(texts[:15], "good"), "Ana")
    assert len(work.of_queue(params.load(), False).items) == 5
    here.round("03", dict.fromkeys(texts, "good"), "Ana")
    assert "all 20 texts of the queue are labelled" in here.wrong("serve", "--no-browser", "--port", "0")


def test_a_file_to_fill_in_is_asked_row_by_row_and_texts_outside_the_pool_are_carried(here: SmallProject) -> None:
    here.table("form.csv", ["id", "text", "label"], [["", "in no pool", ""], ["", sentences(9)[8], ""], ["", sentences(9)[7], "good"]])
    found = work.of_file(Path("form.csv"), params.load(), False)
    assert [(item.text, item.outside) for item in found.items.values()] == [("in no pool", True), (sentences(9)[8], False)]
    site = Site(lambda settings: work.of_file(Path("form.csv"), settings, False))
    ana = site.of("Ana")
    ana.label("good")
    ana.label("bad")
    site.room.finish()
    assert [(row["text"], row["label"]) for row in newest(here)] == [("in no pool", "good"), ("", "bad")]


def test_cells_that_a_spreadsheet_needed_otherwise_are_shown_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    awkward = ["=one", "1234567890123456", "@you 😀", "x" * 40_000]
    here = project(tmp_path)
    here.pool(awkward)
    here.command("draw", "4", "form.csv")
    found = work.of_file(Path("form.csv"), params.load(), False)
    assert {item.text for item in found.items.values()} == set(awkward) and suggestions(found) == {None}


def test_second_opinions_are_asked_of_everybody_but_those_who_gave_the_label(here: SmallProject) -> None:
    texts = sentences(5)
    here.table("data/split/test.csv", ["id", "text", "label"], [[text_id(text), text, "good"] for text in texts[:3]])
    here.round("02", {texts[0]: "good"}, "Ana")
    site = Site(lambda settings: work.of_second_opinions(3, settings))
    assert site.of("Ana").now["progress"]["left"] == 2 and site.of("Ben").now["progress"]["left"] == site.of("Cleo").now["progress"]["left"] == 3
    assert suggestions(site.room.desk.work) == {None}
    site.of("Ben").label("bad")
    site.room.finish()
    assert newest(here)[0]["source"] == "opinion"


def test_an_answer_to_a_suspected_label_is_a_correction(here: SmallProject) -> None:
    here.table("data/queue/suspects.csv", ["id", "case"], [[text_id(text), "model"] for text in sentences(5)[:2]])
    site = Site(lambda settings: work.of_suspects(settings))
    site.of("Zoe").label("bad")
    site.room.finish()
    assert newest(here)[0]["source"] == "correction"


def test_an_audit_goes_on_where_it_was_and_ends_in_the_audits(here: SmallProject) -> None:
    pool = [row["text"] for row in here.rows("data/pool.csv")]
    lines = [[text_id(text), "good", "0.9", "auto"] for text in pool]
    here.table("data/predictions/labelled.csv", ["id", "label", "confidence", "decision"], lines)
    here.table("data/predictions/shards/00.csv", ["id", "labeler"], [[text_id(pool[0]), "0123"]])
    asked = set(work.of_audit(4, params.load()).items)
    assert set(work.of_audit(9, params.load()).items) == asked, "an audit that is begun goes on"
    site = Site(lambda settings: work.of_audit(4, settings))
    ana = site.of("Ana")
    assert suggestions(site.room.desk.work) == {None} and "Audit 01" in ana.client.get("/").text
    for _ in range(4):
        ana.label("good")
    site.room.finish()
    assert {row["id"] for row in newest(here, "audits")} == asked
    assert not asked & set(site.room.desk.work.items), "then another one is drawn"


def test_disagreements_are_shown_with_what_each_person_said_and_settled_by_a_round(here: SmallProject) -> None:
    texts = sentences(5)
    rows = [[text_id(texts[0]), "good", "Ana", ""], [text_id(texts[0]), "bad", "Ben", "sarcasm"], [text_id(texts[1]), "good", "Ana", ""]]
    here.table("data/rounds/02.csv", ["id", "label", "annotator", "note"], rows)
    named = work.of_disagreements(params.load(), False).items
    assert [item.said for item in named.values()] == [(("Ana", "good", ""), ("Ben", "bad", "sarcasm"))]
    assert [who for item in work.of_disagreements(params.load(), True).items.values() for who, _, _ in item.said] == ["Person 1", "Person 2"]
    site = Site(lambda settings: work.of_disagreements(settings, False))
    site.of("Ana").label("good")
    site.room.finish()
    assert [(row["label"], row["annotator"], row["source"]) for row in newest(here)] == [("good", "Ana", "adjudicated")]
    assert "people disagree on no text that is not settled" in here.wrong("serve", "--settle", "--no-browser")


def test_keys_are_those_of_params_then_digits_then_letters(here: SmallProject) -> None:
    here.params(task__labels=[f"label {number}" for number in range(40)], serve__keys={"label 3": "1", "label 0": "x"})
    found = keys.of_labels(params.load())
    assert [found[f"label {number}"] for number in (0, 1, 2, 3, 4, 9, 10)] == ["x", "2", "3", "1", "4", "9", "a"]
    given = [key for key in found.values() if key]
    assert len(given) == len(set(given)) == 9 + 26 - 3 and not {"u", "s", "n"} & set(given) and found["label 39"] == ""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"good": "1", "bad": "1"}, 'serve.keys gives "bad" the key "1", which "good" has already'),
        ({"good": "A", "bad": "a"}, 'which "good" has already'),
        ({"good": "u"}, "which the page needs for: undo"),
        ({"good": "ab"}, "expected one character"),
        ({"godo": "1"}, 'serve.keys names "godo", which is not among task.labels. Did you mean "good"?'),
    ],
)
def test_keys_that_collide_are_refused_with_their_line(here: SmallProject, given: dict[str, str], told: str) -> None:
    here.params(serve__keys=given)
    shown = here.wrong("status")
    assert told in shown and "params.yaml:" in shown
