"""Labels are settled: the newest round wins, then the majority, and a tie trains nothing."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core.task import Task
from labelrounds.rounds import names
from labelrounds.rounds.record import Annotation
from labelrounds.rounds.vote import majority, settle
from tests.small import LABELS, PROPERTY

CLASSES = Task("multi-class", tuple(LABELS))
SEVERAL = Task("multi-label", tuple(LABELS))


def annotation(labels: tuple[str, ...], name: str = "01", identity: str = "a", annotator: str = "") -> Annotation:
    return Annotation(identity, None, labels, annotator, "human", "", name, "")


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


def test_rounds_of_one_number_vote_together_whatever_their_names() -> None:
    said = [annotation(("good",), "02-ana"), annotation(("bad",), "02-ben"), annotation(("bad",), "02"), annotation(("other",), "01")]
    for order in (said, said[::-1]):
        found = settle(order, CLASSES)
        assert (found.labels["a"].labels, found.labels["a"].round, found.labels["a"].votes) == (("bad",), "02-ben", 3)
        assert found.relabelled["a"][0].round == "01"
    assert settle(said[:2], CLASSES).tied == {"a": ("02-ben", (("good",), ("bad",)))}, "neither is newer, so nobody wins"


def test_who_says_the_same_in_two_rounds_of_one_number_has_one_vote() -> None:
    ana = [annotation(("good",), name, annotator="Ana") for name in ("02-1f", "02-2f")]
    assert settle([*ana, annotation(("bad",), "02-2f", annotator="Ben")], CLASSES).labels == {}
    assert settle([ana[0], annotation(("bad",), "02-2f", annotator="Ana")], CLASSES).labels == {}, "who says both says neither"


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
    st.builds(lambda label, name, identity: annotation((label,), name, identity), *map(st.sampled_from, (LABELS, ("01", "02", "02-1f", "10"), "abc")))
)


@PROPERTY
@given(SAID)
def test_every_text_that_was_labelled_is_settled_or_tied_by_its_newest_round(said: list[Annotation]) -> None:
    verdict = settle(said, CLASSES)
    assert verdict.labels.keys() | verdict.tied.keys() == {one.id for one in said}
    assert not verdict.labels.keys() & verdict.tied.keys()
    for identity in {one.id for one in said}:
        newest = max((one.round for one in said if one.id == identity), key=names.order)
        assert (verdict.labels[identity].round if identity in verdict.labels else verdict.tied[identity][0]) == newest


@PROPERTY
@given(SAID, st.randoms())
def test_the_verdict_does_not_depend_on_the_order_of_the_rows(said: list[Annotation], random) -> None:
    assert settle(random.sample(said, len(said)), CLASSES).labels == settle(said, CLASSES).labels
