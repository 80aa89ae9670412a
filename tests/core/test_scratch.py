"""Work in progress is found again by the same work alone, and written by one process at a time."""

import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from labelrounds.core import paths
from labelrounds.core import scratch as room
from labelrounds.core.errors import UserError
from labelrounds.core.scratch import scratch


@pytest.fixture(autouse=True)
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An input of a stage, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    # The code's digest is the same in every call here, and takes most of the time.
    monkeypatch.setattr(room, "CODE", ())
    path = tmp_path / "input.csv"
    path.write_text("text\na\n", encoding="utf-8")
    return path


def interrupted(source: Path, settings: str = "epochs=2") -> Path:
    """Begins work, leaves a checkpoint and fails, as a killed stage does; returns the scratch folder."""
    with pytest.raises(KeyboardInterrupt), scratch("finetune", [source], settings) as folder:
        (folder / "checkpoint").write_text("half", encoding="utf-8")
        raise KeyboardInterrupt
    return folder


def test_an_interrupted_stage_finds_its_checkpoint_again(source: Path) -> None:
    interrupted(source)
    with scratch("finetune", [source], "epochs=2") as folder:
        assert (folder / "checkpoint").read_text(encoding="utf-8") == "half"


def test_a_finished_stage_leaves_no_checkpoint(source: Path) -> None:
    interrupted(source)
    with scratch("finetune", [source], "epochs=2") as folder:
        pass
    assert not folder.exists()


def test_a_checkpoint_never_meets_other_parameters(source: Path) -> None:
    old = interrupted(source)
    with scratch("finetune", [source], "epochs=3") as folder:
        assert folder != old and not list(folder.iterdir())
        assert not old.exists()


def test_a_checkpoint_never_meets_other_inputs(source: Path) -> None:
    interrupted(source)
    source.write_text("text\nb\n", encoding="utf-8")
    with scratch("finetune", [source], "epochs=2") as folder:
        assert not list(folder.iterdir())


def test_a_checkpoint_never_meets_other_code(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "code"
    code.mkdir()
    monkeypatch.setattr(room, "CODE", (code,))
    interrupted(source)
    (code / "training.py").write_text("a = 1\n", encoding="utf-8")
    with scratch("finetune", [source], "epochs=2") as folder:
        assert not list(folder.iterdir())


def test_the_scratch_of_another_stage_stays(source: Path) -> None:
    other = interrupted(source)
    with scratch("adapt", [source], "epochs=2"):
        pass
    assert (other / "checkpoint").is_file()


def test_an_input_that_changes_under_a_stage_stops_it(source: Path) -> None:
    with pytest.raises(UserError, match="changed while it was being read"), scratch("finetune", [source], "epochs=2"):
        source.write_text("text\nother\n", encoding="utf-8")


def test_a_second_process_waits_for_the_first_and_says_so(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entered = threading.Event()

    def second() -> None:
        with scratch("finetune", [source], "epochs=2"):
            entered.set()

    stage = paths.SCRATCH / "finetune"
    stage.mkdir(parents=True)
    with FileLock(stage / "lock"):
        (stage / "process").write_text('{"pid": 4711}')
        waiting = threading.Thread(target=second)
        waiting.start()
        time.sleep(0.2)
        assert not entered.is_set()
    waiting.join(timeout=10)
    assert entered.is_set()
    assert "Process 4711 is still at work" in capsys.readouterr().out
