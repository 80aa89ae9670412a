"""Decides which texts are validation and test texts (the holdout). A hash of the text's group and a salt decides. Later rounds
cannot change it.

Only texts of the holdout rounds can be held out. A group is all texts that are connected by near-duplicate keys or by the
pool's own `group` column. So a later round, whatever it holds, cannot move a text into or out of the validation and test sets.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from labelrounds.pool import reader
from labelrounds.pool.identity import near_duplicate_key

SIDES = ("train", "valid", "test")
Node = str


def key_node(key: str) -> Node:
    """Returns the node of a near-duplicate key (a short digest: keys can be as long as texts)."""
    return "key:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def group_node(group: str) -> Node:
    """Returns the node of a value in the pool's `group` column."""
    return "group:" + group


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


def sides(holdout: Mapping[str, Node], groups: Groups, salt: str, valid: float, test: float) -> dict[Node, str]:
    """Returns {root of a group: its side} for the groups that hold a text of the holdout rounds.

    `holdout` maps text ids to key nodes. What is hashed is the smallest key among the group's *holdout*
    texts: texts that join the group later, in the pool or in a round, leave the draw as it was.
    """
    smallest: dict[Node, Node] = {}
    for node in holdout.values():
        root = groups.root(node)
        smallest[root] = min(smallest.get(root, node), node)
    return {root: side(node, salt, valid, test) for root, node in smallest.items()}


@dataclass(frozen=True)
class Holdout:
    """The drawn sides: of any text, and of any row of the pool."""

    groups: Groups
    side_of_group: Mapping[Node, str]

    def side(self, text: str) -> str:
        """Returns the side of a labelled text."""
        return self.side_of_group.get(self.groups.root(key_node(near_duplicate_key(text))), "train")

    def holds(self, row: reader.PoolText) -> bool:
        """Says whether a pool text is held out, by its own key or by its group."""
        nodes = [key_node(near_duplicate_key(row.text)), *map(group_node, group_of(row))]
        return any(self.side_of_group.get(self.groups.root(node), "train") != "train" for node in nodes)


def group_of(row: reader.PoolText) -> list[str]:
    """Returns the value of the pool's `group` column, in a list that is empty where there is none."""
    value = row.own.get(reader.GROUP, "").strip()
    return [value] if value else []


def draw(
    labelled: Iterable[str], holdout: Mapping[str, str], rows: Callable[[], Iterable[reader.PoolText]], salt: str, valid: float, test: float
) -> Holdout:
    """Returns the sides for the labelled texts.

    holdout : {id: text} of those that the holdout rounds label; rows : the pool, read anew per call, to follow its groups
    """

    def links() -> Iterable[tuple[Node, Node]]:
        return ((key_node(near_duplicate_key(row.text)), group_node(group)) for row in rows() for group in group_of(row))

    groups = connect((key_node(near_duplicate_key(text)) for text in labelled), links)
    drawn = {identity: key_node(near_duplicate_key(text)) for identity, text in holdout.items()}
    return Holdout(groups, sides(drawn, groups, salt, valid, test))
