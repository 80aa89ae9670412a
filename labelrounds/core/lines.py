"""The decoded lines of a text file: what is not UTF-8 is an error at its line, never a guess."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labelrounds.core.errors import UserError, at

MAX_CELL = 1_000_000
LINE = 16 * MAX_CELL  # bytes that no line has
BLOCK = 1 << 18  # bytes read at once
TIMES = 100  # how many times larger than its file what is packed in it may be; real texts are packed to a tenth
ALWAYS = 50_000_000  # bytes that may come out of any file


def lines(path: Path) -> Iterator[str]:
    """Yields decoded lines; a wrong encoding or a NUL byte is an error at its line."""
    for block in blocks(path):
        yield from block


def blocks(path: Path) -> Iterator[list[str]]:
    """Yields the same lines, many at a time; those before an error come before it."""
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as file:
        number = unpacked = 0
        rest, more = b"", b"-"
        most = most_unpacked(path) if opener is gzip.open else None
        try:
            while more:
                more = file.read(BLOCK)
                unpacked += len(more)
                if most is not None and unpacked > most:
                    raise packed_too_well(path, most)
                whole, rest = _whole_lines(rest + more) if more else (rest, b"")
                if not whole:
                    continue
                found = _decoded(whole if number else whole.removeprefix(b"\xef\xbb\xbf"))
                if found is None:
                    yield from _one_by_one(path, whole, number)
                else:
                    yield found or [""]
                number += whole.count(b"\n")
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(f"{at(path)}: not a whole gzip file ({error}). Copy or compress it again.") from None


def _whole_lines(content: bytes) -> tuple[bytes, bytes]:
    """Returns (the lines that end here, the rest); a rest that is too long for a line counts as one."""
    whole, end, rest = content.rpartition(b"\n")
    return (content, b"") if len(rest) >= LINE else (whole + end, rest)


def _decoded(whole: bytes) -> list[str] | None:
    """Returns the lines, or None where one of them may be wrong."""
    if b"\0" in whole or len(whole) >= LINE:
        return None
    try:
        text = whole.decode("utf-8")
    except UnicodeDecodeError:
        return None
    found = text.splitlines(keepends=True)
    # It splits at other signs, too (form feeds, U+2028), which end no line of a file.
    return found if len(found) == text.count("\n") + (not text.endswith("\n")) else list(io.StringIO(text, newline="\n"))


def _one_by_one(path: Path, whole: bytes, number: int) -> Iterator[list[str]]:
    """Yields the lines up to the first that is wrong, then raises its error. number : of lines before them"""
    for raw in io.BytesIO(whole):
        number += 1
        if len(raw) >= LINE:
            raise UserError(f"{at(path, number)}: a line of more than {LINE:,} bytes. Cut what stands in it into parts.")
        if number == 1:
            if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise _wrong_encoding(path, 1, "UTF-16")
            raw = raw.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in raw:
            if raw.count(b"\0") * 3 > len(raw):
                raise _wrong_encoding(path, number, "UTF-16")
            raise UserError(
                f"{at(path, number)}: found a NUL byte, which no text holds. The file is damaged or not a text file; "
                f"`tr -d '\\000' < {path.name} > clean-{path.name}` removes such bytes."
            )
        try:
            yield [raw.decode("utf-8")]
        except UnicodeDecodeError:
            raise _wrong_encoding(path, number, _guess_encoding(raw)) from None


def most_unpacked(path: Path) -> int:
    """Returns how many bytes may come out of a packed file."""
    return max(ALWAYS, TIMES * path.stat().st_size)


def packed_too_well(path: Path, most: int) -> UserError:
    """Returns the error for a file out of which more comes than out of any text that was packed: it would fill the memory, or never end."""
    return UserError(
        f"{at(path)}: a file of {path.stat().st_size:,} bytes that holds more than {most:,} when unpacked. No texts are packed so well, so it is "
        "not read. If it is right, unpack it yourself first; write parquet without compression."
    )


def _guess_encoding(raw: bytes) -> str:
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        return "Windows-1252"
    beyond = [character for character in text if ord(character) > 127]
    chinese = sum("\u4e00" <= character <= "\u9fff" or "\u3000" <= character <= "\u303f" or "\uff00" <= character <= "\uffef" for character in beyond)
    return "GBK" if beyond and chinese >= 0.8 * len(beyond) else "Windows-1252"


def _wrong_encoding(path: Path, line: int, found: str) -> UserError:
    return UserError(
        f"{at(path, line)}: the file is not UTF-8; it looks like {found}. Save it from the spreadsheet as "
        f'"CSV UTF-8", or convert it: iconv -f {found.upper()} -t UTF-8 {path.name} > utf8-{path.name}'
    )
