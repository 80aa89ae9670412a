"""What a server's reply says, in OpenAI's chat protocol: the answer that is kept, or why there is none."""

import email.utils
import math
import time
from typing import Any

from labelrounds.llm.responses import Response

Body = dict[str, Any]


class Failed(Exception):
    """A request that got no answer; the message is the last reason."""


class Later(Failed):
    """One that may get an answer later. after : seconds that the server asks to wait, if it says"""

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class Hopeless(Exception):
    """What every request would fail with: a wrong key, model or address."""


def response(reply: Any, body: Body) -> Response:
    """Returns what is kept of a reply; half a reply is asked for again."""
    try:
        found = reply.json()
        choice = found["choices"][0]
        content, finish = choice["message"].get("content"), choice.get("finish_reason")
        content, finish = _text(content), _text(finish)
        used = found.get("usage") or {}
        made: Response = {
            "content": content,
            "finish": finish,
            "usage": [int(used.get(f"{side}_tokens") or 0) for side in ("prompt", "completion")],
        }
        if body.get("logprobs"):
            given = (choice.get("logprobs") or {}).get("content")
            if not given and content:
                raise Hopeless("it gives no log-probabilities. Set `form: json` for this prompt, and answers follow a JSON schema instead.")
            made["tokens"] = [
                [
                    _text(step["token"]) or "",
                    _number(step["logprob"]),
                    [[_text(top["token"]) or "", _number(top["logprob"])] for top in step.get("top_logprobs") or []],
                ]
                for step in given or []
            ]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError):
        raise Later("the server sent half an answer, or none in OpenAI's form") from None
    return made


def reason(reply: Any) -> str:
    """Returns the server's own words for an error, in one short line."""
    try:
        found = reply.json()
        found = found.get("error", found) if isinstance(found, dict) else found
        found = found.get("message", found) if isinstance(found, dict) else found
    except (ValueError, RecursionError):
        found = reply.text
    return " ".join(str(found).split()) or "no reason given"


def retry_after(value: str | None) -> float | None:
    """Returns the seconds in a Retry-After header, which is a number or a date (RFC 9110, 10.2.3)."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def masked(value: Any, secret: str) -> Any:
    """Returns a value of JSON with `***` for the key wherever it stands in a text."""
    if not secret:
        return value
    if isinstance(value, str):
        return value.replace(secret, "***")
    if isinstance(value, list):
        return [masked(part, secret) for part in value]
    return {name: masked(part, secret) for name, part in value.items()} if isinstance(value, dict) else value


def _text(value: Any) -> str | None:
    """Returns a text or None as it is, halves of a pair replaced; anything else is a TypeError."""
    if value is not None and not isinstance(value, str):
        raise TypeError
    return value and value.encode("utf-8", "replace").decode("utf-8")


def _number(value: Any) -> float:
    if isinstance(value, (bool, str)) or math.isnan(value):
        raise TypeError
    return round(min(max(float(value), -1e4), 0.0), 6)  # some servers write -inf, or -9999
