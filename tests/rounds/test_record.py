"""Rounds are read in every form that people use, and settled: the newest wins, then the majority, and a tie trains nothing."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core.errors import UserError
from labelrounds.core.task import Task
from labelrounds.pool.identity import text_id
from labelrounds.rounds import record
from labelrounds.rounds.record import Annotation, majority, settle
from tests.small import LABELS, PROPERTY

CLASSES = Task("multi-class", tuple(LABELS))
SEVERAL = Task("multi-label", tuple(LABELS))
ONE, TWO = text_id("one"), text_id("two")


def annotation(labels: tuple[str, ...], name: str = "01", identity: str = "a", annotator: str = "") -> Annotation:
    return Annotation(identity, None, labels, annotator, "human", "", name, "")


def written(folder: Path, content: str, name: str = "01.csv") -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def labels(folder: Path, content: str, task: Task = CLASSES) -> list[tuple[str, tuple[str, ...]]]:
    return [(found.id, found.labels) for found in record.read(written(folder, content), task)]


def error(folder: Path, content: str, task: Task = CLASSES) -> str:
    path = written(folder, content)
    with pytest.raises(UserError) as caught:
        record.read(path, task)
    return caught.value.message.replace(f"{folder}/", "")


def test_labels_by_id_alone_by_text_alone_and_by_both_mean_the_same(tmp_path: Path) -> None:
    expected = [(ONE, ("good",)), (TWO, ("bad",))]
    assert labels(tmp_path, f"id,label\n{ONE},good\n{TWO},bad\n") == expected
    assert labels(tmp_path, "text,label\none,good\n two ,bad\n") == expected
    assert labels(tmp_path, f"id,text,label\n{ONE},one,good\n,two,bad\n") == expected


def test_who_said_it_and_why_is_kept(tmp_path: Path) -> None:
    path = written(tmp_path, "text,label,annotator,source,note\none,good,Ann,model,looks so\ntwo,bad,,,\n", "07.csv")
    first, second = record.read(path, CLASSES)
    assert (first.text, first.annotator, first.source, first.note, first.round) == ("one", "Ann", "model", "looks so", "07")
    assert (second.annotator, second.source, second.note) == ("", "human", "")
    assert first.where.endswith("07.csv:2")


def test_several_labels_stand_in_the_order_of_the_task(tmp_path: Path) -> None:
    found = labels(tmp_path, "text,labels\none,bad; good\ntwo,-\nthree,other;\n", SEVERAL)
    assert [given for _, given in found] == [("good", "bad"), (), ("other",)]


@pytest.mark.parametrize("form", [("1", "0"), ("1.0", "0.0"), ("true", "FALSE"), ("x", ""), ("Yes", "no")])
def test_one_column_per_label_is_read_in_every_spelling(tmp_path: Path, form: tuple[str, str]) -> None:
    yes, no = form
    assert labels(tmp_path, f"text,good,bad,other\none,{no},{yes},{no}\n") == [(ONE, ("bad",))]
    assert labels(tmp_path, f"text,good,bad,other\none,{yes},{no},{yes}\n", SEVERAL) == [(ONE, ("good", "other"))]


def test_zeros_in_every_column_mean_that_no_label_applies(tmp_path: Path) -> None:
    assert labels(tmp_path, "text,good,bad,other\none,0,0,0\n", SEVERAL) == [(ONE, ())]
    assert "01.csv:2: 0 labels are marked with 1; the task is multi-class" in error(tmp_path, "text,good,bad,other\none,0,0,0\n")
    assert "01.csv:2: there is no label in this row" in error(tmp_path, "text,good,bad,other\none,,,\n", SEVERAL)


def test_a_label_may_have_the_name_of_another_column_of_a_round(tmp_path: Path) -> None:
    task = Task("multi-class", ("text", "label", "image"))
    assert labels(tmp_path, "text,label\none,text\ntwo,image\n", task) == [(ONE, ("text",)), (TWO, ("image",))]


def test_lines_of_json_need_not_name_every_label(tmp_path: Path) -> None:
    path = tmp_path / "form.jsonl"
    path.write_text('{"text": "one", "label": "good"}\n{"text": "two"}\n', encoding="utf-8")
    found, unfilled = record.read_filled(path, CLASSES)
    assert [given.labels for given in found] == [("good",)]
    assert len(unfilled) == 1 and unfilled[0].endswith("form.jsonl:2")
    path.write_text('{"text": "one", "good": 1, "bad": 0, "other": 0}\n{"text": "two", "bad": true}\n', encoding="utf-8")
    assert [given.labels for given in record.read_filled(path, SEVERAL)[0]] == [("good",), ("bad",)]


def test_blank_rows_at_the_end_of_a_spreadsheet_do_no_harm(tmp_path: Path) -> None:
    assert labels(tmp_path, "text,label\none,good\n,\n , \n") == [(ONE, ("good",))]


def test_one_person_who_says_the_same_twice_has_one_vote(tmp_path: Path) -> None:
    path = written(tmp_path, "text,label,annotator\none,good,Ann\none,good,Ann\none,bad,Bob\n")
    assert [found.annotator for found in record.read(path, CLASSES)] == ["Ann", "Bob"]


def test_people_who_are_not_named_each_have_a_vote(tmp_path: Path) -> None:
    assert len(labels(tmp_path, "text,label\none,good\none,good\none,bad\n")) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,label,annotator\none,good,Ann\none,bad,Ann\n", f'01.csv:3: Ann gives text {ONE} the label "bad", but "good" at 01.csv:2'),
        ("text,label\none,goood\n", '01.csv:2: unknown label "goood". Did you mean "good"? Expected one of: good, bad, other'),
        ("text,label\none,GOOD\n", '01.csv:2: unknown label "GOOD". Did you mean "good"?'),
        ("text,label\none,good;bad\n", "One label per text is expected: the task is multi-class."),
        ("text,label\none,good\ntwo,x\nthree,y\nfour,z\n", "3 rows of this kind in all; also at 01.csv:4, 01.csv:5"),
        ("text,label\none,\ntwo,bad\n", "01.csv:2: there is no label in this row. Fill it in, or remove the row."),
        ("text,label\n", "01.csv: the round holds no labels"),
        (f"id,text,label\n{TWO},one,good\n", f"01.csv:2: id and text disagree: the id is {TWO}, but this text's is {ONE}"),
        ("id,label\n1.23E+15,good\n", '01.csv:2: "1.23E+15" is not a text id'),
        ("id,text,label\n,,good\n", "01.csv:2: the text is empty and there is no id"),
        ("name,label\none,good\n", '01.csv:1: there is neither a column "id" nor "text". Found: name, label.'),
        # codespell:ignore-next-line lable
        ("text,lable\none,good\n", '01.csv:1: there is no label column. Did you mean "lable"? Found: text, lable. Expected "label"'),
        ("text,label,labels\none,good,bad\n", 'labels stand in more than one column: "label" and "labels"'),
        ("text,label,good,bad,other\none,good,1,0,0\n", 'labels stand in more than one column: "label" and "good"'),
        ("text,good,bad,others\none,1,0,0\n", '01.csv:1: there are 0/1 columns for some labels, but none for "other". Did you mean "others"?'),
        ("text,good,bad,other\none,1,2,0\n", '01.csv:2: the column "bad" holds "2"; expected 0 or 1.'),
        ("text,good,bad,other\none,1,1,0\n", "01.csv:2: 2 labels are marked with 1; the task is multi-class"),
    ],
)
def test_a_row_that_cannot_be_meant_so_is_an_error_with_its_line(tmp_path: Path, content: str, said: str) -> None:
    assert said in error(tmp_path, content)


def test_for_several_labels_an_empty_cell_is_not_the_answer_none(tmp_path: Path) -> None:
    assert 'Write "-" where no label applies.' in error(tmp_path, "text,labels\none,\n", SEVERAL)
    assert '01.csv:2: ";" names no label. Write "-" where none applies.' in error(tmp_path, "text,labels\none,;\n", SEVERAL)


def test_rounds_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("100.csv", "02.csv", "11.csv", "README.md", ".draft.csv"):
        written(tmp_path, "text,label\none,good\n", name)
    assert [path.name for path in record.round_files(tmp_path)] == ["02.csv", "11.csv", "100.csv"]
    assert record.next_path(tmp_path).name == "101.csv"


def test_the_first_round_has_two_digits(tmp_path: Path) -> None:
    assert record.next_path(tmp_path / "none yet").name == "01.csv"


@pytest.mark.parametrize("name", ["1.csv", "02.txt", "02 (copy).csv", "two.csv", "02.csv.gz"])
def test_a_file_among_the_rounds_with_another_name_is_an_error(tmp_path: Path, name: str) -> None:
    written(tmp_path, "text,label\none,good\n", name)
    with pytest.raises(UserError, match="not the name of a round"):
        record.round_files(tmp_path)


def test_the_newest_round_wins_over_any_majority_before_it() -> None:
    said = [annotation(("good",), annotator=name) for name in "abc"] + [annotation(("bad",), "02")]
    verdict = settle(said, CLASSES)
    assert verdict.labels["a"].labels == ("bad",) and verdict.labels["a"].round == "02"
    assert verdict.relabelled["a"][0].labels == ("good",)


def test_round_100_is_newer_than_round_99() -> None:
    assert settle([annotation(("good",), "100"), annotation(("bad",), "99")], CLASSES).labels["a"].labels == ("good",)


def test_within_a_round_the_majority_wins() -> None:
    verdict = settle([annotation((label,)) for label in ("good", "bad", "bad")], CLASSES)
    assert verdict.labels["a"].labels == ("bad",) and verdict.labels["a"].votes == 3


def test_a_tie_leaves_the_text_without_a_label_until_a_later_round_settles_it() -> None:
    tie = [annotation(("good",)), annotation(("bad",))]
    verdict = settle(tie, CLASSES)
    assert verdict.labels == {} and verdict.tied == {"a": ("01", (("good",), ("bad",)))}
    verdict = settle([*tie, annotation(("other",), "02")], CLASSES)
    assert verdict.labels["a"].labels == ("other",) and verdict.tied == {} and verdict.relabelled == {}


def test_a_tie_in_the_newest_round_overrules_what_was_settled_before() -> None:
    verdict = settle([annotation(("good",)), annotation(("good",), "02"), annotation(("bad",), "02")], CLASSES)
    assert verdict.labels == {} and verdict.tied["a"][0] == "02"


def test_the_same_label_again_is_no_relabelling() -> None:
    assert settle([annotation(("good",)), annotation(("good",), "02")], CLASSES).relabelled == {}


def test_for_several_labels_each_has_a_majority_of_its_own() -> None:
    said = [("good", "bad"), ("good",), ("other", "bad")]
    assert majority(said, SEVERAL) == ("good", "bad")
    assert majority([("good",), ("bad",), ("other",)], SEVERAL) == ()
    assert majority([("good", "bad"), ("good",)], SEVERAL) is None


VOTES = st.lists(st.sampled_from(LABELS), min_size=1, max_size=7)
SETS = st.lists(st.sets(st.sampled_from(LABELS)).map(lambda found: tuple(sorted(found))), min_size=1, max_size=7)


@PROPERTY
@given(VOTES, st.randoms())
def test_the_majority_does_not_depend_on_who_spoke_first(votes: list[str], random) -> None:
    shuffled = random.sample(votes, len(votes))
    assert majority([(vote,) for vote in votes], CLASSES) == majority([(vote,) for vote in shuffled], CLASSES)


@PROPERTY
@given(VOTES)
def test_who_wins_has_more_votes_than_anybody_else(votes: list[str]) -> None:
    winner = majority([(vote,) for vote in votes], CLASSES)
    counts = Counter(votes)
    best = [label for label, count in counts.items() if count == max(counts.values())]
    assert winner == ((best[0],) if len(best) == 1 else None)


@PROPERTY
@given(SETS)
def test_a_label_wins_where_more_than_half_give_it(votes: list[tuple[str, ...]]) -> None:
    winner = majority(votes, SEVERAL)
    counts = {label: sum(label in vote for vote in votes) for label in LABELS}
    if any(2 * count == len(votes) for count in counts.values()):
        assert winner is None
    else:
        assert winner == tuple(label for label in LABELS if 2 * counts[label] > len(votes))


SAID = st.lists(
    st.builds(lambda label, name, identity: annotation((label,), name, identity), *map(st.sampled_from, (LABELS, ("01", "02", "10"), "abc")))
)


@PROPERTY
@given(SAID)
def test_every_text_that_was_labelled_is_settled_or_tied_by_its_newest_round(said: list[Annotation]) -> None:
    verdict = settle(said, CLASSES)
    assert verdict.labels.keys() | verdict.tied.keys() == {one.id for one in said}
    assert not verdict.labels.keys() & verdict.tied.keys()
    for identity in {one.id for one in said}:
        newest = max((one.round for one in said if one.id == identity), key=int)
        assert (verdict.labels[identity].round if identity in verdict.labels else verdict.tied[identity][0]) == newest


@PROPERTY
@given(SAID, st.randoms())
def test_the_verdict_does_not_depend_on_the_order_of_the_rows(said: list[Annotation], random) -> None:
    assert settle(random.sample(said, len(said)), CLASSES).labels == settle(said, CLASSES).labels
