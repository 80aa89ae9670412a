"""`make verify` names the first stage whose bytes differ, and takes nothing but git and the user's data with it."""

import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests import tiny, verify
from tests.conftest import ENVIRONMENT, ROOT, Project, clone

ORDER = ["base", "split", "finetune@adapted", "evaluate@adapted"]
LOCK = """
schema: '2.0'
stages:
  evaluate@adapted:
    cmd: python -m stages.evaluate adapted
    deps:
    - {path: models/labeler/adapted, hash: md5, md5: fff1.dir, size: 9, nfiles: 2}
    - {path: data/split/test.csv, hash: md5, md5: ccc1, size: 3}
    outs:
    - {path: metrics/adapted.json, hash: md5, md5: eee1, size: 3}
    - {path: metrics/adapted/test.csv, hash: md5, md5: eee2, size: 3}
  finetune@adapted:
    cmd: python -m stages.finetune adapted
    deps:
    - {path: data/split/train.csv, hash: md5, md5: ccc2, size: 3}
    - {path: models/encoder/adapted, hash: md5, md5: aaa1.dir, size: 9, nfiles: 2}
    params:
      params.yaml: {seed: 13}
    outs:
    - {path: models/labeler/adapted, hash: md5, md5: fff1.dir, size: 9, nfiles: 2}
  split:
    cmd: python -m stages.split
    outs:
    - {path: data/split, hash: md5, md5: ccc0.dir, size: 9, nfiles: 3}
  base:
    cmd: python -m stages.base
    outs:
    - {path: models/encoder/vanilla, hash: md5, md5: aaa0.dir, size: 9, nfiles: 3}
"""


def stages(*changes: tuple[str, str]) -> dict[str, verify.Stage]:
    """Returns the stages of LOCK with some of its words replaced."""
    text = LOCK
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return verify.stages_of(YAML(typ="safe").load(text))


def test_equal_locks_have_no_difference() -> None:
    rows = verify.compare(stages(), stages(), ORDER)
    assert verify.first_difference(rows) is None
    assert [row.stage for row in rows] == ["base", "split", "finetune@adapted", "evaluate@adapted", "evaluate@adapted"]
    assert "DIFFERS" not in verify.table(rows)


def test_the_first_difference_is_the_first_in_the_order_of_the_pipeline_not_of_the_file() -> None:
    second = stages(("fff1.dir", "fff9.dir"), ("eee1", "eee9"))
    rows = verify.compare(stages(), second, ORDER)
    assert [row.path for row in rows if not row.same] == ["models/labeler/adapted", "metrics/adapted.json"]
    assert verify.first_difference(rows) == "finetune@adapted"
    line = next(line for line in verify.table(rows).splitlines() if "models/labeler/adapted" in line)
    assert line.split() == ["finetune@adapted", "models/labeler/adapted", "fff1.dir", "fff9.dir", "DIFFERS"]


def test_a_metric_alone_is_a_difference() -> None:
    rows = verify.compare(stages(), stages(("eee2", "eee9")), ORDER)
    assert verify.first_difference(rows) == "evaluate@adapted"


def test_an_out_or_a_stage_that_one_run_lacks_is_a_difference() -> None:
    lacks_out = stages(("    - {path: metrics/adapted/test.csv, hash: md5, md5: eee2, size: 3}\n", ""))
    assert verify.first_difference(verify.compare(stages(), lacks_out, ORDER)) == "evaluate@adapted"
    assert verify.first_difference(verify.compare(lacks_out, stages(), ORDER)) == "evaluate@adapted"
    lacks_stage = {name: stage for name, stage in stages().items() if name != "split"}
    assert verify.first_difference(verify.compare(stages(), lacks_stage, ORDER)) == "split"
    assert "only one of the two runs" in verify.explain("split", stages(), lacks_stage)


def test_a_stage_that_no_order_names_is_compared_all_the_same() -> None:
    assert verify.first_difference(verify.compare(stages(), stages(("eee1", "eee9")), ORDER[:2])) == "evaluate@adapted"


def test_a_stage_with_the_same_inputs_is_blamed_itself() -> None:
    words = verify.explain("finetune@adapted", stages(), stages(("fff1.dir", "fff9.dir")))
    assert "First difference: finetune@adapted" in words
    assert "the same in both runs: data/split/train.csv, models/encoder/adapted" in words
    assert "`python -m stages.finetune adapted` made other bytes from the same inputs" in words


def test_a_stage_whose_inputs_differ_is_not_blamed() -> None:
    words = verify.explain("finetune@adapted", stages(), stages(("ccc2", "ccc9"), ("seed: 13", "seed: 14"), ("fff1.dir", "fff9.dir")))
    assert "the same in both runs: models/encoder/adapted" in words
    assert "not the same: data/split/train.csv, its params" in words
    assert "from the same inputs" not in words


def test_locks_outside_the_root_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "dvc.lock").write_text(LOCK, encoding="utf-8")
    (tmp_path / "data/dvc.lock").write_text("schema: '2.0'\nstages:\n  pool:\n    cmd: x\n    outs:\n    - {path: data/pool.csv, md5: ddd1}\n")
    found = verify.read_locks(tmp_path)
    assert found["data/dvc.yaml:pool"].outs == {"data/pool.csv": "ddd1"}
    assert set(ORDER) < set(found)


def test_the_files_that_differ_inside_a_folder_are_named(tmp_path: Path) -> None:
    for run, weights in (("run-1", "a"), ("run-2", "b")):
        folder = tmp_path / run / "models/labeler/adapted"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_text(weights)
        (tmp_path / run / "metrics.json").write_text(weights)
    clones = tmp_path / "run-1", tmp_path / "run-2"
    assert verify.differing_files("models/labeler/adapted", *clones) == ["models/labeler/adapted/model.safetensors"]
    assert verify.differing_files("metrics.json", *clones) == ["metrics.json"]


SHOUT = """
from pathlib import Path
Path("data/shouted.csv").write_text(Path("data/pool.csv").read_text().upper())
"""
COUNT = """
from pathlib import Path
Path("count.json").write_text('{"n": %d}' % len(Path("data/shouted.csv").read_text()))
"""
PIPELINE = """
stages:
  shout:
    cmd: python shout.py
    deps: [shout.py, data/pool.csv]
    outs: [data/shouted.csv]
  count:
    cmd: python count.py
    deps: [count.py, data/shouted.csv]
    metrics:
    - count.json: {cache: false}
"""


@pytest.fixture
def small(tmp_path: Path) -> Project:
    """A DVC project of two quick stages, in a folder with a space, with its pool in a cache that projects share, without a remote."""
    made = Project(tmp_path / "a project")
    for path, content in {"shout.py": SHOUT, "count.py": COUNT, "dvc.yaml": PIPELINE, "data/pool.csv": "text\nhello\n"}.items():
        made.write(path, content)
    made.write(".gitignore", "/data/pool.csv\n/data/shouted.csv\n")
    made.run("git", "init", "-q", "-b", "main")
    made.run("dvc", "init", "-q")
    made.run("dvc", "cache", "dir", "-q", str(tmp_path / "shared cache"))
    made.run("dvc", "add", "-q", "data/pool.csv")
    made.run("dvc", "repro", "-q")
    made.commit("all")
    return made


def run_verify(project: Project, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs verify in a project, with the folder `scratch` beside it as its temporary folder."""
    scratch = project.folder.parent / "scratch"
    scratch.mkdir()
    return subprocess.run(
        [sys.executable, ROOT / "tests/verify.py", *options],
        cwd=project.folder,
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, "TMPDIR": str(scratch)},
    )


def contents(*folders: Path) -> dict[Path, bytes]:
    """Returns the files under some folders, but for what git and DVC keep for themselves."""
    return {
        path: path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and ".git" not in path.parts and ".dvc/tmp" not in path.as_posix()
    }


RANDOM = "import random\nopen('data/shouted.csv', 'a').write(str(random.random()))\n"


@pytest.mark.slow
def test_head_is_verified_and_nothing_is_left_behind(small: Project, tmp_path: Path) -> None:
    small.write("shout.py", SHOUT + RANDOM)  # not committed, so it does not count
    before = contents(small.folder, tmp_path / "shared cache")
    done = run_verify(small)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "without what is not committed" in done.stdout
    assert "The same bytes twice: 2 outs, metrics and plots of 2 stages." in done.stdout
    assert "committed dvc.lock" not in done.stdout
    assert list((tmp_path / "scratch").iterdir()) == []
    assert contents(small.folder, tmp_path / "shared cache") == before


@pytest.mark.slow
def test_a_change_that_is_not_committed_is_verified_on_request_and_no_cache_is_shared(small: Project, tmp_path: Path) -> None:
    small.write("shout.py", SHOUT + RANDOM)
    before = contents(small.folder, tmp_path / "shared cache")
    done = run_verify(small, "--worktree")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "First difference: shout\n  the same in both runs: data/pool.csv, shout.py" in done.stdout
    assert "files: data/shouted.csv" in done.stdout
    (kept,) = (tmp_path / "scratch").iterdir()
    assert str(kept) in done.stdout
    assert (kept / "run-1/data/shouted.csv").read_bytes() != (kept / "run-2/data/shouted.csv").read_bytes()
    assert contents(small.folder, tmp_path / "shared cache") == before


@pytest.mark.slow
def test_data_that_is_neither_in_git_nor_in_the_cache_gets_one_clear_error(small: Project, tmp_path: Path) -> None:
    (tmp_path / "shared cache").rename(tmp_path / "lost cache")
    done = run_verify(small)
    assert done.returncode == 1
    assert "lacks data of data/pool.csv.dvc" in done.stderr
    assert "dvc pull" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.slow
def test_a_file_that_nobody_committed_is_found_missing(small: Project) -> None:
    small.write("shout.py", SHOUT.replace("upper()", "upper() + Path('forgotten.txt').read_text()"))
    small.commit("reads a file that was never added")
    small.write("forgotten.txt", "here only")
    done = run_verify(small)
    assert done.returncode == 1
    assert "failed in a fresh clone, run 1" in done.stderr
    assert "forgotten.txt" in done.stderr
    assert "verify.py" not in done.stderr, "the stage's own words, and no traceback of ours"


@pytest.mark.slow
def test_a_stage_of_the_real_pipeline_that_draws_without_a_seed_is_named(tmp_path: Path) -> None:
    project = clone(tmp_path / "project")
    for path in [*(project.folder / "data/rounds").glob("*.csv"), *project.folder.glob("data/dvc.*"), project.folder / "dvc.lock"]:
        path.unlink(missing_ok=True)
    texts = tiny.texts(120)
    project.write("data/pool.csv", "text\n" + "".join(f"{text}\n" for text, _ in texts))
    project.write("data/rounds/01.csv", "text,label\n" + "".join(f"{text},{label}\n" for text, label in texts[:60]))
    project.params(
        task__labels=sorted(tiny.TOPICS),
        model__base=str(tiny.model(tmp_path / "tiny")),
        model__max_length=32,
        runtime__threads=1,
        adapt__epochs=1,
        adapt__head_steps=1,
        finetune__epochs=1,
        recipes={},
        deploy="baseline",
    )
    # The last two stages would only add time: neither comes before the guilty one.
    pipeline = project.read("dvc.yaml")
    project.write("dvc.yaml", pipeline[: pipeline.index("\n  predict:\n")])
    project.run("dvc", "add", "-q", "data/pool.csv")
    script = project.read("stages/baseline.py")
    seedless = '    (labelers.ROOT / "baseline" / "note.txt").write_text(str(__import__("random").random()))\n'
    project.write("stages/baseline.py", script.replace("    click.echo(", seedless + "    click.echo("))
    project.commit("a stage without a seed")
    done = run_verify(project)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "First difference: baseline\n" in done.stdout
    assert "made other bytes from the same inputs" in done.stdout
    assert "files: models/labeler/baseline/note.txt\n" in done.stdout
    for stage in ("base", "split", "adapt"):
        assert not any(line.startswith(f"{stage} ") and line.endswith("DIFFERS") for line in done.stdout.splitlines())
