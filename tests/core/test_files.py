"""Files and folders appear whole or not at all, and their digests tell when a byte has changed."""

import csv
import errno
import io
import os
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from labelrounds.core import files, leftovers, tables
from labelrounds.core.errors import UserError
from tests.small import FEWER, PROPERTY


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    with files.atomic(target) as file:
        file.write("half")
        file.flush()
        assert not target.exists()
    assert target.read_text(encoding="utf-8") == "half"


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError), files.atomic(target) as file:
        file.write("new")
        raise RuntimeError
    assert target.read_text(encoding="utf-8") == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("links", [True, False], ids=["with links", "without links, as on exFAT"])
def test_a_new_file_never_replaces_one_that_is_there(links: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    target = tmp_path / "01.csv"
    files.write_csv(target, ["a"], [["1"]], new=True)
    with pytest.raises(FileExistsError):
        files.write_csv(target, ["a"], [["2"]], new=True)
    assert target.read_bytes() == b"a\n1\n"
    assert names(tmp_path) == ["01.csv"]


def test_a_written_file_has_the_permissions_that_the_user_gives_new_files(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        files.write_json(tmp_path / "a.json", {})
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o640


def test_json_with_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        files.write_json(tmp_path / "a.json", {"f1": float("nan")})
    assert names(tmp_path) == []


def test_a_csv_for_spreadsheets_begins_with_a_mark_and_has_their_line_ends(tmp_path: Path) -> None:
    assert files.write_csv(tmp_path / "a.csv", ["text"], [["é"]], bom=True) == 1
    assert (tmp_path / "a.csv").read_bytes() == b"\xef\xbb\xbftext\r\n\xc3\xa9\r\n"


CELLS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]) | st.sampled_from('\r\n",;\t\ufeff'), max_size=12)


@FEWER
@given(st.lists(st.tuples(CELLS, CELLS), max_size=4), st.booleans())
@example([("a bare\rreturn", "")], False)
def test_every_cell_that_is_written_can_be_read_again(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], bom: bool) -> None:
    path = tmp_path_factory.mktemp("cells") / "a.csv"
    files.write_csv(path, ["one", "other"], rows, bom=bom)
    assert [(row.cells["one"], row.cells["other"]) for row in tables.rows(path)] == rows


@PROPERTY
@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=4))
def test_the_csv_as_a_string_is_the_csv_as_a_file(rows: list[list[str]]) -> None:
    shown = files.csv_text(["a", "b"], rows)
    assert list(csv.reader(io.StringIO(shown, newline=""))) == [["a", "b"], *rows]
    assert not shown.endswith("\r\n")


def test_a_published_folder_replaces_the_old_one_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.txt").write_text("old", encoding="utf-8")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "new.txt").write_text("new", encoding="utf-8")
    files.publish(tmp_path / "made", tmp_path / "out")
    assert names(tmp_path) == ["out"]
    assert names(tmp_path / "out") == ["new.txt"]


def test_what_a_killed_publication_left_behind_is_cleared_by_the_next(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True).stdout.strip()
    mine, theirs = files.beside(tmp_path / "deep/out", "old"), files.beside(tmp_path / "out", "tmp")
    mine.mkdir(parents=True)
    left = [Path(str(path).replace(f".{os.getpid()}-", f".{gone}-")) for path in (mine, theirs)]
    left[0].mkdir()
    left[1].write_text("half", encoding="utf-8")
    elsewhere = tmp_path / f".out.{gone}-00000000.ab12cd34.tmp"
    elsewhere.write_text("another machine's", encoding="utf-8")
    (tmp_path / ".own.tmp").write_text("a person's", encoding="utf-8")
    assert leftovers.sweep(tmp_path, depth=2) == [left[1], left[0]]
    assert not any(path.exists() for path in left) and mine.exists() and elsewhere.exists()
    assert names(tmp_path) == [elsewhere.name, ".own.tmp", "deep"]


def test_what_a_killed_process_left_is_cleared_though_another_one_has_got_its_number(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        left = Path(str(files.beside(tmp_path / "out", "tmp")).replace(f".{os.getpid()}-", f".{other.pid}-"))
        left.write_text("half", encoding="utf-8")
        assert leftovers.sweep(tmp_path) == [], "that process may be writing it"
        before = time.time() - 3600
        os.utime(left, (before, before))
        assert leftovers.sweep(tmp_path) == [left], "it began an hour later"
        other.kill()


def test_two_publications_at_once_leave_one_whole_folder(tmp_path: Path) -> None:
    def publish(number: int) -> None:
        for turn in range(20):
            made = files.beside(tmp_path / "out")
            made.mkdir()
            for name in "ab":
                (made / name).write_text(f"{number} {turn}", encoding="utf-8")
            files.publish(made, tmp_path / "out")

    with ThreadPoolExecutor(4) as workers:
        for done in [workers.submit(publish, number) for number in range(4)]:
            done.result()
    assert names(tmp_path) == ["out"]
    assert (tmp_path / "out/a").read_text() == (tmp_path / "out/b").read_text()


def test_a_folder_digest_sees_names_and_contents_and_no_order(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder, order in ((one, "ab"), (other, "ba")):
        folder.mkdir()
        for name in order:
            (folder / name).write_text(name, encoding="utf-8")
    assert files.sha256(one) == files.sha256(other)
    (other / "a").rename(other / "c")
    assert files.sha256(one) != files.sha256(other)


def sealed(folder: Path) -> Path:
    folder.mkdir()
    (folder / "model.bin").write_bytes(b"weights")
    files.seal(folder)
    return folder


def test_a_sealed_folder_is_sound_until_a_byte_changes(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "model")
    files.verify(folder)
    (folder / "model.bin").write_bytes(b"weightz")
    with pytest.raises(UserError, match=r"model\.bin: damaged: .*dvc repro"):
        files.verify(folder)


def test_a_sealed_folder_misses_a_file_that_is_gone(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "model")
    (folder / "model.bin").unlink()
    with pytest.raises(UserError, match=r"model\.bin: damaged: its SHA-256 is no file"):
        files.verify(folder)


def test_sealing_again_gives_the_same_fingerprint(tmp_path: Path) -> None:
    folder = sealed(tmp_path / "model")
    assert files.seal(folder) == files.fingerprint(folder) == files.seal(folder)


def test_a_folder_without_a_seal_is_no_model_of_ours(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a model that labelrounds made"):
        files.verify(tmp_path)


def test_an_input_that_changes_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "pool.csv"
    source.write_text("text\na\n", encoding="utf-8")
    with files.unchanged(source):
        pass
    with pytest.raises(UserError, match="changed while it was being read"), files.unchanged(source):
        source.write_text("text\na\nb\n", encoding="utf-8")


def test_a_shard_that_appears_while_the_folder_is_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="changed while it was being read"), files.unchanged(tmp_path):
        (tmp_path / "part-001.csv").write_text("text\na\n", encoding="utf-8")
