"""Numbers and texts as a page shows them; what strangers wrote comes out in one line in which nothing is hidden."""

import re
from collections.abc import Sequence
from typing import Any

CUT, TITLE = 300, 2000  # characters of a text on the page, and in its title
PICTURES = {code: 0x2400 + code for code in range(32)} | {127: 0x2421}
UNSHOWN = re.compile("[\x80-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def number(value: float | None) -> str:
    """Returns a score with three digits, a count with commas, `-` for None."""
    return "-" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def score(value: float | None) -> str:
    """Returns a score with three digits (JSON may hold 1 for 1.0), `-` for None."""
    return "-" if value is None else f"{value:.3f}"


def span(interval: Sequence[float] | None) -> str:
    """Returns an interval in words, `-` for None."""
    return "-" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def digits(cell: str) -> str:
    """Returns the score in a cell of a table, `-` for an empty one."""
    return score(float(cell) if cell else None)


def percent(share: float) -> str:
    """Returns a share in whole percent."""
    return f"{share:.0%}".replace("%", "\u00a0%")


def many(count: int, noun: str) -> str:
    """Returns `1 text`, `2 texts`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shown(text: str) -> str:
    """Returns a text in one line in which nothing is hidden.

    Control characters become pictures (␛). Marks that embed, override or isolate a direction could reorder what stands
    around them: they become U+FFFD, like what no page may hold. Marks that only give a hint (U+200E, U+200F) stay.
    """
    return UNSHOWN.sub("\ufffd", " ".join(text.split()).translate(PICTURES))


def cut(text: str) -> tuple[str, str]:
    """Returns (what stands on the page, the title that shows more of it; empty where nothing was cut)."""
    line = shown(text)
    if len(line) <= CUT:
        return line, ""
    more = line if len(line) <= TITLE else f"{line[:TITLE]} … ({len(line):,} characters)"
    return f"{line[:CUT].rstrip()} …", more


def coded(sentence: str) -> Any:
    """Returns a sentence of ours as HTML, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = sentence.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts))
