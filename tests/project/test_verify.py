"""`make verify` names the first stage whose bytes differ, and takes nothing but git and the user's data with it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from labelrounds.core import portable
from labelrounds.people.verify import contents, levels, runs
from tests import tiny
from tests.conftest import BASELINE, ENVIRONMENT, ROOT, Project, clone

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


def stages(*changes: tuple[str, str]) -> dict[str, runs.Stage]:
    """Returns the stages of LOCK with some of its words replaced."""
    text = LOCK
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return runs.stages_of(YAML(typ="safe").load(text))


def found(first: dict[str, runs.Stage], second: dict[str, runs.Stage]) -> levels.Found:
    """Returns what is said of two locks whose files are not at hand."""
    return levels.compared(levels.Run(first, None), levels.Run(second, None), ORDER, 0.1, 1)


def by_stage(said: levels.Found) -> dict[str, str]:
    return {told.stage: told.level for told in said.stages}


def test_equal_locks_have_no_difference() -> None:
    said = found(stages(), stages())
    assert said.first is None and said.level == levels.BYTES
    assert [told.stage for told in said.stages] == ["base", "split", "finetune@adapted", "evaluate@adapted"]
    assert levels.summary(said) == "Same bytes: all outs, metrics and plots of 4 stages."


def test_the_first_difference_is_the_first_in_the_order_of_the_pipeline_not_of_the_file() -> None:
    said = found(stages(), stages(("fff1.dir", "fff9.dir"), ("eee1", "eee9")))
    assert said.first is not None and said.first.stage == "finetune@adapted"
    line = next(line for line in levels.table(said).splitlines() if line.startswith("finetune@adapted"))
    assert line.split()[1] == "different"


def test_a_metric_alone_is_a_difference() -> None:
    assert by_stage(found(stages(), stages(("eee2", "eee9"))))["evaluate@adapted"] == levels.DIFFERENT


def test_an_out_or_a_stage_that_one_run_lacks_is_a_difference() -> None:
    lacks_out = stages(("    - {path: metrics/adapted/test.csv, hash: md5, md5: eee2, size: 3}\n", ""))
    for pair in ((stages(), lacks_out), (lacks_out, stages())):
        assert by_stage(found(*pair))["evaluate@adapted"] == levels.DIFFERENT
    lacks_stage = {name: stage for name, stage in stages().items() if name != "split"}
    (told,) = (told for told in found(stages(), lacks_stage).stages if told.stage == "split")
    assert told.level == levels.DIFFERENT and told.why == "it ran in one run only"


def test_a_stage_with_the_same_inputs_is_blamed_itself() -> None:
    words = levels.summary(found(stages(), stages(("fff1.dir", "fff9.dir"))))
    assert "The first stage that departs is finetune@adapted, from the same inputs" in words


def test_a_stage_whose_inputs_differ_is_not_blamed() -> None:
    words = levels.summary(found(stages(), stages(("ccc2", "ccc9"), ("seed: 13", "seed: 14"), ("fff1.dir", "fff9.dir"))))
    assert "finetune@adapted; its inputs were not the same: data/split/train.csv, seed. Look there first." in words


def test_a_parameter_that_changed_is_named_with_its_sections() -> None:
    one = stages(("{seed: 13}", "{finetune: {epochs: 3, lora: {r: 16}}, seed: 13}"))
    other = stages(("{seed: 13}", "{finetune: {epochs: 3, lora: {r: 8}}, seed: 13}"))
    assert levels.changed_inputs("finetune@adapted", one, other) == ["finetune.lora.r"]


def test_stages_are_put_in_the_order_in_which_they_read_each_other() -> None:
    order = runs.in_order(stages(("- {path: models/encoder/adapted,", "- {path: models/encoder/vanilla,")))
    assert order.index("base") < order.index("finetune@adapted") < order.index("evaluate@adapted")
    assert order.index("split") < order.index("finetune@adapted")


def test_a_model_has_the_level_of_the_worst_stage_that_reads_it() -> None:
    said = by_stage(found(stages(), stages(("fff1.dir", "fff9.dir"))))
    assert said["finetune@adapted"] == levels.DECISIONS, "nobody decides otherwise by it"
    assert said["evaluate@adapted"] == levels.BYTES


@pytest.mark.parametrize(
    ("name", "one", "other", "decides"),
    [
        ("scores.csv", "id,label,score\na,good,0.900\n", "id,label,score\na,good,0.910\n", None),
        ("scores.csv", "id,label,score\na,good,0.90\n", "id,label,score\na,good,0.99\n", "line 2, score: 0.90 and 0.99"),
        ("scores.csv", "id,label\na,good\n", "id,label\na,bad\n", "line 2, label: good and bad"),
        ("scores.csv", "id\na\nb\n", "id\nb\na\n", "line 2, id: a and b"),
        ("scores.csv", "id\na\nb\n", "id\na\n", "one has more rows"),
        ("counts.json", '{"auto": 12, "f1": 0.5}', '{"auto": 13, "f1": 0.5}', "auto: 12 and 13"),
        ("counts.json", '{"auto": 12, "f1": 0.5}', '{"auto": 12, "f1": 0.51}', None),
        ("counts.json", '{"loss": 250.0}', '{"loss": 252.0}', None),
        ("counts.json", '{"labeler": "0123456789abcdef"}', '{"labeler": "fedcba9876543210"}', None),
        ("model.safetensors", "1", "2", None),
    ],
)
def test_a_decision_is_told_from_a_score(tmp_path: Path, name: str, one: str, other: str, decides: str | None) -> None:
    for run, content in (("one", one), ("other", other)):
        (tmp_path / run).mkdir()
        (tmp_path / run / name).write_text(content, encoding="utf-8")
    assert contents.first_decision_that_differs(tmp_path / "one" / name, tmp_path / "other" / name, 0.02) == decides


def measured(folder: Path, wrong: int) -> Path:
    """Writes what git holds of a labeler: what it said of 90 test texts, the first `wrong` of which it has wrong."""
    words = ["negative", "neutral", "positive"]
    rows = [f"{number:016x},{words[number % 3]},{words[(number + (number < wrong)) % 3]}\n" for number in range(90)]
    (folder / "metrics/adapted").mkdir(parents=True)
    (folder / "params.yaml").write_text(PARAMS, encoding="utf-8")
    (folder / "metrics/adapted/test.csv").write_text("".join(["id,gold,predicted\n", *rows]), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("wrong", "level", "why"),
    [(4, levels.CONCLUSIONS, r"macro-F1 of adapted 0\.95\d and 0\.96\d"), (45, levels.DIFFERENT, r"difference -0\.\d+ to -0\.\d+ \(without zero\)$")],
)
def test_conclusions_compare_where_git_alone_has_what_was_committed(tmp_path: Path, wrong: int, level: str, why: str) -> None:
    scored = ("    - {path: metrics/adapted.json,", "    - {path: data/evaluated/adapted.json, md5: ddd1}\n    - {path: metrics/adapted.json,")
    one = levels.Run(stages(scored, ("fff1.dir", "fff9.dir"), ("ddd1}", "ddd9}"), ("eee2", "eee9")), measured(tmp_path / "run", wrong))
    other = levels.Run(stages(scored), measured(tmp_path / "committed", 3))
    said = levels.compared(one, other, ORDER, 0.1, 1)
    assert by_stage(said) == {"base": levels.BYTES, "split": levels.BYTES, "finetune@adapted": level, "evaluate@adapted": level}
    told = said.stages[-1].why
    assert told.startswith("data/evaluated/adapted.json is not in the cache as it was") and re.search(why, told), told


def test_locks_outside_the_root_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "dvc.lock").write_text(LOCK, encoding="utf-8")
    (tmp_path / "data/dvc.lock").write_text("schema: '2.0'\nstages:\n  pool:\n    cmd: x\n    outs:\n    - {path: data/pool.csv, md5: ddd1}\n")
    found = runs.read_locks(tmp_path)
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
    assert runs.differing_files("models/labeler/adapted", *clones) == ["models/labeler/adapted/model.safetensors"]
    assert runs.differing_files("metrics.json", *clones) == ["metrics.json"]


SHOUT = """
from pathlib import Path
Path("data/shouted.csv").write_text(Path("data/pool.csv").read_text().upper())
"""
COUNT = """
from pathlib import Path
Path("count.json").write_text('{"n": %d}' % len(Path("data/shouted.csv").read_text()))
"""
PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")
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
    for path, content in {
        "shout.py": SHOUT,
        "count.py": COUNT,
        "dvc.yaml": PIPELINE,
        "params.yaml": PARAMS,
        "data/pool.csv": "text\nhello\n",
    }.items():
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
        [sys.executable, "-m", "labelrounds.people.cli", "verify", *options],
        cwd=project.folder,
        capture_output=True,
        text=True,
        env={**ENVIRONMENT, "TMPDIR": str(scratch)},
    )


def held(*folders: Path) -> dict[Path, bytes]:
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
    before = held(small.folder, tmp_path / "shared cache")
    done = run_verify(small)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "without what is not committed" in done.stdout
    assert "Same bytes: all outs, metrics and plots of 2 stages." in done.stdout
    assert list((tmp_path / "scratch").iterdir()) == []
    assert held(small.folder, tmp_path / "shared cache") == before


@pytest.mark.slow
def test_a_change_that_is_not_committed_is_verified_on_request_and_no_cache_is_shared(small: Project, tmp_path: Path) -> None:
    small.write("shout.py", SHOUT + RANDOM)
    before = held(small.folder, tmp_path / "shared cache")
    done = run_verify(small, "--worktree")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The first stage that departs is shout, from the same inputs" in done.stdout
    assert re.search(r"^shout +different +the same +data/shouted.csv, ", done.stdout, re.MULTILINE), done.stdout
    (kept,) = (tmp_path / "scratch").iterdir()
    assert str(kept) in done.stdout
    assert (kept / "run-1/data/shouted.csv").read_bytes() != (kept / "run-2/data/shouted.csv").read_bytes()
    assert held(small.folder, tmp_path / "shared cache") == before


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
    assert "verifying.py" not in done.stderr, "the stage's own words, and no traceback of ours"


@pytest.fixture
def colleague(small: Project, tmp_path: Path) -> Project:
    """A clone of it on another machine: nothing but git and a remote that is a folder, and a processor that can do less."""
    small.run("dvc", "remote", "add", "-q", "-d", "shelf", str(tmp_path / "shelf"))
    small.commit("remote")
    small.run("dvc", "push", "-q")
    small.run("git", "clone", "-q", ".", str(tmp_path / "clone"))
    return Project(tmp_path / "clone")


@pytest.mark.slow
def test_on_another_machine_what_was_pulled_is_not_computed_again(colleague: Project) -> None:
    capped = {**ENVIRONMENT, **portable.SETTINGS, "OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Nehalem"}
    for command in ("dvc pull -q", "dvc repro"):
        done = subprocess.run(command.split(), cwd=colleague.folder, env=capped, capture_output=True, text=True, check=True)
        assert "Running stage" not in done.stdout, done.stdout
    assert "Data and pipelines are up to date." in done.stdout
    assert colleague.run("git", "status", "--porcelain").stdout == ""


@pytest.mark.slow
def test_the_steps_of_the_nightly_job_compare_a_clone_with_what_is_committed(colleague: Project, tmp_path: Path) -> None:
    (job,) = YAML(typ="safe").load((ROOT / ".github/workflows/reproduce.yml").read_text(encoding="utf-8"))["jobs"].values()
    steps = [
        step["run"] for step in job["steps"] if "run" in step and not step["run"].startswith("make install") and "GITHUB_PATH" not in step["run"]
    ]
    assert len(steps) == 3
    for step in steps:
        colleague.run("bash", "-eo", "pipefail", "-c", step)
    assert "Same bytes" in colleague.read("verify.txt")
    assert colleague.read("machine.txt").startswith("processor")
    lock = colleague.read("dvc.lock")
    colleague.write("dvc.lock", re.sub(r"(count.json\n +hash: md5\n +md5: )\w{4}", r"\g<1>0000", lock))
    assert colleague.read("dvc.lock") != lock
    colleague.commit("a lock of another machine")
    colleague.run("env", f"TMPDIR={tmp_path}", "bash", "-eo", "pipefail", "-c", steps[-1], code=1)  # where the clones wait
    assert "The first stage that departs is count, from the same inputs" in colleague.read("verify.txt")


@pytest.mark.long
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
        recipes=BASELINE,
        deploy="baseline",
    )
    # The last two stages would only add time: neither comes before the guilty one.
    pipeline = project.read("dvc.yaml")
    project.write("dvc.yaml", pipeline[: pipeline.index("\n  predict:\n")])
    project.run("dvc", "add", "-q", "data/pool.csv")
    script = project.read("labelrounds/methods/tfidf.py")
    seedless = '    (job.out / "note.txt").write_text(str(__import__("random").random()))\n'
    project.write("labelrounds/methods/tfidf.py", script.replace("    return f", seedless + "    return f"))
    project.commit("a stage without a seed")
    done = run_verify(project)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The first stage that departs is finetune@baseline, from the same inputs" in done.stdout
    assert "models/labeler/baseline/note.txt" in done.stdout
    for stage in ("base", "split", "adapt"):
        assert re.search(rf"^{stage} +same bytes ", done.stdout, re.MULTILINE), stage
