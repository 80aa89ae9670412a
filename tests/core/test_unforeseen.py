"""Every error is one sentence: those of the surroundings by name, and the unforeseen with a report that holds nothing of people's."""

import errno
import os
import sqlite3
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from labelrounds.core import unforeseen
from labelrounds.core.errors import Group
from tests.small import SmallProject, project

SECRET = "a text that nobody else may read"


def told(error: Exception, folder: Path) -> str:
    """Returns what a command prints that raises `error`."""

    @click.group(cls=Group)
    def main() -> None:
        pass

    @main.group()
    def inner() -> None:
        pass

    @inner.command()
    @click.argument("text")
    def fails(text: str) -> None:
        raise error

    done = CliRunner().invoke(main, ["inner", "fails", SECRET])
    assert isinstance(done.exception, SystemExit) and done.exit_code == 1 and "Traceback" not in done.output
    assert done.output.startswith("Error: ") and SECRET not in done.output
    return done.output


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(unforeseen.SHOW)
    return tmp_path


def test_an_unforeseen_error_is_one_sentence_and_its_report_holds_no_texts_and_no_keys(here: Path) -> None:
    try:
        int(SECRET)
    except ValueError as error:
        shown = told(error, here)
    (report,) = here.glob("labelrounds-error-*.txt")
    assert report.name in shown and "ValueError" in shown and "nobody has foreseen" in shown
    content = report.read_text(encoding="utf-8")
    assert SECRET not in content and "inner fails" in content and "builtins.ValueError" in content and "torch: 2" in content
    assert str(Path.home()) not in content and str(here) not in content


def test_where_the_project_cannot_be_written_to_the_report_goes_elsewhere(here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory) -> None:
    other = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(unforeseen.tempfile, "gettempdir", lambda: str(other))
    write_text = Path.write_text

    def refused(path: Path, *arguments, **options) -> int:
        if path.parent == Path("."):
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return write_text(path, *arguments, **options)

    monkeypatch.setattr(Path, "write_text", refused)
    assert "nobody has foreseen" in told(RuntimeError("odd"), here)
    assert len(list(other.glob("labelrounds-error-*"))) == 1


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "data/a"), "the disk is full at data/a"),
        (RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0"), "the disk is full"),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full"),
        (sqlite3.DatabaseError("database disk image is malformed"), "the kept responses (data/responses) cannot be read"),
        (OSError(errno.EROFS, "Read-only file system", "data/a"), "the file system is read-only at data/a"),
        (RuntimeError("Error while serializing: I/O error: Read-only file system (os error 30)"), "the file system is read-only"),
        (PermissionError(errno.EACCES, "Permission denied", "data/a"), "data/a: permission denied"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "data/a"), "data/a: is a directory"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "data/a"), "data/a: no such file or directory. `dvc repro`"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "a" * 10), "file name too long"),
        (MemoryError(), "there is not enough memory"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), "is not UTF-8 text"),
    ],
    ids=str,
)
def test_an_error_of_the_surroundings_is_told_by_its_name_and_needs_no_report(here: Path, error: Exception, said: str) -> None:
    assert said in told(error, here)
    assert not list(here.glob("labelrounds-error-*"))


NOT_UTF8 = b"\xe9t\xe9"


@pytest.mark.parametrize("content", [b"[]", b"7", b'"a"', b"{", b"\xff\xfe", b"[" * 100_000, b'{"test": ' + b"1" * 5000 + b"}"])
@pytest.mark.parametrize("name", ["baseline", "predict", "stop"])
def test_a_metrics_file_that_is_none_is_an_error_with_its_name(here: Path, name: str, content: bytes) -> None:
    made = project(here)
    made.write("metrics/baseline.json", '{"test": {"n": 1, "f1_macro": 1, "f1_micro": 1, "accuracy": 1, "f1": {}}}')
    made.write(f"metrics/{name}.json", content)
    assert f"Error: metrics/{name}.json: " in made.command("results", code=1)


def test_standard_input_and_arguments_that_are_not_utf8_are_errors(here: Path) -> None:
    made = project(here)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        from labelrounds.people import cli

        done = CliRunner().invoke(cli.main, ["label", "--file", "-"], input=NOT_UTF8)
        assert "standard input, line 1: not UTF-8 text" in done.output
        assert "text 2: not UTF-8 text" in CliRunner().invoke(cli.main, ["label", "fine", os.fsdecode(NOT_UTF8)]).output
    (here / "folder").mkdir()
    assert "folder" in made.wrong("label", "--file", "folder")


@pytest.fixture
def small(here: Path) -> SmallProject:
    return project(here)


def test_a_row_of_an_audits_form_without_its_audit_is_an_error_with_its_line(small: SmallProject) -> None:
    small.pool(["one text", "another text"])
    small.write("form.jsonl", '{"text": "one text", "label": "good", "audit": "01"}\n{"text": "another text", "label": "good"}\n')
    assert "form.jsonl:2: this row says not which audit drew it" in small.wrong("import", "form.jsonl")
