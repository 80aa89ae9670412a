"""Decides which texts are validation and test texts (the holdout). A hash of the text's group and a salt decides. Later rounds
cannot change it.

Only texts of the holdout rounds can be held out. Each of them is drawn by the values of the pool's own `group` column in its
rows, or by its near-duplicate key where a row has no group. All texts that are connected by keys or groups stand on one side: on
that of the test set if any of them is drawn into it, or else on that of validation if any is. So neither a later round nor a row
that comes to the pool can take a text out of the test set, however it ties groups together.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from labelrounds.core import params
from labelrounds.pool import reader
from labelrounds.pool.identity import near_duplicate_key

SIDES = ("train", "valid", "test")
Node = str
KEY, GROUP = "key:", "group:"


def key_node(key: str) -> Node:
    """Returns the node of a near-duplicate key (a short digest: keys can be as long as texts)."""
    return KEY + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def text_node(text: str, rule: str) -> Node:
    """Returns the node of a text's near-duplicate key. rule : `split.near_duplicates`"""
    return key_node(near_duplicate_key(text, rule))


def group_node(group: str) -> Node:
    """Returns the node of a value in the pool's `group` column."""
    return GROUP + group


class Groups:
    """Union-find over nodes; nodes that were never joined stand alone."""

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        self._parent: dict[Node, Node] = {node: node for node in nodes}

    def __contains__(self, node: Node) -> bool:
        return node in self._parent

    def root(self, node: Node) -> Node:
        """Returns the node that stands for `node`'s group."""
        parent = self._parent
        while parent.get(node, node) != node:
            parent[node] = node = parent[parent[node]]
        return node

    def join(self, one: Node, other: Node) -> bool:
        """Joins two groups; says whether anything changed."""
        new = one not in self._parent or other not in self._parent
        self._parent.setdefault(one, one)
        self._parent.setdefault(other, other)
        first, second = self.root(one), self.root(other)
        if first != second:
            self._parent[max(first, second)] = min(first, second)
        return new or first != second


def connect(seeds: Iterable[Node], links: Callable[[], Iterable[tuple[Node, Node]]]) -> Groups:
    """Returns the groups of `seeds`, following links (key, group) of the pool in both directions.

    `links` is called once per step of the chain, so memory holds only what is connected to a seed.
    """
    groups = Groups(seeds)
    changed = True
    while changed:
        changed = False
        for key, group in links():
            if key in groups or group in groups:
                changed |= groups.join(key, group)
    return groups


def side(group: str, salt: str, valid: float, test: float) -> str:
    """Returns `test`, `valid` or `train` for a group of a holdout round.

    The hash is compared with `test` first: changing the share of validation does not move the test set.
    """
    digest = hashlib.sha256(f"{salt}\0{group}".encode("utf-8", "surrogatepass")).digest()
    draw = int.from_bytes(digest[:8], "big") / 2**64
    return "test" if draw < test else "valid" if draw < test + valid else "train"


def most_held_out(found: Iterable[str]) -> str:
    """Returns `test` if it is among the sides, or else `valid` if that is, or else `train`."""
    return max(found, key=SIDES.index, default="train")


def sides(drawn: Mapping[str, Iterable[Node]], groups: Groups, salt: str, valid: float, test: float) -> tuple[dict[Node, str], dict[str, str]]:
    """Returns ({root of a group: its side} for the groups that hold a text of the holdout rounds, {id: the side it would be on alone}).

    drawn : {id: the nodes by which a text of the holdout rounds is drawn}; alone, a row without a group counts first
    """
    of_group: dict[Node, str] = {}
    alone: dict[str, str] = {}
    for identity, nodes in drawn.items():
        by_node = {node: side(node, salt, valid, test) for node in nodes}
        keys = [found for node, found in by_node.items() if node.startswith(KEY)]
        alone[identity] = min(keys or by_node.values(), key=SIDES.index)
        for node, found in by_node.items():
            root = groups.root(node)
            of_group[root] = most_held_out((of_group.get(root, "train"), found))
    return of_group, alone


@dataclass(frozen=True)
class Holdout:
    """The drawn sides: of any text, and of any row of the pool. alone : {id: the side of a holdout round's text if nothing else were}"""

    groups: Groups
    side_of_group: Mapping[Node, str]
    alone: Mapping[str, str]
    rule: str

    def side(self, text: str) -> str:
        """Returns the side of a labelled text."""
        return self.side_of_group.get(self.groups.root(text_node(text, self.rule)), "train")

    def holds(self, text: str, group: str) -> bool:
        """Says whether a pool text is held out, by its own key or by its group, which is empty where it has none."""
        return self._out(text_node(text, self.rule)) or (bool(group) and self._out(group_node(group)))

    def _out(self, node: Node) -> bool:
        return self.side_of_group.get(self.groups.root(node), "train") != "train"


def group_of(row: reader.PoolText) -> list[str]:
    """Returns the value of the pool's `group` column, in a list that is empty where there is none."""
    value = row.own.get(reader.GROUP, "").strip()
    return [value] if value else []


def draw(labelled: Iterable[str], holdout: Mapping[str, str], rows: Callable[[], Iterable[reader.PoolText]], rule: params.Split) -> Holdout:
    """Returns the sides for the labelled texts.

    holdout : {id: text} of those that the holdout rounds label; rows : the pool, read anew per call, to follow its groups
    """
    near = rule.near_duplicates

    def links() -> Iterable[tuple[Node, Node]]:
        return ((text_node(row.text, near), group_node(group)) for row in rows() for group in group_of(row))

    groups = connect((text_node(text, near) for text in labelled), links)
    drawn: dict[str, set[Node]] = {identity: set() for identity in holdout}
    for row in rows():
        if row.id in drawn:
            drawn[row.id] |= set(map(group_node, group_of(row))) or {text_node(row.text, near)}
    by = {identity: nodes or {text_node(holdout[identity], near)} for identity, nodes in drawn.items()}
    return Holdout(groups, *sides(by, groups, rule.salt, rule.valid, rule.test), near)
