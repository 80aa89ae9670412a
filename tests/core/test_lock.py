"""One command writes at a time, none under a stage that reads, and each says whom it waits for."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from filelock import FileLock

from labelrounds.core import lock, paths
from labelrounds.core.errors import UserError
from labelrounds.core.scratch import reading
from tests.small import SmallProject, project


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """A project whose commands lose their patience soon."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lock, "PATIENCE", 0.3)
    monkeypatch.setattr(lock, "STAGES_PATIENCE", 0.3)
    made = project(tmp_path)
    paths.ROUNDS.mkdir(parents=True)
    paths.SCRATCH.mkdir()
    return made


class Elsewhere:
    """Another process that holds a lock; `said` stands in a file beside it."""

    def __init__(self, path: Path, beside: str, **said: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        code = f"import filelock, sys; held = filelock.FileLock({str(path)!r}); held.acquire(); print('held', flush=True); sys.stdin.read()"
        self.process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout and self.process.stdout.readline() == b"held\n"
        path.with_name(beside).write_text(json.dumps({"pid": self.process.pid, **said}), encoding="utf-8")

    def __enter__(self) -> "Elsewhere":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()


def test_a_command_that_waits_too_long_names_the_holder_and_writes_nothing(here: SmallProject) -> None:
    here.write("data/pool.csv", "text\na text\n")
    here.write("labels.csv", "text,label\na text,good\n")
    with Elsewhere(lock.LOCK, "holder", command="labelrounds import other.csv") as other:
        said = here.wrong("import", "labels.csv")
    assert f"`labelrounds import other.csv` (process {other.process.pid}), which is writing, is still at work" in said
    assert "Nothing was written" in said
    assert "1 labels" in here.command("import", "labels.csv"), "the lock of a killed process is free"


def test_a_command_waits_for_a_stage_that_reads_what_it_writes_and_for_no_other(here: SmallProject) -> None:
    with Elsewhere(paths.SCRATCH / "split/lock", lock.PROCESS, command="python -m stages.split", reads=["data/rounds"]):
        with pytest.raises(UserError, match=r"`python -m stages.split` .*, which reads data/rounds"), lock.project(paths.ROUNDS):
            pytest.fail("the stage reads")
        with lock.project(paths.AUDITS):
            pass
    with lock.project(paths.ROUNDS):
        pass


@pytest.mark.parametrize("command", ["import", "draw", "audit"])
def test_a_stage_begins_when_no_command_is_writing(here: SmallProject, command: str) -> None:
    error = pytest.raises(UserError, match=f"labelrounds {command}.* is still at work")
    with Elsewhere(lock.LOCK, "holder", command=f"labelrounds {command}"), error, reading("split", paths.ROUNDS):
        pytest.fail("a command writes")
    with reading("split", paths.ROUNDS):
        pass


def entry(pid: int) -> dict[str, object]:
    return {"pid": pid, "cmd": "dvc repro"}


@pytest.mark.parametrize("how", ["read", "write"])
def test_a_command_waits_until_dvc_has_recorded_what_its_stage_read(here: SmallProject, how: str) -> None:
    """A stage has ended, and DVC hashes now what it thinks that the stage has read."""
    with subprocess.Popen(["sleep", "30"]) as dvc:
        at = str(here.folder / "data/rounds")
        here.write(".dvc/tmp/rwlock", json.dumps({"read": {}, "write": {}, how: {at: [entry(dvc.pid)] if how == "read" else entry(dvc.pid)}}))
        with pytest.raises(UserError, match=rf"`dvc repro` \(process {dvc.pid}\), which {how}s data/rounds"), lock.project(paths.ROUNDS):
            pytest.fail("DVC records")
        with lock.project(paths.AUDITS):
            pass
        dvc.kill()
    with lock.project(paths.ROUNDS):
        pass


def test_a_command_inside_a_stage_does_not_wait_for_its_own_dvc(here: SmallProject) -> None:
    here.write(".dvc/tmp/rwlock", json.dumps({"read": {str(here.folder / "data/rounds"): [entry(os.getppid())]}}))
    with lock.project(paths.ROUNDS):
        pass


@pytest.mark.parametrize("content", ["", "[]", "{", '{"read": []}', '{"read": {"data/rounds": [1]}}'])
def test_a_list_of_dvc_that_cannot_be_read_stops_nobody(here: SmallProject, content: str) -> None:
    here.write(".dvc/tmp/rwlock", content)
    with lock.project(paths.ROUNDS):
        pass


def test_a_command_may_call_another_one() -> None:
    with lock.project(paths.ROUNDS), lock.project(paths.AUDITS):
        pass
    with FileLock(lock.LOCK).acquire(timeout=0):
        pass


def test_threads_of_one_process_wait_for_each_other_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 60)
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        with lock.project(paths.ROUNDS):
            inside.append(1)
            most.append(len(inside))
            threading.Event().wait(0.01)
            inside.pop()

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == [1] * 8


def test_the_lock_leaves_a_commands_options_and_help_as_they_are() -> None:
    @click.command()
    @click.argument("name")
    @lock.project()
    def hello(name: str) -> None:
        """Say hello."""
        click.echo(f"hello {name}")

    assert "Say hello." in CliRunner().invoke(hello, ["--help"]).output
    assert CliRunner().invoke(hello, ["you"]).output == "hello you\n"


def test_a_parameter_in_use_that_changes_under_a_stage_stops_it_and_others_do_not(here: SmallProject) -> None:
    from labelrounds.core import params

    settings = params.load()
    with reading("split"):
        assert settings.split.valid == 0.25
        here.params(select__size=7)
    with pytest.raises(UserError, match=r"params.yaml:\d+: `split` changed while it was in use"), reading("split"):
        here.params(split__valid=0.3)
    params.load()
    with reading("split"):
        here.write("params.yaml", here.read("params.yaml") + "# a comment\n")
