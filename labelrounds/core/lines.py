"""The decoded lines of a text file: what is not UTF-8 is an error at its line, never a guess."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from labelrounds.core.errors import UserError, at

MAX_CELL = 1_000_000
TIMES = 100  # how many times larger than its file what is packed in it may be; real texts are packed to a tenth
ALWAYS = 50_000_000  # bytes that may come out of any file


def lines(path: Path) -> Iterator[str]:
    """Yields decoded lines; a wrong encoding or a NUL byte is an error at its line."""
    opener: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with opener(path, "rb") as file:
        number = unpacked = 0
        most = most_unpacked(path) if opener is gzip.open else None
        try:
            while raw := file.readline(16 * MAX_CELL):
                number += 1
                unpacked += len(raw)
                if most is not None and unpacked > most:
                    raise packed_too_well(path, most)
                if len(raw) == 16 * MAX_CELL:
                    raise UserError(f"{at(path, number)}: a line of more than {len(raw):,} bytes. Cut what stands in it into parts.")
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
                    yield raw.decode("utf-8")
                except UnicodeDecodeError:
                    raise _wrong_encoding(path, number, _guess_encoding(raw)) from None
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(f"{at(path)}: not a whole gzip file ({error}). Copy or compress it again.") from None


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
