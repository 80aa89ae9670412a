"""doctor finds what is damaged, lost or left over, names it with its remedy, and mends only what loses nothing."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from labelrounds.core import files
from labelrounds.people import doctor
from labelrounds.pool.identity import text_id
from tests.small import LABELS, SmallProject, project, sentences

TEXTS = sentences(20)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """A project whose split is an out that DVC has in its cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor, "_dvc", lambda *words: {"cache": str(tmp_path / ".dvc/cache"), "status": "{}"}[words[0]])
    made = project(tmp_path)
    made.pool(TEXTS)
    made.round("01", {text: LABELS[number % 3] for number, text in enumerate(TEXTS)})
    made.split()
    listing = []
    for name in ("test.csv", "train.csv"):
        content = (tmp_path / "data/split" / name).read_bytes()
        digest = cached(made, content)
        listing.append({"md5": digest, "relpath": name})
    digest = cached(made, json.dumps(listing).encode(), ".dir")
    made.write("dvc.lock", f"schema: '2.0'\nstages:\n  split:\n    outs:\n    - path: data/split\n      md5: {digest}\n")
    return made


def cached(made: SmallProject, content: bytes, suffix: str = "") -> str:
    digest = hashlib.md5(content).hexdigest() + suffix
    made.write(f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}", content)
    return digest


def thing(here: SmallProject) -> Path:
    """Returns the object of the cache that holds the test set."""
    return next(
        path for path in (here.folder / ".dvc/cache").rglob("*") if path.is_file() and path.read_bytes() == here.read("data/split/test.csv").encode()
    )


def test_a_project_in_order_is_fine(here: SmallProject) -> None:
    said = here.command("doctor")
    assert said.count(": fine") == said.count("\n") >= 8
    assert here.command("doctor", "--fix") == said


def test_a_flipped_bit_in_the_cache_is_found_and_the_object_is_named_and_removed(here: SmallProject) -> None:
    path = thing(here)
    damaged = path.read_bytes().replace(b"good", b"bad,", 1)
    path.write_bytes(damaged)
    here.write("data/split/test.csv", damaged)
    said = here.command("doctor", code=1)
    assert f"{path}: damaged" in said and "data/split/test.csv: its fingerprint is" in said and path.exists(), "without --fix nothing changes"
    said = here.command("doctor", "--fix", code=1)
    assert "mended: " in said and not path.exists() and not (here.folder / "data/split/test.csv").exists()
    here.split()
    here.command("doctor")


def test_a_round_that_dvc_takes_for_read_and_the_split_has_not_seen_is_found(here: SmallProject) -> None:
    here.round("02", {TEXTS[0]: "bad"})
    assert "DVC says that the split has read 02, and it has not" in here.command("doctor", code=1)


def test_a_model_with_another_byte_is_found(here: SmallProject) -> None:
    here.write("models/labeler/near/labeler.json", "{}")
    files.seal(here.folder / "models/labeler/near")
    here.write("models/labeler/near/labeler.json", "[]")
    assert "models/labeler/near/labeler.json: damaged" in here.command("doctor", code=1)
    here.write("models/labeler/near/manifest.json", "[]")
    assert "models/labeler/near/manifest.json: found list" in here.command("doctor", code=1)


def test_what_gone_processes_left_is_removed_and_what_running_ones_hold_stays(here: SmallProject) -> None:
    gone = os.fork()
    if not gone:
        os._exit(0)
    os.waitpid(gone, 0)
    theirs = files.beside(here.folder / "data/split").name.replace(str(os.getpid()), str(gone))
    mine = files.beside(here.folder / "data/split")
    (here.folder / "data" / theirs).mkdir()
    mine.mkdir()
    here.write("scratch/split/process", json.dumps({"pid": gone}))
    here.write("scratch/gate/process", json.dumps({"pid": os.getpid()}))
    assert theirs in here.command("doctor", code=1)
    here.command("doctor", "--fix")
    assert mine.exists() and (here.folder / "scratch/gate/process").exists()
    assert not (here.folder / "data" / theirs).exists() and not (here.folder / "scratch/split/process").exists()


def test_damaged_responses_other_versions_and_reports_are_told(here: SmallProject) -> None:
    here.write("data/responses/kept.sqlite", b"SQLite format 3\0" + b"\7" * 5000)
    here.write("constraints.txt", "click==1.0\nnumpy==0.1 ; python_version > '3'\nnot-installed-here==1\n")
    here.write("labelrounds-error-1.txt", "")
    said = here.command("doctor", code=1)
    assert "data/responses/kept.sqlite: damaged" in said and "(tested with 1.0)" in said and "labelrounds-error-1.txt: the report of a fault" in said
    assert text_id(TEXTS[0]) not in said
