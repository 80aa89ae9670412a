"""Many requests to a server that misbehaves: each is tried again as it should be, and none that fails loses another."""

import email.utils
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from labelrounds.core.errors import UserError
from labelrounds.core.params import LanguageModel
from labelrounds.core.task import Task
from labelrounds.llm import answers, replies, responses, server
from labelrounds.llm.prompt import Prompt

TASK = Task("multi-class", ("good", "bad"))
SOURCE = "{% block system %}Good or bad?{% endblock %}{% block user %}{{ text }}{% endblock %}"
SECRET = "sk-a-secret-that-nobody-may-see"


def said(content: str | None, finish: str = "stop", logprobs: bool = True) -> dict[str, Any]:
    """What a well-behaved server sends."""
    choice: dict[str, Any] = {"message": {"role": "assistant", "content": content}, "finish_reason": finish}
    if logprobs:
        top = [{"token": "good", "logprob": -0.5}, {"token": "bad", "logprob": -1.5}]
        choice["logprobs"] = {"content": [{"token": content or "", "logprob": -0.5, "top_logprobs": top}]}
    return {"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 1}}


class Misbehaving:
    """A server on loopback whose `behave(text, attempt)` says what happens to a request: a status, a body, or anything else."""

    def __init__(self) -> None:
        self.behave: Callable[[str, int], Any] = lambda text, attempt: said("good")
        self.seen: list[tuple[float, str]] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                text = body["messages"][-1]["content"]
                with lock:
                    outer.seen.append((time.monotonic(), text))
                    outer.headers.append(dict(self.headers))
                    attempt = sum(other == text for _, other in outer.seen)
                    outer.at_once += 1
                    outer.most_at_once = max(outer.most_at_once, outer.at_once)
                try:
                    found = outer.behave(text, attempt)
                finally:  # before it is answered: the client may ask again before this thread goes on
                    with lock:
                        outer.at_once -= 1
                try:
                    status, found, headers = found if isinstance(found, tuple) else (200, found, {})
                    content = found if isinstance(found, bytes) else json.dumps(found).encode()
                    self.send_response(status)
                    for name, value in {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(content)
                except BrokenPipeError:
                    pass

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def loopback() -> Iterator[Misbehaving]:
    made = Misbehaving()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The waits between attempts are a hundredth of the real ones; those that a server asks for are not touched."""
    monkeypatch.setattr(server, "FIRST_WAIT", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def asked(loopback: Misbehaving, texts: list[str], form: str = "scores", address: str | None = None, **settings: Any) -> tuple[dict, dict]:
    """Asks about each text; returns ({text: response}, {text: why it failed})."""
    model = LanguageModel(server=address or loopback.address, model="m", **({"timeout": 5.0, "attempts": 4, "concurrency": 4} | settings))
    prompt = Prompt(SOURCE, TASK, form, 1000, "prompt.jinja")
    bodies = {text: server.body_of(prompt.questions(text)[0], prompt, "m", model.parameters, None) for text in texts}
    kept: dict[str, Any] = {}
    steps: list[int] = []
    failures = server.Server("mine", model).ask(bodies, kept.__setitem__, steps.append)
    assert sum(steps) == len(texts), "progress reaches the end"
    return kept, failures


TEXTS = [f"text {number}" for number in range(12)]


def test_errors_and_half_answers_are_asked_again_until_there_is_an_answer(loopback: Misbehaving) -> None:
    whole = json.dumps(said("good")).encode()
    faults = [
        (500, {"error": {"message": "oops"}}, {}),
        (503, b"<html>busy</html>", {}),
        (200, whole[:40], {}),  # half of the JSON
        (200, whole, {"Content-Length": str(len(whole) + 50)}),  # the connection ends before the body does
        (200, b"", {}),
        {"choices": []},
        {"object": "chat.completion"},
        {"choices": [{"message": {"content": ["good"]}}]},
        (429, {"error": {"message": "slow down"}}, {}),
        (408, b"", {}),
        (200, b"[1, 2]", {}),
        (200, b"\xff\xfe", {}),
    ]
    loopback.behave = lambda text, attempt: faults[TEXTS.index(text)] if attempt < 3 else said("good")
    kept, failures = asked(loopback, TEXTS)
    assert failures == {} and set(kept) == set(TEXTS) and len(loopback.seen) == 3 * len(TEXTS)
    assert all(response["content"] == "good" and response["usage"] == [7, 1] for response in kept.values())


def test_one_request_that_fails_in_the_end_loses_no_other_and_is_not_kept(loopback: Misbehaving) -> None:
    loopback.behave = lambda text, attempt: (500, {"error": {"message": "oops"}}, {}) if text == TEXTS[3] else said("bad")
    kept, failures = asked(loopback, TEXTS)
    assert set(kept) == set(TEXTS) - {TEXTS[3]} and failures == {TEXTS[3]: "the server answered 500 (oops)"}
    assert sum(text == TEXTS[3] for _, text in loopback.seen) == 4


def test_a_request_that_the_server_will_never_take_is_not_repeated(loopback: Misbehaving) -> None:
    loopback.behave = lambda text, attempt: (400, {"error": {"message": "too long"}}, {}) if text == TEXTS[0] else said("bad")
    kept, failures = asked(loopback, TEXTS)
    assert len(kept) == 11 and failures == {TEXTS[0]: "the server answered 400 (too long)"} and len(loopback.seen) == 12


def test_a_server_that_is_too_slow_is_asked_again(loopback: Misbehaving) -> None:
    loopback.behave = lambda text, attempt: time.sleep(0.6 if attempt == 1 and text in TEXTS[:2] else 0) or said("good")
    kept, failures = asked(loopback, TEXTS[:4], timeout=0.3)
    assert len(kept) == 4 and not failures and len(loopback.seen) == 6


def test_nobody_asks_before_the_moment_that_retry_after_names(loopback: Misbehaving) -> None:
    loopback.behave = lambda text, attempt: (429, {}, {"Retry-After": "1"}) if len(loopback.seen) == 1 else said("good")
    _, failures = asked(loopback, TEXTS, concurrency=1)
    times = [at for at, _ in loopback.seen]
    assert not failures and times[1] - times[0] >= 1.0


def test_retry_after_is_a_number_or_a_date_or_nothing() -> None:
    assert replies.retry_after("2.5") == 2.5 and replies.retry_after("-3") == 0 and replies.retry_after(None) is None
    assert 25 < replies.retry_after(email.utils.formatdate(time.time() + 30, usegmt=True)) < 31
    assert replies.retry_after("soon") is None and replies.retry_after("nan") is None


def test_a_server_that_asks_for_an_hour_is_not_waited_for(loopback: Misbehaving) -> None:
    loopback.behave = lambda text, attempt: (429, {"error": {"message": "daily limit"}}, {"Retry-After": "3600"})
    with pytest.raises(UserError, match=r"asks to wait 3600 seconds \(daily limit\)"):
        asked(loopback, TEXTS)


def test_requests_run_at_once_but_not_more_than_allowed(loopback: Misbehaving) -> None:
    loopback.behave = lambda text, attempt: time.sleep(0.05) or said("good")
    asked(loopback, TEXTS, concurrency=3)
    assert 2 <= loopback.most_at_once <= 3


def test_requests_keep_to_the_rate(loopback: Misbehaving) -> None:
    asked(loopback, TEXTS[:6], requests_per_minute=1200)
    times = sorted(at for at, _ in loopback.seen)
    assert times[-1] - times[0] >= 5 * 60 / 1200 - 0.02


@pytest.mark.parametrize(
    ("status", "expected"), [(401, "environment variable: MY_KEY"), (403, "environment variable: MY_KEY"), (404, "the model's name (m)")]
)
def test_what_every_request_would_fail_with_stops_at_once(status: int, expected: str, loopback: Misbehaving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    loopback.behave = lambda text, attempt: (status, {"error": {"message": f"no, not {SECRET}"}}, {})
    with pytest.raises(UserError) as caught:
        asked(loopback, TEXTS, key="MY_KEY")
    assert expected in caught.value.message and SECRET not in caught.value.message and len(loopback.seen) <= 8


def test_the_key_comes_from_the_environment_alone(loopback: Misbehaving, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="environment variable MY_KEY is empty"):
        asked(loopback, TEXTS, key="MY_KEY")
    monkeypatch.setenv("MY_KEY", f" {SECRET}\n")
    kept, _ = asked(loopback, TEXTS[:1], key="MY_KEY")
    assert loopback.headers[-1]["Authorization"] == f"Bearer {SECRET}" and SECRET not in json.dumps(kept)
    asked(loopback, TEXTS[:1])
    assert "Authorization" not in loopback.headers[-1]


def test_a_server_that_is_gone_is_told_after_a_few_requests(loopback: Misbehaving) -> None:
    many = [f"text {number}" for number in range(200)]
    loopback.behave = lambda text, attempt: (502, b"", {})
    with pytest.raises(UserError, match=r"1\d requests in a row failed"):
        asked(loopback, many, attempts=1)
    assert len(loopback.seen) < 40
    loopback.close()
    with pytest.raises(UserError, match="the connection broke"):
        asked(loopback, many, attempts=2)


def test_an_address_that_is_none_is_told(loopback: Misbehaving) -> None:
    with pytest.raises(UserError, match="the address is none"):
        asked(loopback, TEXTS[:1], address="localhost:8000/v1")


def test_a_server_without_log_probabilities_is_told_what_to_set(loopback: Misbehaving) -> None:
    loopback.behave = lambda text, attempt: said("good", logprobs=False)
    with pytest.raises(UserError, match="Set `form: json`"):
        asked(loopback, TEXTS)
    kept, failures = asked(loopback, TEXTS, form="json")
    assert len(kept) == len(TEXTS) and not failures and "tokens" not in kept[TEXTS[0]]


def test_wrong_labels_cut_answers_and_refusals_are_kept_as_answers_outside_the_labels(loopback: Misbehaving) -> None:
    replies = [said("lovely"), said("The", "length"), said(None, "content_filter"), (400, {"error": {"code": "content_filter", "message": "no"}}, {})]
    loopback.behave = lambda text, attempt: replies[TEXTS.index(text)]
    kept, failures = asked(loopback, TEXTS[:4])
    assert not failures and len(loopback.seen) == 4
    assert [answers.probabilities(kept[text], TASK.labels) for text in TEXTS[:4]] == [None] * 4
    replies[:] = [said('{"label": "lovely"}'), said('{"label": "go', "length"), said(None, "content_filter"), replies[3]]
    kept, failures = asked(loopback, TEXTS[:4], form="json")
    assert not failures and [answers.voted(kept[text], TASK) for text in TEXTS[:4]] == [None] * 4


def test_own_parameters_go_before_ours_and_a_null_takes_one_away() -> None:
    prompt = Prompt(SOURCE, TASK, "json", 1000, "prompt.jinja")
    question = prompt.questions("x")[0]
    own = {"temperature": 0.3, "max_tokens": None, "max_completion_tokens": 9, "chat_template_kwargs": {"enable_thinking": False}}
    body = server.body_of(question, prompt, "m", own, None)
    assert "max_tokens" not in body and body["temperature"] == 0.3 and body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["response_format"]["json_schema"]["schema"] == prompt.schema() and server.tokens_of(body)[1] == 9
    keys = {responses.key_of(server.body_of(question, prompt, "m", own, seed)) for seed in (None, 1, 2)}
    assert len(keys) == 3, "each sample is a request of its own"


def test_the_key_is_taken_out_before_anything_is_cut(loopback: Misbehaving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server's own words are cut to 200 characters: the cut must not fall into the key and leave half of it."""
    monkeypatch.setenv("A_KEY", SECRET)
    for before in range(170, 201, 3):
        loopback.behave = lambda text, attempt, before=before: (400, {"error": {"message": f"{'x' * before}{SECRET} is wrong"}}, {})
        _, failures = asked(loopback, TEXTS[:1], key="A_KEY")
        assert SECRET[:4] not in failures[TEXTS[0]]


def test_a_key_that_a_server_repeats_is_kept_nowhere(loopback: Misbehaving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", SECRET)
    loopback.behave = lambda text, attempt: said(f"good {SECRET}", finish=SECRET)
    kept, _ = asked(loopback, TEXTS[:2], key="A_KEY")
    assert SECRET not in json.dumps(kept) and "***" in json.dumps(kept)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://me:pass-word@host:8000/v1", "http://***@host:8000/v1"),
        ("https://token@host/v1", "https://***@host/v1"),
        ("https://a:b@c@host/v1?api_key=sk-1", "https://***@host/v1?***"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("https://host?key=1", "https://host?***"),
        ("me:pass-word@host/v1", "***@host/v1"),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_password(tmp_path: Path, address: str, shown: str) -> None:
    assert server.shown(address) == shown
    said = server.describe(LanguageModel(server=address, model="m"), tmp_path / "m")
    assert shown in said and "pass-word" not in said


def test_no_error_shows_a_password_of_the_address(loopback: Misbehaving) -> None:
    loopback.behave = lambda text, attempt: (404, {"error": {"message": "no such model"}}, {})
    with pytest.raises(UserError) as caught:
        asked(loopback, TEXTS[:1], address=loopback.address.replace("http://", "http://me:pass-word@"))
    assert "pass-word" not in caught.value.message and "***@127.0.0.1" in caught.value.message


def step(token: Any = "good", logprob: Any = -0.5, top: Any = ()) -> dict[str, Any]:
    return {"choices": [{"message": {"content": "good"}, "logprobs": {"content": [{"token": token, "logprob": logprob, "top_logprobs": list(top)}]}}]}


ODD = {
    "a token that is a number": step(token=7),
    "a token that is a list": step(token=["good"]),
    "a likely token that is none": step(top=[{"token": {"a": 1}, "logprob": -1}]),
    "a probability that is no number": step(logprob="a lot"),
    "a probability that is NaN": step(logprob=float("nan")),
    "a reason that is a list": {
        "choices": [{"message": {"content": "good"}, "finish_reason": ["stop"], "logprobs": step()["choices"][0]["logprobs"]}]
    },
    "an endless count": {**said("good"), "usage": {"prompt_tokens": float("inf")}},
    "a deep reply": b"[" * 100_000,
    "an object in an object": b'{"a":' * 100_000,
    "a number of 5,000 digits": b'{"choices": ' + b"1" * 5000 + b"}",
}


@pytest.mark.parametrize("reply", ODD.values(), ids=ODD)
def test_a_reply_that_is_none_is_asked_again_and_never_kept(loopback: Misbehaving, reply: Any) -> None:
    loopback.behave = lambda text, attempt: reply if attempt == 1 else said("good")
    kept, failures = asked(loopback, TEXTS[:1])
    assert not failures and responses.is_whole(kept[TEXTS[0]]) and len(loopback.seen) == 2


def test_half_of_a_surrogate_pair_is_kept_as_a_sign_that_it_was_there(loopback: Misbehaving) -> None:
    loopback.behave = lambda text, attempt: json.dumps(said("good \ud83d")).encode()
    kept, _ = asked(loopback, TEXTS[:1])
    assert kept[TEXTS[0]]["content"] == "good ?" and json.dumps(kept, ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("code", [["a"], {"a": 1}, 7, None])
def test_an_error_with_an_odd_code_is_an_error_like_any_other(loopback: Misbehaving, code: Any) -> None:
    loopback.behave = lambda text, attempt: (400, {"error": {"message": "no", "code": code}}, {})
    assert asked(loopback, TEXTS[:1])[1] == {TEXTS[0]: "the server answered 400 (no)"}
