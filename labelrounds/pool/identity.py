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
    """A table for str.translate that drops punctuation, white space and control characters; also digits, if asked."""

    def __init__(self, categories: str) -> None:
        self._categories = categories

    def __missing__(self, code: int) -> int | None:
        character = chr(code)
        # Emoji and currency signs (S*) carry meaning and stay; ASCII's own signs count as punctuation.
        drop = unicodedata.category(character)[0] in self._categories or character in string.punctuation
        self[code] = None if drop else code
        return self[code]


_ALL_BUT_LETTERS, _ALL_BUT_LETTERS_AND_DIGITS = _Dropped("NPZC"), _Dropped("PZC")
_ASCII_BUT_LETTERS, _ASCII_BUT_LETTERS_AND_DIGITS = (
    bytes(code for code in range(128) if dropped[code] is None) for dropped in (_ALL_BUT_LETTERS, _ALL_BUT_LETTERS_AND_DIGITS)
)
OFF, LOOSE, STRICT = "off", "loose", "strict"
A_WORD = 6  # letters: with fewer, the digits are what a text says ("ERR 404", "5 stars")


def near_duplicate_key(text: str, rule: str = LOOSE) -> str:
    """Returns what near-duplicates share: they never stand on two sides of a split, and never both in one queue.

    rule : `split.near_duplicates`. `loose`: the text without case, digits, punctuation and white space; with fewer than
    six letters the digits count. `strict`: digits always count. `off`: the text, but for white space. What nothing is
    left of ("!!!", ":)") is its own key, without case.
    """
    if rule == OFF:
        return fold(text)
    if text.isascii():  # the same as below, ten times as fast
        small = text.lower().encode()
        letters = small.translate(None, _ASCII_BUT_LETTERS) if rule == LOOSE else b""
        kept = letters if len(letters) >= A_WORD else small.translate(None, _ASCII_BUT_LETTERS_AND_DIGITS)
        return kept.decode() or " ".join(text.lower().split())
    folded = unicodedata.normalize("NFKC", text).upper().casefold()
    folded = unicodedata.normalize("NFKC", folded)
    letters = folded.translate(_ALL_BUT_LETTERS) if rule == LOOSE else ""
    if len(letters) >= A_WORD:
        return letters
    return folded.translate(_ALL_BUT_LETTERS_AND_DIGITS) or " ".join(folded.split())
