"""`python -m benchmarks.gpu` reports each part on its own, and `--tiny` goes through what it does on a GPU, on the CPU."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks import gpu
from tests.conftest import ROOT


def differs(tiny_shapes: bool, room: Path) -> dict[str, Any]:
    return gpu.compared({"models/a": "1", "models/b": "2"}, {"models/a": "1", "models/b": "3"})


def breaks(tiny_shapes: bool, room: Path) -> dict[str, Any]:
    raise ValueError("no such kernel")


def lasts(tiny_shapes: bool, room: Path) -> dict[str, Any]:
    time.sleep(600)
    return {}


def works(tiny_shapes: bool, room: Path) -> dict[str, Any]:
    return {"figure": 7}


def measured(monkeypatch: pytest.MonkeyPatch, **parts: Any) -> tuple[int, dict[str, Any]]:
    """Returns the exit code and the JSON of a run with these parts, each of which may take half a second."""
    monkeypatch.setattr(gpu, "settle", lambda tiny_shapes: None)
    monkeypatch.setattr(gpu, "about", works)
    monkeypatch.setattr(gpu, "PARTS", {name: (function, 0.5 / gpu.PATIENCE if function is lasts else 60) for name, function in parts.items()})
    done = CliRunner().invoke(gpu.main, ["--tiny", "--parts", ",".join(parts)])
    return done.exit_code, json.loads(done.stdout)


def test_a_part_that_fails_or_lasts_too_long_says_so_and_the_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    code, found = measured(monkeypatch, base=breaks, minilm=lasts, decoder=works)
    parts = found["parts"]
    assert code == 0
    assert not parts["base"]["ok"] and "ValueError: no such kernel" in parts["base"]["error"]
    assert not parts["minilm"]["ok"] and "stopped after" in parts["minilm"]["error"]
    assert parts["decoder"]["ok"] and parts["decoder"]["figure"] == 7


def test_bytes_that_differ_are_named_and_are_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    code, found = measured(monkeypatch, bytes=differs, decoder=works)
    assert code == 1
    assert found["parts"]["bytes"]["differing"] == ["models/b"] and not found["parts"]["bytes"]["ok"]


@pytest.mark.slow
def test_minute_shapes_go_through_on_a_cpu(tmp_path: Path) -> None:
    """All but two whole runs of the stages, which take as long as the rest together."""
    names = [name for name in gpu.PARTS if name != "bytes"]
    command = [sys.executable, "-m", "benchmarks.gpu", "--tiny", "--parts", ",".join(names), "--out", str(tmp_path / "gpu.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    parts = found["parts"]
    assert {name: part["error"] for name, part in parts.items()} == dict.fromkeys(names)
    resume = parts["resume"]
    assert resume["same_bytes"] and resume["files"] and resume["exit_of_killed"] == -9 and resume["checkpoints_left"]
    figures = [*parts["base"]["predict"].values(), *parts["base"]["train"].values(), *parts["minilm"]["trainings"], parts["decoder"]["lora"]]
    assert all(figure["texts_per_second"] > 0 for figure in figures if isinstance(figure, dict))
