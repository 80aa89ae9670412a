"""params.yaml is changed where a value stands: it then says what was wanted, and every other line and comment stays."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from labelrounds.core.errors import UserError
from labelrounds.core.params import editing, rules, source
from tests.small import FEWER, PROPERTY

FLOW = "task:\n  type: multi-class\n  labels: [a, b, c]   # the order counts\n  descriptions:\n    a: \"An a.\"\n    b: 'A b.'\n# the end\nseed: 13\n"
BLOCK = "task:\n  labels:  # these\n  # first\n  - a  # the a\n\n  # about b\n  - b  # the b\n  - c\n  # end\nseed: 13 # a seed\n"
EMPTY = "task:\n  labels: []\n  descriptions: {}\nseed: 13\n"
KEYS = ("task", "labels")
names = st.text(min_size=1, max_size=12)


def labels(text: str) -> list[str]:
    return source.parsed(text).value["task"]["labels"]


@PROPERTY
@given(st.lists(names, max_size=6, unique=True), st.sampled_from([FLOW, BLOCK, EMPTY]))
def test_every_name_that_a_label_may_have_is_kept_to_the_letter(wanted: list[str], text: str) -> None:
    assume(not any(rules.wrong_label(name) for name in wanted))
    found = editing.edited(text, {KEYS: wanted})
    assert labels(found) == wanted and source.parsed(found).value["seed"] == 13


@FEWER
@given(st.data(), st.sampled_from([FLOW, BLOCK]))
def test_labels_that_stay_keep_their_place_and_their_comments(data: st.DataObject, text: str) -> None:
    wanted = data.draw(st.lists(st.sampled_from(["a", "b", "c", "new", "yes"]), unique=True, min_size=1))
    found = editing.edited(text, {KEYS: wanted})
    assert labels(found) == wanted
    if text is BLOCK and wanted[:2] == ["a", "b"]:
        assert "- a  # the a\n" in found and "- b  # the b\n" in found


def test_a_key_is_renamed_added_and_removed_where_it_stands() -> None:
    place = ("task", "descriptions")
    found = editing.edited(FLOW, {(*place, "a"): editing.Renamed("z"), (*place, "b"): editing.GONE, (*place, "yes"): "A yes."})
    assert source.parsed(found).value["task"]["descriptions"] == {"z": "An a.", "yes": "A yes."} and "# the end\n" in found
    assert source.parsed(editing.edited(FLOW, {place: editing.GONE})).value["task"].keys() == {"type", "labels"}
    assert source.parsed(editing.edited(EMPTY, {(*place, "a"): "An a."})).value["task"]["descriptions"] == {"a": "An a."}


def test_what_cannot_be_changed_without_harm_is_an_error() -> None:
    with pytest.raises(UserError, match=r"task.labels cannot be changed here without harm"):
        editing.edited("base: &base [a, b]\ntask:\n  labels: *base\nseed: 13\n", {KEYS: ["c"]})


@pytest.mark.parametrize("name", ["", " a", "a ", "-", "a;b", "a\nb", "\ud800", "a\0b"])
def test_what_no_label_may_be_called(name: str) -> None:
    assert "cannot be a label" in rules.wrong_label(name)
