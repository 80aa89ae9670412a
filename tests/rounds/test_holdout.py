"""Who is held out is a pure function of the group, the salt and the shares."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.rounds.holdout import SIDES, Groups, connect, group_node, key_node, side, sides
from tests.small import PROPERTY

SHARES = st.tuples(st.floats(0, 0.49), st.floats(0, 0.49))
Links = list[tuple[str, str]]
LINKS = st.lists(st.tuples(st.sampled_from("abcdefgh").map(key_node), st.sampled_from("1234").map(group_node)), max_size=12)


def test_the_shares_are_met_in_the_long_run() -> None:
    drawn = [side(f"key:{number}", "salt", 0.2, 0.5) for number in range(4000)]
    assert drawn.count("test") / 4000 == pytest.approx(0.5, abs=0.03)
    assert drawn.count("valid") / 4000 == pytest.approx(0.2, abs=0.03)


@PROPERTY
@given(st.text(), SHARES, st.floats(0, 0.49))
def test_another_share_of_validation_does_not_move_the_test_set(group: str, shares: tuple[float, float], other: float) -> None:
    valid, test = shares
    assert (side(group, "salt", valid, test) == "test") == (side(group, "salt", other, test) == "test")


@PROPERTY
@given(st.text(), SHARES)
def test_a_larger_test_set_holds_the_smaller_one(group: str, shares: tuple[float, float]) -> None:
    small, large = sorted(shares)
    assert side(group, "salt", 0.1, small) != "test" or side(group, "salt", 0.1, large) == "test"


def test_another_salt_is_another_draw() -> None:
    groups = [f"key:{number}" for number in range(50)]
    assert [side(group, "a", 0.2, 0.5) for group in groups] != [side(group, "b", 0.2, 0.5) for group in groups]


def test_the_draw_is_the_same_on_every_machine() -> None:
    assert [side(f"key:{number}", "labelrounds", 0.2, 0.5) for number in range(8)] == [
        "valid",
        "test",
        "train",
        "test",
        "test",
        "test",
        "valid",
        "test",
    ]


def test_shares_of_nothing_hold_nobody_out() -> None:
    assert {side(f"key:{number}", "salt", 0, 0) for number in range(50)} == {"train"}


def test_a_chain_of_groups_and_copies_is_one_group() -> None:
    links = [(key_node("c"), group_node("2")), (key_node("b"), group_node("2")), (key_node("b"), group_node("1")), (key_node("a"), group_node("1"))]
    groups = connect([key_node("a")], lambda: links)
    assert groups.root(key_node("a")) == groups.root(key_node("c"))


def test_what_hangs_together_with_no_labelled_text_is_not_kept_in_memory() -> None:
    groups = connect([key_node("a")], lambda: [(key_node("x"), group_node("9"))])
    assert key_node("x") not in groups and group_node("9") not in groups


@PROPERTY
@given(LINKS, st.randoms())
def test_groups_do_not_depend_on_the_order_of_the_pool(links: list[tuple[str, str]], random) -> None:
    seeds = [key_node("a"), key_node("b")]
    shuffled = random.sample(links, len(links))
    one, other = connect(seeds, lambda: links), connect(seeds, lambda: shuffled)
    nodes = {node for link in links for node in link} | set(seeds)
    assert all((one.root(a) == one.root(b)) == (other.root(a) == other.root(b)) for a in nodes for b in nodes)


@PROPERTY
@given(LINKS)
def test_texts_labelled_later_do_not_join_or_part_what_is_held_out(links: list[tuple[str, str]]) -> None:
    held = [key_node(name) for name in "abc"]
    later = [*held, *(key_node(name) for name in "defgh")]
    one, other = connect(held, lambda: links), connect(later, lambda: links)
    assert all((one.root(a) == one.root(b)) == (other.root(a) == other.root(b)) for a in held for b in held)


@PROPERTY
@given(LINKS, LINKS, SHARES)
def test_whatever_rows_come_no_text_leaves_the_test_set_and_ties_stay_on_one_side(old: Links, new: Links, shares: tuple[float, float]) -> None:
    """Each row that is linked to a group says so of its own text, as rows of the pool do."""

    def drawn(links: Links) -> tuple[dict[str, str], Groups]:
        groups = connect(map(key_node, "abcd"), lambda: links)
        by = {name: {group for key, group in links if key == key_node(name)} or {key_node(name)} for name in "abcd"}
        of_group, _ = sides(by, groups, "salt", *shares)
        return {name: of_group.get(groups.root(key_node(name)), "train") for name in "abcd"}, groups

    (before, _), (after, groups) = drawn(old), drawn([*old, *new])
    grouped = {key for key, _ in old}
    for name in "abcd":
        if key_node(name) in grouped or not any(key == key_node(name) for key, _ in new):  # else its only row has changed its group
            assert SIDES.index(after[name]) >= SIDES.index(before[name])
        assert all(after[name] == after[other] for other in "abcd" if groups.root(key_node(name)) == groups.root(key_node(other)))


def test_a_group_is_drawn_once_however_many_texts_it_has() -> None:
    """Were each text drawn, nearly every group of ten would be held out."""
    links = [(key_node(f"{group} {number}"), group_node(f"{group}")) for group in range(400) for number in range(10)]
    groups = connect((key for key, _ in links), lambda: links)
    of_group, _ = sides({key: [group] for key, group in links}, groups, "salt", 0.2, 0.5)
    found = [of_group[groups.root(group_node(f"{group}"))] for group in range(400)]
    assert found.count("test") / 400 == pytest.approx(0.5, abs=0.08) and found.count("train") / 400 == pytest.approx(0.3, abs=0.08)


def test_nodes_that_were_never_joined_stand_alone() -> None:
    groups = Groups([key_node("a")])
    assert groups.root(key_node("b")) == key_node("b")
    assert groups.join(key_node("a"), group_node("1"))
    assert not groups.join(key_node("a"), group_node("1"))
