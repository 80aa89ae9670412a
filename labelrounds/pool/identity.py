"""A text's identity: its id, and the key that near-duplicates share."""

import hashlib
import re
import string
import unicodedata

ID_PATTERN = re.compile(r"[0-9a-f]{16}")


def fold(text: str) -> str:
    """Returns `text` in Unicode NFC with every run of white space as one blank and none at the ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def text_id(text: str) -> str:
    """Returns the id of a text: the first 16 hex digits of SHA-256 over its folded form in UTF-8."""
    return hashlib.sha256(fold(text).encode("utf-8", "surrogatepass")).hexdigest()[:16]


class _Dropped(dict):
    """A table for str.translate that drops digits, punctuation, white space and control characters."""

    def __missing__(self, code: int) -> int | None:
        character = chr(code)
        # Emoji and currency signs (S*) carry meaning and stay; ASCII's own signs count as punctuation.
        drop = unicodedata.category(character)[0] in "NPZC" or character in string.punctuation
        self[code] = None if drop else code
        return self[code]


_DROPPED = _Dropped()


def near_duplicate_key(text: str) -> str:
    """Returns what is left of `text` without case, digits, punctuation and white space.

    Two texts with the same key are near-duplicates: they never stand on two sides of a split, and never
    both in one queue. A text of digits and punctuation alone has the empty key, like every other such text.
    """
    folded = unicodedata.normalize("NFKC", text).upper().casefold()
    return unicodedata.normalize("NFKC", folded).translate(_DROPPED)
