"""Projects to test in: a copy of this repository, as a user has it after cloning, with a tiny model and corpus."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from labelrounds.core import portable, unforeseen
from tests import tiny

ROOT = Path(__file__).parent.parent
portable.settle(ROOT / "params.yaml")  # as a stage does before it imports numpy: tests run stages in this process, too
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "PYTHONDONTWRITEBYTECODE": "1",
    "DVC_NO_ANALYTICS": "1",  # projects of a test have no .dvc/config of ours, and each command would start a process that reports
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.org",
}


BASELINE = {"baseline": {"encoder": "vanilla", "method": "tfidf"}}


class Project:
    """A project folder and the commands that a user types in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *command: str, code: int | None = 0, **options) -> subprocess.CompletedProcess[str]:
        """Runs a command in the project; `code` is the exit status it must have (None: any)."""
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, env=ENVIRONMENT, **options)
        assert code is None or done.returncode == code, f"{' '.join(command)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def stage(self, name: str, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Runs one stage's script, as DVC does."""
        return self.run("python", "-m", f"stages.{name}", *arguments, code=code)

    def commit(self, message: str) -> None:
        """Commits everything that git does not ignore."""
        self.run("git", "add", "-A")
        self.run("git", "commit", "-q", "-m", message)

    def params(self, **changes) -> None:
        """Changes params.yaml: `finetune__epochs=2` sets finetune.epochs; comments stay."""
        path = self.folder / "params.yaml"
        yaml = YAML()
        yaml.width = 1000
        tree = yaml.load(path.read_text(encoding="utf-8"))
        for name, value in changes.items():
            *sections, key = name.split("__")
            section = tree
            for part in sections:
                section = section[part]
            section[key] = value
        with open(path, "w", encoding="utf-8") as file:
            yaml.dump(tree, file)

    def read(self, path: str) -> str:
        return (self.folder / self.named(path)).read_text(encoding="utf-8")

    def named(self, path: str) -> str:
        """Returns the path as it is, or of the round or audit with this number: data/rounds/02.csv is data/rounds/02-5f1c2a.csv there."""
        stem, _, suffix = path.rpartition(".")
        found = [] if (self.folder / path).exists() else list(self.folder.glob(f"{stem}-*.{suffix}"))
        return found[0].relative_to(self.folder).as_posix() if len(found) == 1 else path

    def write(self, path: str, content: str | bytes) -> Path:
        """Writes a file of the project and returns its path."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return target


def clone(folder: Path) -> Project:
    """Returns a copy of this repository's files as a fresh git repository, with the two recipes that train a model."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    project = Project(folder)
    project.run("git", "init", "-q", "-b", "main")
    for path in (folder / "data/audits").rglob("*.csv"):
        path.unlink()  # the demo's audit is about the demo's texts
    project.params(
        task__descriptions={},
        runtime__reproducible="machine",  # portable bytes take longer; tests/project/test_portable.py asks for them
        recipes={name: {"encoder": name, "method": "supervised"} for name in ("adapted", "vanilla")} | BASELINE,
    )
    project.commit("clone")
    return project


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """`runtime.start` sets variables for its process: other tests must not see them."""
    before = dict(os.environ)
    os.environ[unforeseen.SHOW] = "1"  # a fault of ours fails a test with its traceback
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A clone without the demo's rounds, with a pool of 60 short texts: for what needs no model."""
    made = clone(tmp_path / "project")
    for path in (made.folder / "data/rounds").glob("*.csv"):
        path.unlink()
    rows = tiny.texts(60)
    made.write("data/pool.csv", "text\n" + "".join(f"{text}\n" for text, _ in rows))
    made.params(task__labels=sorted(tiny.TOPICS))
    return made
