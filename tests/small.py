"""Small projects for fast tests: parameters, a pool and rounds in an empty folder, and commands run in this process."""

import contextlib
import csv
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from click.testing import CliRunner
from hypothesis import settings
from ruamel.yaml.comments import CommentedSeq

from labelrounds.core import files
from labelrounds.people import cli
from labelrounds.pool.identity import text_id
from stages import split
from tests.conftest import ROOT, Project

LABELS = ["good", "bad", "other"]
# The same examples on every run and no folder of them beside the code: a failure here is never a matter of luck.
PROPERTY = settings(max_examples=60, deadline=None, derandomize=True, database=None)
FEWER = settings(PROPERTY, max_examples=25)  # where each example writes files or calls slow libraries


class SmallProject(Project):
    """A project in the working directory, without git and DVC: for commands and for the split."""

    def command(self, *arguments: str, code: int = 0) -> str:
        """Runs `labelrounds ARGUMENTS` here and returns what it printed; a traceback fails the test."""
        return self._invoked(cli.main, arguments, code)

    def split(self, code: int = 0) -> str:
        """Runs the stage `split` here and returns what it printed."""
        return self._invoked(split.main, (), code)

    def made(self, stage, *arguments: str) -> str:
        """Runs a stage's module here and returns what it printed."""
        return self._invoked(stage.main, arguments, 0)

    def _invoked(self, command, arguments: Iterable[str], code: int) -> str:
        with contextlib.chdir(self.folder):
            result = CliRunner().invoke(command, list(arguments))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, f"{' '.join(arguments)} exited with {result.exit_code}\n{result.output}"
        return result.output

    def wrong(self, *arguments: str) -> str:
        """Runs a command (`split`: the stage) that must fail with one clear error and touch no file; returns the error."""
        before = self.digests()
        shown = self.split(code=1) if arguments == ("split",) else self.command(*arguments, code=1)
        assert self.digests() == before, "a command that failed has changed files"
        assert shown.startswith("Error: ") and shown.count("Error: ") == 1 and "Traceback" not in shown, shown
        return shown

    def digests(self) -> dict[str, str]:
        """Returns {path: SHA-256} of every file of the project, hidden ones too, but for scratch/."""
        return {path: digest for path, digest in files.folder_digests(self.folder).items() if not path.startswith("scratch/")}

    def table(self, path: str, columns: list[str], rows: Iterable[Iterable[str]]) -> Path:
        """Writes a CSV of the project."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(target, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([columns, *rows])
        return target

    def rows(self, path: str) -> list[dict[str, str]]:
        """Returns the rows of a CSV of the project."""
        with open(self.folder / self.named(path), encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))

    def pool(self, texts: Iterable[str]) -> None:
        """Writes the pool."""
        self.table("data/pool.csv", ["text"], ([text] for text in texts))

    def round(self, name: str, labels: dict[str, str], annotator: str = "") -> Path:
        """Writes a round of {text: label}, by id alone."""
        return self.table(
            f"data/rounds/{name}.csv", ["id", "label", "annotator"], ([text_id(text), label, annotator] for text, label in labels.items())
        )

    def fill(self, path: str, labels: dict[str, str], column: str = "label") -> None:
        """Types {id: label} into a form, as a spreadsheet would save it."""
        rows = self.rows(path)
        for row in rows:
            row[column] = labels.get(row["id"].lstrip("'"), row[column])
        self.table(path, list(rows[0]), (row.values() for row in rows))


def _in_one_line(texts: Iterable[str]) -> CommentedSeq:
    found = CommentedSeq(texts)
    found.fa.set_flow_style()
    return found


@cache
def _parameters(labels: tuple[str, ...], kind: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        made = Project(Path(folder))
        made.write("params.yaml", (ROOT / "params.yaml").read_bytes())
        made.params(
            task__type=kind,
            runtime__reproducible="machine",  # torch is loaded in the tests' own process
            task__labels=_in_one_line(labels),
            task__descriptions={},
            seed=13,
            data__pool="data/pool.csv",
            data__text_column="text",
            split__holdout_rounds=_in_one_line(["01"]),
            split__valid=0.25,
            split__test=0.35,
            split__salt="tests",
            deploy="baseline",
        )
        return made.read("params.yaml")


def project(folder: Path, labels: Iterable[str] = LABELS, multi_label: bool = False) -> SmallProject:
    """Returns a project in `folder` that has parameters, but neither a pool nor rounds yet."""
    made = SmallProject(folder)
    made.write("params.yaml", _parameters(tuple(labels), "multi-label" if multi_label else "multi-class"))
    return made


def sentences(n: int) -> list[str]:
    """Returns n texts that are no near-duplicates of each other."""
    first, second = "abcdefghijklmnopqrst", "aeiouy"
    words = [f"{a}{b}{c}" for a in first for b in second for c in first]
    return [f"the {words[number]} arrived, and {words[-number - 1]} left" for number in range(n)]
