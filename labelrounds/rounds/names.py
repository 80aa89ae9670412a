"""Names of rounds and audits: a number, and what tells files of one number apart, such as 03-5f1c2a.

`labelrounds import` puts the first six hex digits of the content's SHA-256 behind the number. So two people who add a
round each on two branches give them different names, and a merge keeps both. A number alone (03) is a name, too.

A higher number is newer. Rounds of one number were made side by side, so none of them is newer than the other: their
votes on a text count together. Where they must stand in some order, their names decide it, the same in every checkout.
"""

import hashlib
import re
from collections.abc import Iterable

PATTERN = re.compile(r"(\d{2,})(?:-([0-9a-z]+))?")
EXAMPLE = "03-5f1c2a.csv"


def is_name(name: str) -> bool:
    """Says whether this is the name of a round, without `.csv`."""
    return PATTERN.fullmatch(name) is not None


def number(name: str) -> int:
    """Returns the number of a round."""
    return int(name.partition("-")[0])


def order(name: str) -> tuple[int, str]:
    """Returns what rounds are sorted by: the number, then the name."""
    return number(name), name


def of_content(number: int, content: str) -> str:
    """Returns the name of a new round, from its number and what it holds."""
    return f"{number:02d}-{hashlib.sha256(content.encode('utf-8')).hexdigest()[:6]}"


def matching(word: str, known: Iterable[str]) -> list[str]:
    """Returns the names that `word` means, in order: the one spelt so; without one, all of that number if `word` is a number alone."""
    known = sorted(known, key=order)
    if word in known:
        return [word]
    return [name for name in known if number(name) == int(word)] if re.fullmatch(r"\d{2,}", word) else []
