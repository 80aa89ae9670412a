"""A change of many files happens whole or not at all, wherever it is killed."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from labelrounds.core import files, journal
from labelrounds.core.errors import UserError

OLD = {"a.txt": "old a", "data/b.txt": "old b", "data/gone/c.txt": "old c", "metrics/d.txt": "old d", "stays.txt": "stays"}
NEW = {"a.txt": "new a", "data/b.txt": "new b", "fresh/folder/e.txt": "new e", "data/pool/part.txt": "new part", "stays.txt": "stays"}


def build(folder: Path) -> None:
    for name, content in OLD.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)


def state(folder: Path) -> dict[str, str]:
    """Returns {path: content} of every file, the journal's own too."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def replace_all() -> None:
    """Turns OLD into NEW."""
    with journal.change() as change:
        for name in ("a.txt", "data/b.txt", "fresh/folder/e.txt"):
            change.put(name).write_text(NEW[name])
        pool = change.put("data/pool")
        pool.mkdir()
        (pool / "part.txt").write_text(NEW["data/pool/part.txt"])
        for name in ("data/gone", "metrics/d.txt"):
            change.remove(name)


KILLED = """
import os, signal, sys
from tests.core import test_journal
from pathlib import Path
left = int(sys.argv[1])
def counted(real):
    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    return call
for name in ("rename", "replace", "unlink", "rmdir", "mkdir"):
    setattr(os, name, counted(getattr(os, name)))
test_journal.replace_all()
"""


def test_a_change_is_carried_out_and_leaves_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path)
    monkeypatch.chdir(tmp_path)
    replace_all()
    assert state(tmp_path) == NEW


@pytest.mark.slow
def test_killed_before_any_of_its_steps_a_change_is_undone_or_finished_by_the_next_command(tmp_path: Path) -> None:
    ends = set()
    for step in range(200):
        folder = tmp_path / str(step)
        folder.mkdir()
        build(folder)
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        done = subprocess.run([sys.executable, "-c", KILLED, str(step)], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        with contextlib.chdir(folder):
            journal.settle()
            journal.check_whole()
        found = state(folder)
        assert found in (OLD, NEW), f"killed before step {step}"
        assert not [path for path in folder.rglob("*") if path.name in (journal.NEW, journal.OLD)]
        ends.add("old" if found == OLD else "new")
        if done.returncode == 0:
            break
    else:
        pytest.fail("the change never came to its end")
    assert ends == {"old", "new"} and step > 15


def test_an_error_at_any_step_leaves_every_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, steps = os.rename, 0
    for failing in range(20):
        folder = tmp_path / str(failing)
        folder.mkdir()
        build(folder)
        monkeypatch.chdir(folder)
        steps = 0

        def once(source, target, failing=failing):
            nonlocal steps
            steps += 1
            if steps == failing + 1:
                raise OSError(28, "No space left on device")
            real(source, target)

        monkeypatch.setattr(os, "rename", once)
        try:
            replace_all()
        except OSError:
            assert state(folder) == OLD and not (folder / "fresh").exists()
        else:
            assert state(folder) == NEW
            break
    assert failing > 5


def test_an_error_inside_the_block_leaves_every_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt), journal.change() as change:
        change.put("fresh/x.txt").write_text("half")
        raise KeyboardInterrupt
    assert state(tmp_path) == OLD and not (tmp_path / "fresh").exists()


def test_a_damaged_journal_and_one_that_waits_are_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files.write_json(journal.JOURNAL, [])
    with pytest.raises(UserError, match="damaged"):
        journal.settle()
    journal.Change().write(journal.MAKING)
    journal.check_whole()
    journal.Change().write(journal.TURNED)
    with pytest.raises(UserError, match="a command was killed while it replaced files"):
        journal.check_whole()
