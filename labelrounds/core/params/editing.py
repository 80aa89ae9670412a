"""Changes in the text of params.yaml: a value is replaced where it stands, and every other character stays.

A library that reads a file and writes it anew moves comments, and breaks a block list with a comment inside. So the text of
a value is cut out and a new one put there. Then the new text is read, and must say what was wanted.
"""

import copy
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labelrounds.core import files
from labelrounds.core.errors import UserError, at
from labelrounds.core.params import source

GONE = object()  # in place of a value: the key goes
Keys = tuple[str, ...]


@dataclass(frozen=True)
class Renamed:
    """In place of a value: the key gets this name, and keeps its value."""

    name: str


PATH = re.compile(r"\w[\w.-]*/[\w./-]*\w")  # a text that needs no quotes where none were: nothing else looks like it in YAML
UNPRINTABLE = re.compile("[^\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")


def edited(text: str, changes: Mapping[Keys, Any]) -> str:
    """Returns the YAML `text` with the value at each of the keys replaced; a UserError if that cannot be done safely.

    changes : {(section, key, …): a text, a number, a list of texts, Renamed(name) or GONE}. A key that is not there yet is added to its section.
    """
    expected = _plain(text)
    for keys, value in changes.items():
        _set(expected, keys, value)
        if value is not GONE or _node(text, keys) is not None:
            text = _replaced(text, keys, value)
    try:
        found = _plain(text)
    except UserError:
        found = None
    if found != expected:
        names = ", ".join(".".join(keys) for keys in changes)
        raise UserError(
            f"{at(source.PATH)}: {names} cannot be changed here without harm to the rest of the file. Write them as plain lists and keys."
        )
    return text


def write(changes: Mapping[Keys, Any]) -> None:
    """Makes these changes in params.yaml itself, in one step."""
    text = edited(source.PATH.read_text(encoding="utf-8"), changes)
    with files.atomic(source.PATH) as file:
        file.write(text)


def quoted(value: Any) -> str:
    """Returns a value as YAML writes it in one line: texts in double quotes, so that `yes`, `0` and `~` stay texts."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(quoted, value))}]"
    said = json.dumps(value, ensure_ascii=False)
    return UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", said) if isinstance(value, str) else said


def _plain(text: str) -> Any:
    return source.parsed(text).value


def _set(tree: Any, keys: Keys, value: Any) -> None:
    *sections, last = keys
    for key in sections:
        if tree.get(key) is None:
            tree[key] = {}
        tree = tree[key]
    if value is GONE:
        tree.pop(last, None)
    elif isinstance(value, Renamed):
        tree[value.name] = tree.pop(last)
    else:
        tree[last] = copy.deepcopy(list(value) if isinstance(value, tuple) else value)


def _node(text: str, keys: Keys) -> tuple[Any, Any, Any] | None:
    """Returns the nodes (of the section, of the key, of the value), or None where the key is not there."""
    section, found = None, source.parsed(text).node
    name = None
    for key in keys:
        if found is None or found.id != "mapping":
            return None
        pair = next(((one, other) for one, other in found.value if one.id == "scalar" and one.value == key), None)
        if pair is None:
            return None
        section, (name, found) = found, pair
    return section, name, found


def _replaced(text: str, keys: Keys, value: Any) -> str:
    found = _node(text, keys)
    if found is None:
        return _added(text, keys, value)
    section, name, node = found
    if value is GONE:
        return _removed(text, section, name, node)
    if isinstance(value, Renamed):
        return text[: name.start_mark.index] + quoted(value.name) + text[name.end_mark.index :]
    begin, end = name.end_mark.index, _end(node)
    if isinstance(value, list | tuple) and node.id == "sequence" and node.value:
        old = [item.value for item in node.value]
        if set(old) & set(value) or (len(old) == len(value) and not node.flow_style):
            return _items(text, node, old, [str(item) for item in value])
        if value and not node.flow_style:
            # Comments between the items are about items that go.
            lines = f"\n{' ' * node.start_mark.column}".join(f"- {quoted(item)}" for item in value)
            return text[: node.start_mark.index] + lines + text[end:]
    if node.id == "scalar" or node.flow_style:
        typed = value if node.id == "scalar" and node.style is None and PATH.fullmatch(str(value)) else quoted(value)
        return text[: node.start_mark.index] + str(typed) + text[end:]
    colon = text.index(":", begin) + 1
    return text[:colon] + " " + quoted(value) + text[end:]


def _items(text: str, node: Any, old: Sequence[str], new: Sequence[str]) -> str:
    """Returns the text with a list's items changed one by one, so that what stays is as it was typed, the comments beside it too."""
    places = [(item.start_mark.index, item.end_mark.index) for item in node.value]
    if node.flow_style:
        typed = {label: text[start:stop] for label, (start, stop) in zip(old, places, strict=True)}
        return text[: node.start_mark.index] + f"[{', '.join(typed.get(item) or quoted(item) for item in new)}]" + text[node.end_mark.index :]
    for what, begin, end, first, last in reversed(difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()):
        if what == "equal":
            continue
        kept = min(end - begin, last - first)
        if last - first > kept:
            text = _inserted(text, node, places, begin + kept, new[first + kept : last])
        for number in reversed(range(begin + kept, end)):
            text = _cut(text, *places[number])
        for number in reversed(range(kept)):
            start, stop = places[begin + number]
            text = text[:start] + quoted(new[first + number]) + text[stop:]
    return text


def _inserted(text: str, node: Any, places: Sequence[tuple[int, int]], at: int, items: Sequence[str]) -> str:
    lines = "".join(f"{' ' * node.start_mark.column}- {quoted(item)}\n" for item in items)
    if at < len(places):
        begin = text.rfind("\n", 0, places[at][0]) + 1
        return text[:begin] + lines + text[begin:]
    end = text.find("\n", places[-1][1])
    return text[: end + 1] + lines + text[end + 1 :] if end >= 0 else f"{text}\n{lines}"


def _cut(text: str, start: int, stop: int) -> str:
    begin, end = text.rfind("\n", 0, start) + 1, text.find("\n", stop)
    return text[:begin] + (text[end + 1 :] if end >= 0 else "")


def _end(node: Any) -> int:
    """Returns where the text of a value ends; that of a block ends with its last item, not with the comments below it."""
    if node.id == "scalar" or node.flow_style or not node.value:
        return node.end_mark.index
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)


def _removed(text: str, section: Any, name: Any, node: Any) -> str:
    """Returns the text without a key: its lines, or its part of a section in braces."""
    pairs = section.value
    place = next(number for number, (one, _) in enumerate(pairs) if one is name)
    if section.flow_style:
        if place + 1 < len(pairs):
            return text[: name.start_mark.index] + text[pairs[place + 1][0].start_mark.index :]
        begin = _end(pairs[place - 1][1]) if place else name.start_mark.index
        return text[:begin] + text[_end(node) :]
    if len(pairs) == 1:  # an empty section would be null
        begin = section.start_mark.index
        head = text[:begin].rstrip()
        if head.endswith(":"):
            return head + " {}" + text[_end(node) :]
        return text[:begin] + "{}" + text[_end(node) :]
    begin = text.rindex("\n", 0, name.start_mark.index) + 1 if "\n" in text[: name.start_mark.index] else 0
    end = text.find("\n", _end(node))
    return text[:begin] + (text[end + 1 :] if end >= 0 else "")


def _added(text: str, keys: Keys, value: Any) -> str:
    """Returns the text with a new key at the end of its section; the section is made where it is not there."""
    *above, last = keys
    found = _node(text, tuple(above)) if above else None
    if found is None:
        if not above:
            raise UserError(f"{at(source.PATH)}: the section {last} is missing. Restore it from git.")
        return _added(text, tuple(above), {last: value})
    node = found[2]
    pair = f"{quoted(last)}: {quoted(value)}"
    if node.id != "mapping" or not node.value:  # null or {}
        colon = text.index(":", found[1].end_mark.index) + 1
        return text[:colon] + " {" + pair + "}" + text[max(_end(node), colon) :]
    if node.flow_style:
        end = _end(node.value[-1][1])
        return f"{text[:end]}, {pair}{text[end:]}"
    end = text.find("\n", _end(node))
    line = " " * node.value[0][0].start_mark.column + pair + "\n"
    return text[: end + 1] + line + text[end + 1 :] if end >= 0 else f"{text}\n{line}"
