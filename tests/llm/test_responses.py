"""Kept responses: nothing is asked twice, a kill loses nothing that was answered, and the same responses are the same bytes."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core.errors import UserError
from labelrounds.llm import responses
from labelrounds.llm.responses import Kept
from tests.graph import ROOT
from tests.small import FEWER

REQUEST = {
    "model": "m",
    "messages": [{"role": "user", "content": "a 中 \ud800"}],
    "temperature": 0.0,
    "response_format": {"schema": {"type": "object"}},
}


def test_the_key_is_of_model_prompt_parameters_and_schema_and_of_nothing_else() -> None:
    key = responses.key_of(REQUEST)
    assert key == responses.key_of(dict(reversed(REQUEST.items()))) and len(key) == 64
    changes = [("model", "n"), ("messages", []), ("temperature", 0.1), ("response_format", None), ("seed", 1)]
    assert len({key, *(responses.key_of(REQUEST | {name: value}) for name, value in changes)}) == 6


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(-1e9, 1e9) | st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.lists, max_leaves=5
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), st.dictionaries(st.text("xy", max_size=2), json_values, max_size=3), max_size=6))
@FEWER
def test_what_is_published_is_read_again_and_its_bytes_do_not_depend_on_the_order(tmp_path_factory: pytest.TempPathFactory, found: dict) -> None:
    folder = tmp_path_factory.mktemp("published")
    responses.publish(folder / "one.jsonl", found)
    responses.publish(folder / "two.jsonl", dict(reversed(found.items())))
    assert (folder / "one.jsonl").read_bytes() == (folder / "two.jsonl").read_bytes()
    assert responses.published(folder / "one.jsonl") == found


def test_what_is_kept_is_found_by_the_next_process_and_stays_as_it_was(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "a" / "kept.sqlite", {"0": {"n": "published"}})
    assert kept.find(["0", "1"]) == {"0": {"n": "published"}} and not (tmp_path / "a").exists(), "looking writes nothing"
    for number in range(1, 1200):
        kept._connection().execute("INSERT INTO kept VALUES (?, ?)", (str(number), '{"n": "中"}'))
    kept._connection().commit()
    kept.keep({"1": {"n": "another"}})
    kept.close()
    found = Kept(tmp_path / "a" / "kept.sqlite").find(map(str, range(1300)))
    assert len(found) == 1199 and found["1"] == {"n": "中"}


def test_a_kill_in_the_middle_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\nfrom labelrounds.llm.responses import Kept\nkept = Kept(Path(sys.argv[1]))\n"
        "for number in range(10**6):\n    kept.keep({str(number): {'n': number}})\n    print(number, flush=True)\n"
    )
    path = tmp_path / "kept.sqlite"
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        told = [int(process.stdout.readline()) for _ in range(30)][-1]
        os.kill(process.pid, signal.SIGKILL)
        told = max([told, *(int(line) for line in process.stdout if line.endswith("\n"))])
    found = Kept(path).find(map(str, range(told + 50)))
    assert told + 1 <= len(found) <= told + 2 and all(found[str(number)] == {"n": number} for number in range(told + 1))


def test_a_file_that_is_no_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "kept.sqlite").write_text("something else, long enough to be seen as no database at all")
    with pytest.raises(UserError, match="the kept responses cannot be read"):
        Kept(tmp_path / "kept.sqlite").find(["1"])


@pytest.mark.parametrize(
    "content",
    ["", "[]", "7", '{"content": 1, "usage": [1, 1]}', '{"content": "a", "usage": "many"}', '{"content": "a", "usage": [1, 1], "tokens": [[7, -1, []]]}',
     '{"content": "a", "usage": [1, 1], "tokens": [["a", null, []]]}', '{"answers": ["a"], "usage": [0, 0]}', '{"answers": [NaN], "usage": [0, 0]}', "[" * 5000],
)  # fmt: skip
def test_what_is_kept_and_is_no_response_is_forgotten_and_asked_again(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kept.sqlite"
    whole = {"content": "good", "finish": "stop", "usage": [3, 1], "tokens": [["good", -0.5, [["good", -0.5]]]]}
    kept = Kept(path, whole=responses.is_whole)
    kept.keep({"whole": whole})
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO kept VALUES ('odd', ?)", [content])
    assert kept.find(["odd", "whole"]) == {"whole": whole}
    kept.keep({"odd": whole})
    assert kept.find(["odd"]) == {"odd": whole}


def test_a_damaged_file_is_one_error_whenever_it_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "kept.sqlite"
    kept = Kept(path)
    kept.keep({str(number): {"content": "x" * 500} for number in range(200)})
    kept.close()
    damaged = bytearray(path.read_bytes())
    damaged[4096:] = b"\x17" * (len(damaged) - 4096)
    path.write_bytes(damaged)
    with pytest.raises(UserError, match="the kept responses cannot be read"):
        Kept(path).find(map(str, range(200)))
    with pytest.raises(UserError, match=r"cannot be read|cannot be written"):
        Kept(tmp_path).keep({"a": {}})
