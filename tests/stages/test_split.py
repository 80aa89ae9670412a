"""The split keeps its promises for any pool and any rounds: no leak, no lost label, and a test set that never moves."""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from labelrounds.core import files, params
from labelrounds.pool.identity import near_duplicate_key, text_id
from labelrounds.rounds import split as rules
from labelrounds.rounds.holdout import SIDES
from tests.small import FEWER, LABELS, SmallProject, project, sentences

# Twenty-four labelled texts that always are there, so that each side has texts and each label examples.
STEADY = dict(zip(sentences(24), LABELS * 8, strict=True))
BASES = ["the late parcel", "refund please", "so happy 😀", "so happy 💔", "große Straße", "谢谢 你们", "100", "no more", "nice try"]
VARIANTS: list[Callable[[str], str]] = [
    lambda text: text,
    str.upper,
    lambda text: f"{text}!!",
    lambda text: f"7 {text}",
    lambda text: text.replace(" ", "-"),
    lambda text: f"{text} (2)",
]
TEXTS = st.builds(lambda base, variant: variant(base), st.sampled_from(BASES), st.sampled_from(VARIANTS))
LABEL = st.sampled_from(LABELS)
# Any text of the small world, often not in the pool; several people, who may disagree and tie.
ROUND = st.dictionaries(st.tuples(TEXTS.map(text_id), st.sampled_from(["", "Ann", "Bob", "Cem"])), st.tuples(TEXTS, LABEL), max_size=10)
POOL = st.dictionaries(TEXTS, st.sampled_from(["", "", "g1", "g2", "g3"]), max_size=20)
Rows = list[list[str]]


@dataclass
class World:
    """A pool of {text: group} and rounds, each as rows of text, label, annotator."""

    pool: dict[str, str]
    rounds: list[Rows]


def rows_of(drawn: dict[tuple[str, str], tuple[str, str]]) -> Rows:
    # One person has one opinion per text and round: anything else is an error, tested elsewhere.
    found = {(text_id(text), who): [text, label, who] for (_, who), (text, label) in drawn.items()}
    return list(found.values())


WORLDS = st.builds(
    World,
    POOL.flatmap(lambda pool: st.sampled_from([{**dict.fromkeys(STEADY, ""), **pool}, {**pool, **dict.fromkeys(STEADY, "")}])),
    st.lists(ROUND.map(rows_of), min_size=1, max_size=3),
)


def write(here: SmallProject, world: World) -> None:
    here.table("data/pool.csv", ["text", "group"], world.pool.items())
    steady = [[text, label, ""] for text, label in STEADY.items()]
    for number, rows in enumerate(world.rounds, 1):
        content = [*steady, *rows] if number == 1 else rows
        if content:
            here.table(f"data/rounds/{number:02d}.csv", ["text", "label", "annotator"], content)


@cache
def parameters(content: str) -> params.Params:
    return params.load()


@contextlib.contextmanager
def world_on_disk(world: World) -> Iterator[SmallProject]:
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        here = project(Path(folder))
        write(here, world)
        # Reading params.yaml takes longer than the split of so small a world.
        loaded = parameters(here.read("params.yaml"))
        with mock.patch.object(params, "load", lambda: loaded):
            yield here


def side_of(here: SmallProject) -> dict[str, list[dict[str, str]]]:
    return {name: here.rows(f"data/split/{name}.csv") for name in SIDES}


def ids(here: SmallProject) -> dict[str, set[str]]:
    return {name: {row["id"] for row in rows} for name, rows in side_of(here).items()}


def heldout(here: SmallProject) -> set[str]:
    return set(here.read("data/split/heldout.txt").split())


@FEWER
@given(WORLDS)
def test_no_text_stands_on_two_sides_up_to_case_digits_and_punctuation(world: World) -> None:
    with world_on_disk(world) as here:
        here.split()
        keys = {name: {near_duplicate_key(row["text"]) for row in rows} for name, rows in side_of(here).items()}
        assert not keys["train"] & keys["valid"] and not keys["train"] & keys["test"] and not keys["valid"] & keys["test"]


@FEWER
@given(WORLDS)
def test_texts_of_one_group_are_on_one_side(world: World) -> None:
    with world_on_disk(world) as here:
        here.split()
        sides = ids(here)
        for group in set(world.pool.values()) - {""}:
            members = {text_id(text) for text, own in world.pool.items() if own == group}
            assert sum(bool(members & sides[name]) for name in SIDES) <= 1
            held = members & (sides["valid"] | sides["test"])
            event(f"a group is held out: {bool(held)}")
            assert not held or members <= heldout(here)


@FEWER
@given(WORLDS)
def test_every_pool_text_that_is_near_a_held_out_one_is_listed_and_none_that_trains(world: World) -> None:
    with world_on_disk(world) as here:
        here.split()
        sides, listed = side_of(here), heldout(here)
        held_keys = {near_duplicate_key(row["text"]) for name in ("valid", "test") for row in sides[name]}
        pool = {text_id(text): text for text in world.pool}
        assert {identity for identity, text in pool.items() if near_duplicate_key(text) in held_keys} <= listed <= pool.keys()
        assert not listed & {row["id"] for row in sides["train"]}
        train_keys = {near_duplicate_key(row["text"]) for row in sides["train"]}
        assert not train_keys & {near_duplicate_key(pool[identity]) for identity in listed}


@FEWER
@given(WORLDS)
def test_every_labelled_text_is_on_a_side_or_among_the_listed_cases(world: World) -> None:
    with world_on_disk(world) as here:
        here.split()
        sides = ids(here)
        placed = [identity for found in sides.values() for identity in found]
        assert len(placed) == len(set(placed))
        left_out = {row["id"] for row in here.rows("metrics/split.csv") if "not trained on" in row["case"]}
        labelled = {text_id(text) for rows in world.rounds for text, _, _ in rows} | {text_id(text) for text in STEADY}
        assert labelled <= set(placed) | left_out
        assert set(placed) <= labelled


@pytest.mark.slow
@FEWER
@given(WORLDS, ROUND.map(rows_of))
def test_a_new_round_never_moves_a_text_into_or_out_of_the_test_set(world: World, later: Rows) -> None:
    with world_on_disk(world) as here:
        here.split()
        before, files = ids(here), {name: here.read(f"data/split/{name}") for name in ("valid.csv", "test.csv", "heldout.txt")}
        world.rounds.append(later)
        write(here, world)
        here.split()
        after = ids(here)
        assert after["valid"] == before["valid"] and after["test"] == before["test"]
        assert here.read("data/split/heldout.txt") == files["heldout.txt"]
        if not {text_id(text) for text, _, _ in later} & (before["valid"] | before["test"]):
            event("the new round relabels nothing that is held out")
            assert {name: here.read(f"data/split/{name}") for name in files} == files


@pytest.mark.slow
@FEWER
@given(WORLDS)
def test_the_same_inputs_give_the_same_bytes(world: World) -> None:
    with world_on_disk(world) as here:
        here.split()
        first = here.digests()
        here.split()
        assert here.digests() == first
        with world_on_disk(world) as elsewhere:
            elsewhere.split()
            assert elsewhere.digests() == first


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """A project with the steady texts in the pool and in round 01, and six more in the pool."""
    monkeypatch.chdir(tmp_path)
    made = project(tmp_path)
    made.pool([*STEADY, *BASES[:6]])
    made.round("01", STEADY)
    return made


def summary(here: SmallProject) -> dict:
    return json.loads(here.read("metrics/split.json"))


def cases(here: SmallProject) -> list[tuple[str, str, str, str]]:
    return [tuple(row.values()) for row in here.rows("metrics/split.csv")]


def text_in(here: SmallProject, side: str) -> str:
    """Returns a text of that side."""
    return side_of(here)[side][0]["text"]


def label_in(here: SmallProject, text: str) -> str:
    return next(row["label"] for rows in side_of(here).values() for row in rows if row["text"] == text)


def test_the_metrics_count_texts_per_side_label_and_round(here: SmallProject) -> None:
    here.round("02", {BASES[0]: "good", BASES[1]: "bad"})
    shown = here.split()
    found, sides = summary(here), side_of(here)
    assert {name: found[name] for name in SIDES} == {name: len(rows) for name, rows in sides.items()}
    assert sum(found[name] for name in SIDES) == 26 and min(found[name] for name in SIDES) > 2
    assert found["pool"] == 30 and found["heldout"] == found["valid"] + found["test"]
    assert list(found["labels"]) == LABELS
    assert found["labels"]["good"] == {name: sum(row["label"] == "good" for row in rows) for name, rows in sides.items()}
    assert found["rounds"]["01"]["annotations"] == 24 and found["rounds"]["01"]["test"] == found["test"]
    assert found["rounds"]["02"] == {"annotations": 2, "train": 2, "valid": 0, "test": 0}
    assert (found["relabelled"], found["ties"], found["near_heldout"], found["not_in_pool"]) == (0, 0, 0, 0)
    assert cases(here) == []
    assert shown == (
        f"split: 26 labels of 26 texts: {found['train']} train, {found['valid']} valid, {found['test']} test; "
        f"{found['heldout']} of 30 pool texts held out.\n"
    )


def test_the_test_set_stays_when_a_merge_brings_rounds_of_the_same_number(here: SmallProject) -> None:
    here.split()
    before = side_of(here)["test"]
    (here.folder / "data/rounds/01.csv").rename(here.folder / "data/rounds/01-5f1c2a.csv")
    here.split()
    assert side_of(here)["test"] == before, "a number alone names the round that has it"
    here.round("01-777777", dict.fromkeys(BASES[:4], "good"))
    shown = here.wrong("split")
    assert 'split.holdout_rounds names round "01", and 2 rounds have that number: 01-5f1c2a, 01-777777. Write the whole name' in shown
    here.params(split__holdout_rounds=["01-5f1c2a"])
    here.split()
    assert side_of(here)["test"] == before
    (here.folder / "data/rounds/01-5f1c2a.csv").rename(here.folder / "data/rounds/01.csv")
    here.params(split__holdout_rounds=["01"])
    here.split()
    assert side_of(here)["test"] == before, "a round whose whole name is the number goes before others of that number"


def test_labels_csv_says_for_each_text_what_decided(here: SmallProject) -> None:
    here.round("02", {BASES[0]: "good"})
    here.split()
    rows = {row["id"]: row for row in here.rows("data/split/labels.csv")}
    assert len(rows) == 25
    assert rows[text_id(BASES[0])] == {"id": text_id(BASES[0]), "label": "good", "round": "02", "votes": "1", "side": "train"}


def test_a_later_round_corrects_a_label_and_the_case_is_listed(here: SmallProject) -> None:
    here.split()
    text = text_in(here, "train")
    old, new = STEADY[text], next(label for label in LABELS if label != STEADY[text])
    here.round("02", {text: new})
    here.split()
    assert label_in(here, text) == new
    assert cases(here) == [(text_id(text), "relabelled", "02", f"{old} -> {new}")]
    assert summary(here)["relabelled"] == 1


def test_a_later_round_may_correct_a_test_label_but_the_text_stays(here: SmallProject) -> None:
    here.split()
    before, fingerprint = ids(here), summary(here)["fingerprint"]
    text = text_in(here, "test")
    new = next(label for label in LABELS if label != STEADY[text])
    here.round("02", {text: new})
    here.split()
    assert ids(here) == before and label_in(here, text) == new
    assert summary(here)["fingerprint"] != fingerprint


def test_a_tie_about_a_test_text_keeps_its_first_label(here: SmallProject) -> None:
    here.split()
    before = here.read("data/split/test.csv")
    text = text_in(here, "test")
    here.table("data/rounds/02.csv", ["text", "label", "annotator"], [[text, "good", "Ann"], [text, "bad", "Bob"]])
    here.split()
    assert here.read("data/split/test.csv") == before
    assert summary(here)["ties"] == 1


def test_a_tie_trains_nothing_and_is_listed_until_a_later_round_settles_it(here: SmallProject) -> None:
    text = BASES[0]
    here.table("data/rounds/02.csv", ["text", "label", "annotator"], [[text, "good", "Ann"], [text, "bad", "Bob"]])
    here.split()
    assert text_id(text) not in set().union(*ids(here).values())
    assert cases(here) == [(text_id(text), "tie: not trained on", "02", "good | bad")]
    here.round("03", {text: "other"})
    here.split()
    assert label_in(here, text) == "other" and cases(here) == []


def test_the_majority_of_several_people_trains(here: SmallProject) -> None:
    rows = [[BASES[0], label, who] for label, who in (("good", "Ann"), ("bad", "Bob"), ("bad", "Cem"))]
    here.table("data/rounds/02.csv", ["text", "label", "annotator"], rows)
    here.split()
    assert label_in(here, BASES[0]) == "bad"
    assert summary(here)["rounds"]["02"]["annotations"] == 3


def test_a_text_that_the_pool_lacks_trains_and_is_listed(here: SmallProject) -> None:
    here.table("data/rounds/02.csv", ["text", "label"], [["from elsewhere\rwith a bare return", "good"]])
    here.split()
    assert {"id": text_id("from elsewhere with a bare return"), "text": "from elsewhere\rwith a bare return", "label": "good"} in side_of(here)[
        "train"
    ]
    assert cases(here) == [(text_id("from elsewhere with a bare return"), "not in the pool", "", "")]
    assert summary(here)["not_in_pool"] == 1


def test_a_copy_of_a_test_text_trains_nothing_and_is_listed(here: SmallProject) -> None:
    here.split()
    copy = text_in(here, "test").upper() + "!!!"
    here.table("data/rounds/02.csv", ["text", "label"], [[copy, "good"]])
    here.split()
    assert text_id(copy) not in set().union(*ids(here).values())
    assert (text_id(copy), "near a held-out text: not trained on", "02", "test") in cases(here)
    assert summary(here)["near_heldout"] == 1


def test_an_id_that_only_another_round_has_a_text_for_is_known(here: SmallProject) -> None:
    here.table("data/rounds/02.csv", ["text", "label"], [["from elsewhere", "good"]])
    here.round("03", {"from elsewhere": "bad"})
    here.split()
    assert label_in(here, "from elsewhere") == "bad"


def test_an_id_that_nobody_knows_is_an_error(here: SmallProject) -> None:
    here.round("02", {"gone": "good", "gone too": "bad"})
    shown = here.wrong("split")
    assert f"data/rounds/02.csv:2: nobody knows the id {text_id('gone')}: it is not in the pool (data/pool.csv)" in shown
    assert "2 rows of this kind in all; also at data/rounds/02.csv:3" in shown


def test_a_label_that_a_side_lacks_is_named_in_a_warning(here: SmallProject) -> None:
    here.split()
    held = [row["text"] for name in ("valid", "test") for row in side_of(here)[name]]
    rare = [text for text in STEADY if text not in held][:3]
    here.round("01", {text: "other" if text in rare else ("good", "bad")[number % 2] for number, text in enumerate(STEADY)})
    shown = here.split()
    assert "Warning: valid holds no text with the label other: macro-F1 leaves it out there.\n" in shown
    assert "Warning: test holds no text with the label other: macro-F1 leaves it out there.\n" in shown
    assert "train holds no text" not in shown


def test_a_label_with_a_single_example_is_a_warning_and_the_split_goes_on(here: SmallProject) -> None:
    here.round("01", {text: "other" if number == 0 else ("good", "bad")[number % 2] for number, text in enumerate(STEADY)})
    shown = here.split()
    assert "Warning: only one text in all rounds has the label other: two or more are needed to learn a label and to test it." in shown
    assert sum(counts for counts in summary(here)["labels"]["other"].values()) == 1


def test_a_label_without_any_example_is_a_warning_for_every_side(here: SmallProject) -> None:
    here.params(task__labels=[*LABELS, "new"])
    assert "Warning: train holds no text with the label new: the model cannot learn it yet." in here.split()


def test_one_dissenting_voice_is_no_only_example(here: SmallProject) -> None:
    here.params(task__labels=[*LABELS, "new"])
    rows = [[BASES[0], label, who] for label, who in (("good", "Ann"), ("good", "Bob"), ("new", "Cem"))]
    here.table("data/rounds/02.csv", ["text", "label", "annotator"], rows)
    here.split()
    assert label_in(here, BASES[0]) == "good"


def test_groups_count_also_where_only_later_rows_of_the_pool_have_them(here: SmallProject) -> None:
    lines = [{"text": BASES[0]}, *({"text": text, "group": f"g{number // 4}"} for number, text in enumerate(STEADY))]
    here.write("data/pool.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    here.params(data__pool="data/pool.jsonl")
    here.split()
    texts = list(STEADY)
    for first in range(0, 24, 4):
        group = {text_id(text) for text in texts[first : first + 4]}
        assert sum(bool(group & found) for found in ids(here).values()) == 1


def test_groups_in_a_later_shard_alone_count_too(here: SmallProject) -> None:
    here.table("data/pool/0.csv", ["text"], [[text] for text in BASES[:3]])
    here.table("data/pool/1.csv", ["text", "group"], [[text, "one"] for text in STEADY])
    here.params(data__pool="data/pool")
    assert "no labelled text falls into" in here.wrong("split")


def test_a_group_that_ties_rows_of_both_sides_together_holds_them_out_and_says_so(here: SmallProject) -> None:
    here.split()
    before = ids(here)
    text = {text_id(text): text for text in STEADY}
    test, train = text[min(before["test"])], text[min(before["train"])]
    here.table("data/pool.csv", ["text", "group"], [*((text, "") for text in [*STEADY, *BASES]), (test, "one"), (train, "one")])
    said = here.split()
    after = ids(here)
    assert before["test"] < after["test"] and text_id(train) in after["test"]
    moved = [row for row in here.rows("metrics/split.csv") if row["case"].startswith("tied to a held-out text")]
    assert [(row["id"], row["detail"]) for row in moved] == [(text_id(train), "train -> test")]
    assert "Warning: 1 labelled texts are held out because their `group`" in said
    assert json.loads(here.read("metrics/split.json"))["moved"] == 1


@FEWER
@given(WORLDS, POOL)
def test_no_row_that_comes_to_the_pool_takes_a_text_out_of_the_test_set(world: World, more: dict[str, str]) -> None:
    with world_on_disk(world) as here:
        here.split()
        before = ids(here)
        here.table("data/pool.csv", ["text", "group"], [*world.pool.items(), *more.items()])
        here.split()
        after = ids(here)
    known = {text_id(text) for text in world.pool}
    came = {text_id(text) for text in more} - known  # a labelled text of no pool row before: its first row names its group
    assert before["test"] - came <= after["test"]
    assert before["valid"] - came <= after["test"] | after["valid"]


def leaves_the_pool(here: SmallProject, *gone: str) -> None:
    here.pool(text for text in STEADY if text not in gone)


def test_labelled_texts_that_leave_the_pool_are_carried_by_their_round(here: SmallProject) -> None:
    here.pool(STEADY)
    here.round("01", STEADY)
    here.split()
    before = {name: rows for name, rows in side_of(here).items()}
    gone = [before["test"][0]["text"], before["train"][0]["text"]]
    leaves_the_pool(here, *gone)
    said = here.split()
    assert side_of(here) == before
    assert "Warning: 2 labelled texts have left the pool: data/rounds/01.csv carries them from now on" in said
    assert {row["text"] for row in here.rows("data/rounds/01.csv") if row["text"]} == set(gone)
    carried = here.read("data/rounds/01.csv")
    assert "have left the pool" not in here.split() and here.read("data/rounds/01.csv") == carried


def test_a_text_that_left_is_found_in_the_last_predictions_alone(here: SmallProject) -> None:
    here.pool(STEADY)
    here.round("01", STEADY)
    gone = next(iter(STEADY))
    here.table("data/predictions/labelled.csv", ["id", "text"], [[text_id(text), f"'{text}" if text[0] in "=+-@" else text] for text in STEADY])
    leaves_the_pool(here, gone)
    assert "1 labelled texts have left the pool" in here.split()
    assert gone in here.read("data/rounds/01.csv")


def test_a_text_that_left_and_that_nothing_holds_any_more_is_one_error(here: SmallProject) -> None:
    here.pool(STEADY)
    here.round("01", STEADY)
    leaves_the_pool(here, next(iter(STEADY)))
    said = here.wrong("split")
    assert "nobody knows the id" in said and "dvc checkout data/predictions" in said and "labelrounds retire" in said


def test_texts_of_codes_are_split_like_any_others(here: SmallProject) -> None:
    codes = {f"ERR {number}": LABELS[number % 3] for number in range(400, 436)}
    here.pool(codes)
    here.round("01", codes)
    here.split()
    assert all(len(found) > 3 for found in ids(here).values())


@pytest.mark.parametrize(("rule", "together"), [("loose", True), ("strict", False), ("off", False)])
def test_the_rule_of_near_duplicates_is_a_parameter(here: SmallProject, rule: str, together: bool) -> None:
    texts = {f"order {number} has arrived": LABELS[number % 3] for number in range(30)}
    here.pool([*STEADY, *texts])
    here.round("01", {**STEADY, **texts})
    here.params(split__near_duplicates=rule)
    here.split()
    sides = [name for name, found in ids(here).items() if found & {text_id(text) for text in texts}]
    assert (len(sides) == 1) == together


def test_a_text_that_leaves_the_test_set_of_the_last_commit_is_named(here: SmallProject) -> None:
    here.split()
    lost, *kept = side_of(here)["test"]
    measured = files.csv_text(["id", "gold"], ([row["id"], row["label"]] for row in (lost, *kept)))
    here.write("metrics/baseline/test.csv", measured)
    fingerprint = json.loads(here.read("metrics/split.json"))["fingerprint"]
    here.write("metrics/baseline.json", json.dumps({"test": {"fingerprint": fingerprint}}))
    here.run("git", "init", "-q")
    here.commit("measured")
    assert "test set" not in here.split()
    here.round("01", {text: label for text, label in STEADY.items() if text_id(text) != lost["id"]})
    said = here.split()
    assert f"Warning: 1 texts of the last commit's test set are no longer in it: {lost['id']} (without a label now)" in said


def test_another_share_of_validation_leaves_the_test_set_alone(here: SmallProject) -> None:
    here.split()
    before = here.read("data/split/test.csv")
    here.params(split__valid=0.4)
    here.split()
    assert here.read("data/split/test.csv") == before


def test_several_labels_are_split_and_spelled_in_the_order_of_the_task(tmp_path: Path) -> None:
    here = project(tmp_path, multi_label=True)
    here.pool(STEADY)
    rows = [[text, ("other;good", "bad", "-", "good")[number % 4]] for number, text in enumerate(STEADY)]
    here.table("data/rounds/01.csv", ["text", "labels"], rows)
    here.split()
    found = {row["labels"] for rows in side_of(here).values() for row in rows}
    assert found == {"good;other", "bad", "-", "good"}
    assert sum(summary(here)["labels"]["good"].values()) == 12


def test_a_split_that_fails_leaves_the_old_one_as_it_was(here: SmallProject) -> None:
    here.split()
    here.round("02", {BASES[0]: "godo"})
    here.wrong("split")


def test_a_pool_that_changes_under_the_split_is_an_error(here: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    read_texts = rules.read_texts

    def meanwhile(*arguments):
        here.pool([*STEADY, "one more"])
        return read_texts(*arguments)

    monkeypatch.setattr(rules, "read_texts", meanwhile)
    assert "data/pool.csv changed while it was being read. What this run made of it does not count" in here.split(code=1)
    monkeypatch.undo()
    monkeypatch.chdir(here.folder)
    here.split()
    assert summary(here)["pool"] == len(STEADY) + 1, "the next run reads what came"


def test_before_the_first_round_nothing_is_held_out_only_where_no_holdout_round_is_named(here: SmallProject) -> None:
    (here.folder / "data/rounds/01.csv").unlink()
    assert "there are no labels yet. Draw a first round at random" in here.wrong("split")
    here.params(split__holdout_rounds=[], deploy="baseline")
    assert here.split().startswith("split: no labels yet, so nothing is held out.")
    assert here.split() == here.split()
    assert side_of(here) == {name: [] for name in SIDES} and heldout(here) == set() and cases(here) == []
    assert summary(here)["pool"] == 30 and summary(here)["rounds"] == {}
    here.round("01", STEADY)
    assert "split.holdout_rounds names no round" in here.wrong("split")
