"""What a form of the page says: each field is read, or refused in one sentence."""

import re
import secrets
import unicodedata
from typing import Any
from urllib.parse import parse_qs

from starlette.requests import Request

from labelrounds.people.serve.room import REASONS, Room

BODY = 100_000  # bytes that a request may send
NOTE = 2000  # characters of a note


class Refused(Exception):
    """A request that is not answered. status : of HTTP; args[0] : what a person reads"""

    def __init__(self, status: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.more = status, more


async def form(request: Request) -> dict[str, list[str]]:
    """Returns the fields of a form; a body that is too long or none is refused."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY:
            raise Refused(413, f"More than {BODY:,} bytes were sent. Nothing was kept.")
    try:
        return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=5000)
    except ValueError:
        raise Refused(400, "This is no form. Nothing was kept.") from None


def labels_of(fields: dict[str, list[str]], room: Room) -> tuple[str, ...]:
    """Returns the labels that a form gives, in the task's order."""
    given = set(fields.get("label", [])) if "none" not in fields else set()
    if any(label not in room.task.index for label in given):
        raise Refused(400, "The page knows a label that the project does not have. Load it again; nothing was kept.")
    if (room.task.multi_label and not given and "none" not in fields) or (not room.task.multi_label and len(given) != 1):
        raise Refused(400, "Choose a label. Nothing was kept.")
    return tuple(sorted(given, key=room.task.index.__getitem__))


def reason_of(fields: dict[str, list[str]]) -> str:
    """Returns why a text is skipped."""
    reason = fields.get("reason", [""])[0]
    return reason if reason in REASONS else "other"


def key_of(fields: dict[str, list[str]]) -> str:
    """Returns what tells one press of a key from another."""
    key = fields.get("key", [""])[0]
    return key if re.fullmatch(r"[A-Za-z0-9-]{8,64}", key) else secrets.token_hex(12)


def tab_of(tab: str) -> str:
    """Returns the name of a tab; empty for a page without script."""
    return tab if re.fullmatch(r"[A-Za-z0-9-]{8,64}", tab) else ""


def seconds_of(fields: dict[str, list[str]], measured: float) -> str:
    """Returns the seconds that the page or else the server measured, an hour at most."""
    try:
        seconds = float(fields.get("seconds", [""])[0])
    except ValueError:
        seconds = measured
    return f"{min(max(seconds, 0.0), 3600.0):.1f}" if seconds == seconds else "0.0"


def cleaned(note: str) -> str:
    """Returns a note on one line, without control characters."""
    return " ".join("".join(" " if unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") else sign for sign in note).split())[:NOTE]
