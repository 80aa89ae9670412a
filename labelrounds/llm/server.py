"""A server that speaks OpenAI's chat protocol (vLLM, Ollama, llama.cpp and many more), asked many things at once.

Each request is tried again after a time-out, a broken connection, half an answer, 429 or 5xx, ever later and never
before the server's own Retry-After; all requests keep to one pace. A request that still fails is reported, and the others go on.
"""

import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from labelrounds.core import files
from labelrounds.core.errors import UserError
from labelrounds.core.params import LanguageModel
from labelrounds.llm import replies
from labelrounds.llm.prompt import JSON, Prompt, Question, missing_extra
from labelrounds.llm.replies import Body, Failed, Hopeless, Later, masked
from labelrounds.llm.responses import Response

SERVED = "server.json"  # in the folder of a language model that a server has
AGAIN = {408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
FIRST_WAIT = 1.0  # seconds before the second attempt; doubled before each further one
LONGEST_WAIT = 600.0  # seconds; a server that asks for more is not waited for
REFUSED = {"content_filter", "content_policy_violation"}  # error codes by which a server declines to answer about one text
IN_A_ROW = 10  # so many requests that fail one after the other mean that the server, not the text, is the trouble


def describe(model: LanguageModel, folder: Path) -> str:
    """Writes down which model a server is to be asked for, sealed with a manifest, and returns the same in words.

    Where the server is and how fast it may be asked is no part of it: another address gives the same answers.
    """
    made = files.beside(folder)
    files.write_json(made / SERVED, {"model": model.model, "parameters": model.parameters})
    files.seal(made)
    files.publish(made, folder)
    return f"{model.model} at {shown(model.server)}, which is asked when texts are to be labelled"


def shown(address: str) -> str:
    """Returns the address of a server for the screen: without a name, a password and whatever stands behind `?`, which may be a key."""
    scheme, mark, rest = address.partition("://")
    host = rest if mark else scheme
    before, slash, path = host.partition("/")
    before, query, _ = before.partition("?")
    path, further, _ = path.partition("?")
    masked = f"***@{before.rpartition('@')[2]}" if "@" in before else before
    return f"{scheme}{mark}" * bool(mark) + masked + slash + path + ("?***" if query or further else "")


def body_of(question: Question, prompt: Prompt, model: str, parameters: dict[str, Any], seed: int | None) -> Body:
    """Returns what is sent for one question: also what its response is kept under.

    Own `parameters` go before ours; one that is null is left out. seed : of one of several samples
    """
    body: Body = {"model": model, "messages": [dict(message) for message in question.messages]}
    if prompt.form == JSON:
        shape = {"name": "answer", "strict": True, "schema": prompt.schema()}
        words = (
            sum(len(label.encode()) for label in prompt.task.labels) if prompt.task.multi_label else max(len(x.encode()) for x in prompt.task.labels)
        )
        body |= {
            "max_tokens": 32 + 8 * len(prompt.task.labels) * prompt.task.multi_label + words,
            "response_format": {"type": "json_schema", "json_schema": shape},
        }
        body |= {"temperature": 0.0} if seed is None else {"temperature": 1.0, "seed": seed}
    else:
        longest = max(len(answer.encode()) for answer in question.answers)
        body |= {"temperature": 0.0, "max_tokens": 3 + -(-longest // 2), "logprobs": True, "top_logprobs": 20}
    return {name: value for name, value in (body | parameters).items() if value is not None}


def tokens_of(body: Body) -> tuple[int, int]:
    """Returns about how many tokens a request has, and how many its answer may have: 4 bytes of UTF-8 are a token."""
    said = sum(len(message["content"].encode()) + 16 for message in body["messages"])
    return math.ceil(said / 4), int(body.get("max_tokens") or body.get("max_completion_tokens") or 0)


class Pace:
    """The moments at which requests may leave: at most so many per minute, and none before a server that is busy asked for it."""

    def __init__(self, per_minute: float, stop: threading.Event) -> None:
        self._gap = 60 / per_minute if per_minute else 0.0
        self._next, self._lock, self._stop = 0.0, threading.Lock(), stop

    def turn(self) -> None:
        """Waits for this request's moment."""
        while not self._stop.is_set():
            with self._lock:
                now = time.monotonic()
                if now >= self._next:
                    self._next = now + self._gap
                    return
                left = self._next - now
            self._stop.wait(min(left, 1.0))

    def hold(self, seconds: float) -> None:
        """Lets no request leave for so long."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)


class Server:
    """The connection: `ask` sends many bodies and gives back what came."""

    def __init__(self, name: str, settings: LanguageModel) -> None:
        self._name, self._settings = name, settings
        self._stop = threading.Event()
        self._pace = Pace(settings.requests_per_minute, self._stop)
        self._headers = {}
        self._secret = os.environ.get(settings.key, "").strip() if settings.key else ""
        if settings.key:
            if not self._secret:
                raise UserError(
                    f"the environment variable {settings.key} is empty: it should hold the key of language_models.{name}. Set it, then run again."
                )
            self._headers["Authorization"] = f"Bearer {self._secret}"

    def ask(self, bodies: dict[str, Body], keep: Callable[[str, Response], None], progress: Callable[[int], Any]) -> dict[str, str]:
        """Sends {key: body}, calls keep(key, response) as they come, in this thread; returns {key: why} of those that failed.

        What all of them would fail with is a UserError; what came before it has been kept.
        """
        client = self._client()
        failures: dict[str, str] = {}
        row = 0
        waiting: dict[Future[Response], str] = {}
        todo = iter(bodies.items())
        with client, ThreadPoolExecutor(self._settings.concurrency) as workers:
            try:
                while True:
                    while len(waiting) < 2 * self._settings.concurrency and (item := next(todo, None)):
                        waiting[workers.submit(self._asked, client, item[1])] = item[0]
                    if not waiting:
                        return failures
                    for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                        key = waiting.pop(done)
                        try:
                            keep(key, done.result())
                            row = 0
                        except Failed as error:
                            failures[key] = str(error)
                            row += 1
                        progress(1)
                    if row >= IN_A_ROW:
                        raise UserError(
                            f"{self._where()}: {row} requests in a row failed, the last with: {list(failures.values())[-1]}. "
                            "What was answered is kept. Look after the server, then run again: only the rest is asked."
                        )
            except Hopeless as error:
                raise UserError(f"{self._where()}: {error} What was answered is kept.") from None
            finally:
                self._stop.set()
                workers.shutdown(cancel_futures=True)

    def _where(self) -> str:
        return f"language_models.{self._name} ({shown(self._settings.server)})"

    def _client(self) -> Any:
        try:
            import httpx2
        except ImportError:
            raise missing_extra("httpx2") from None
        try:
            return httpx2.Client(
                headers=self._headers,
                timeout=httpx2.Timeout(self._settings.timeout),
                limits=httpx2.Limits(max_connections=self._settings.concurrency),
            )
        except (ValueError, UnicodeError):
            raise UserError(f"the environment variable {self._settings.key} cannot be a key: it holds characters that no key has.") from None

    def _asked(self, client: Any, body: Body) -> Response:
        """Returns the response to one body, after as many attempts as are allowed; raises Failed or Hopeless."""
        import tenacity

        return tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self._settings.attempts) | tenacity.stop_when_event_set(self._stop),
            wait=_wait,
            retry=tenacity.retry_if_exception_type(Later),
            sleep=tenacity.sleep_using_event(self._stop),
            reraise=True,
        )(self._attempt, client, body)

    def _attempt(self, client: Any, body: Body) -> Response:
        import httpx2

        self._pace.turn()
        if self._stop.is_set():
            raise Failed("stopped")
        try:
            reply = client.post(self._settings.server.rstrip("/") + "/chat/completions", json=body)
        except httpx2.TimeoutException:
            raise Later(f"no answer within {self._settings.timeout:g} seconds") from None
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL):
            raise Hopeless('the address is none: expected "http://HOST:PORT/v1" or "https://…/v1".') from None
        except httpx2.RequestError as error:
            raise Later(f"the connection broke ({type(error).__name__})") from None
        if reply.status_code == 200:
            return masked(replies.response(reply, body), self._secret)
        return self._refused(reply, body)

    def _refused(self, reply: Any, body: Body) -> Response:
        """Returns the response where declining is the answer; raises for every other status."""
        # Some servers repeat the key that they refuse: it goes before anything is cut.
        status, why = reply.status_code, masked(replies.reason(reply), self._secret)[:200]
        if status in AGAIN:
            after = replies.retry_after(reply.headers.get("retry-after"))
            if after is not None and after > LONGEST_WAIT:
                raise Hopeless(f"the server answered {status} and asks to wait {after:.0f} seconds ({why}). Run again then.")
            if after:
                self._pace.hold(after)
            raise Later(f"the server answered {status} ({why})", after)
        if status in (401, 403):
            key = self._settings.key or "none: name an environment variable with `key`"
            raise Hopeless(f"the server answered {status} ({why}). Check the key (environment variable: {key}).")
        if status == 404:
            raise Hopeless(f"the server answered 404 ({why}). Check the address, and the model's name ({body['model']}).")
        try:
            code = reply.json()["error"].get("code")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            code = None
        if isinstance(code, str) and code in REFUSED:
            return {"content": None, "finish": code, "usage": [0, 0]}
        raise Failed(f"the server answered {status} ({why})")


def _wait(state: Any) -> float:
    """Returns the seconds until the next attempt: 1, 2, 4 … 60 and up to half a second, and never before what the server asks for."""
    import tenacity

    backing_off = tenacity.wait_exponential(multiplier=FIRST_WAIT, max=60)(state) + tenacity.wait_random(0, FIRST_WAIT / 2)(state)
    after = getattr(state.outcome.exception(), "after", None) if state.outcome else None
    return max(backing_off, after) if after is not None else backing_off
