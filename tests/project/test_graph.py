"""The graph keeps its promises: what a stage depends on, what it may never see, what is ignored by git."""

import ast
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from tests.graph import FLOORS, ROOT, counts, floor_of, folders_of, imports

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
DEMO = yaml.safe_load((ROOT / "data/dvc.yaml").read_text(encoding="utf-8")) if (ROOT / "data/dvc.yaml").is_file() else {"stages": {}}
STAGES = {**PIPELINE["stages"], **DEMO["stages"]}
STUDIES = {  # by study/stage
    f"{path.parent.name}/{name}": stage
    for path in sorted((ROOT / "studies").glob("*/dvc.yaml"))
    for name, stage in yaml.safe_load(path.read_text(encoding="utf-8"))["stages"].items()
}

DERIVED = {
    "labelled_task": ("task.labels", "task.type"),
    "finetune_of": ("finetune", "recipes"),
    "all_recipes": ("recipes", "further"),
    "labelers": ("recipes", "further", "prompts"),
    "model_copy": (),  # writes one, and reads none
}  # what Params makes of several sections

# Git keeps their small files, and they take seconds: `cache: false` under outs costs them no more than DVC's run cache.
LIGHT = {"split", "evaluate", "gate", "agreement", "stop", "suspects", "labelers/evaluate", "llm/evaluate", "learning_curve/learning_curve"}


def body(name: str) -> dict:
    """Returns a stage's definition, the one under `do` for a foreach stage."""
    stage = (STAGES | STUDIES)[name]
    return stage.get("do", stage)


def script(name: str) -> Path:
    """Returns the script that a stage runs."""
    words = body(name)["cmd"].split()
    return Path(*words[2].split(".")).with_suffix(".py") if words[0] == "python" else Path("labelrounds/people/demo.py")


def paths(name: str, key: str) -> list[str]:
    """Returns the paths under `deps`, `outs`, `metrics` or `plots` of a stage."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in body(name).get(key, [])]


@pytest.mark.parametrize("name", [*STAGES, *STUDIES])
def test_a_stage_depends_on_its_script_and_on_the_folders_that_it_stands_on(name: str) -> None:
    code = {dep for dep in paths(name, "deps") if dep.startswith(("labelrounds/", "stages/")) or dep.endswith(".py")}
    expected = {script(name).as_posix()} | folders_of(script(name))
    if "models/labeler/${deploy}" in paths(name, "deps") or name == "llm/evaluate":  # what is asked may be a language model
        expected |= folders_of(Path("stages/ask.py"))
    assert code == expected, f"{name}: add {sorted(expected - code)}, remove {sorted(code - expected)}"


def test_the_pipeline_can_be_read() -> None:
    found = counts()
    assert found["dvc.yaml"] <= 300 and found["studies/*/dvc.yaml"] <= 200
    assert found["the longest stage"] < 120 and found["README.md"] <= 140


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_runs_in_the_root(name: str) -> None:
    assert body(name)["wdir"] == "../.."


def test_a_studys_labeler_does_not_make_the_report_stale() -> None:
    assert "data/evaluated" in paths("report", "deps")
    measuring = [name for name in STUDIES if script(name) == Path("stages/evaluate.py")]
    assert measuring and all(body(name)["cmd"].endswith(" --study") for name in measuring)


@pytest.mark.parametrize("name", [*STAGES, *STUDIES])
def test_a_stage_says_what_it_does(name: str) -> None:
    assert len(body(name).get("desc", "")) > 20


@pytest.mark.parametrize("name", [*PIPELINE["stages"], *STUDIES])
def test_a_stage_depends_on_every_parameter_that_its_script_reads(name: str) -> None:
    source = ast.parse((ROOT / script(name)).read_text(encoding="utf-8"))
    read = {ast.unparse(node).removeprefix("settings.") for node in ast.walk(source) if isinstance(node, ast.Attribute)}
    read = {expression for expression in read if f"settings.{expression}" in ast.unparse(source)}
    read = {expression for expression in read if not any(other.startswith(f"{expression}.") for other in read)}
    listed = {param.split("${")[0].rstrip(".") for param in body(name)["params"]} | {"runtime.checkpoint_seconds"}  # no result depends on that one
    assert read, "the test reads nothing"
    wanted = {param for expression in read for param in DERIVED.get(re.split(r"[.[]", expression)[0], (expression,))}
    if {"recipes", "further"} <= wanted and any(known in listed for known in ("recipes", "further")) and "do" in (STAGES | STUDIES)[name]:
        wanted -= {"recipes", "further"} - listed  # a foreach stage is one recipe, which stands in one of the two
    if script(name) == Path("stages/base.py"):  # one script brings them all, each from its own place
        wanted -= {"bases" if name == "base" else "model.base"}
    for param in wanted:
        assert any(param == known or param.startswith(f"{known}.") for known in listed), f"{name} reads {param}, which is not among its params"


def reachable(target: str, without: set[str]) -> set[str]:
    """Returns every path from which a change can reach the stage `target`, not following the deps in `without`."""
    makers = {out: name for name in STAGES for out in (*paths(name, "outs"), *paths(name, "metrics"), *paths(name, "plots"))}
    seen: set[str] = set()
    waiting = [target]
    while waiting:
        for dep in paths(waiting.pop(), "deps"):
            if dep in without or dep in seen:
                continue
            seen.add(dep)
            waiting += [name for out, name in makers.items() if dep == out or dep.startswith(out + "/")]
    return seen


@pytest.mark.parametrize("name", ["corpus", "adapt", "unlabelled"])
def test_what_learns_from_the_pool_hears_of_labels_only_through_the_list_of_heldout_texts(name: str) -> None:
    assert "data/split/heldout.txt" in reachable(name, set())
    assert not {path for path in reachable(name, {"data/split/heldout.txt"}) if path.startswith(("data/rounds", "data/split"))}
    assert folders_of(Path(f"stages/{name}.py")) <= {"labelrounds/models", "labelrounds/pool", "labelrounds/core"}


@pytest.mark.parametrize("name", ["adapt", "unlabelled", "finetune"])
def test_what_learns_hears_of_the_pool_only_through_the_corpus_or_labels(name: str) -> None:
    assert "${data.pool}" not in reachable(name, {"data/corpus", "data/split/train.csv", "data/split/valid.csv"})


def test_nothing_that_learns_ever_depends_on_the_test_set() -> None:
    for name in ("adapt", "unlabelled", "finetune", "predict", "gate", "select"):
        deps = paths(name, "deps")
        assert "data/split/test.csv" not in deps and "data/split" not in deps, name


def test_no_output_that_takes_long_is_kept_out_of_the_cache() -> None:
    for name in STAGES | STUDIES:
        for entry in body(name).get("outs", []):
            options = next(iter(entry.values())) if isinstance(entry, dict) else {}
            assert "persist" not in options, f"{name}: {entry}"
            if name == "labelers/finetune":  # there by default and run by few: in the cache, it would fail every other `dvc checkout`
                assert entry == {"models/labeler/${key}": {"cache": False}}
            elif "cache" in options:
                assert name in LIGHT and next(iter(entry)).startswith("metrics/"), f"{name}: {entry}"


def test_every_metric_and_plot_is_kept_in_git() -> None:
    for name in STAGES:
        for key in ("metrics", "plots"):
            for entry in body(name).get(key, []):
                assert isinstance(entry, dict) and next(iter(entry.values()))["cache"] is False, f"{name}: {entry}"


def test_the_report_hears_of_every_metric_and_of_all_that_it_reads() -> None:
    deps = paths("report", "deps")
    assert "metrics/${deploy}.json" in deps, "a study's labeler may be deployed"
    for name in PIPELINE["stages"]:
        for metric in [*paths(name, "metrics"), *(out for out in paths(name, "outs") if out.endswith(".json"))]:
            if name == "report" or metric.startswith("data/"):
                continue
            told = any(out.startswith("data/evaluated/") for out in paths(name, "outs"))  # a receipt: the recipes' names are not known here
            assert metric in deps or told, f"report: add {metric}, which {name} writes"
    assert "data/snapshots" in deps or not (ROOT / "data/snapshots").exists()
    for out in (out for name in STAGES for out in paths(name, "outs") if out.startswith("data/queue/")):
        assert any(out == dep or out.startswith(f"{dep}/") for dep in deps), f"report: add {out}"


def test_every_cached_output_is_in_the_root_gitignore() -> None:
    lines = [line for line in (ROOT / ".gitignore").read_text().splitlines() if line and not line.startswith("#")]
    assert not [line for line in lines if line.startswith("!")], "a negated pattern makes DVC lose its files"
    for name in STAGES:
        for out in (entry for entry in body(name).get("outs", []) if isinstance(entry, str)):
            assert any(fnmatch(f"/{out}", line) or f"/{out}".startswith(line + "/") for line in lines), f"{name}: {out}"
    assert not list((ROOT / "data").rglob(".gitignore")) and not (ROOT / "models/.gitignore").exists()


def test_imports_only_go_down_the_floors() -> None:
    for path in sorted((ROOT / "labelrounds").rglob("*.py")):
        path = path.relative_to(ROOT)
        for found in imports(path):
            if (own := floor_of(path)) and (other := floor_of(found)):
                assert FLOORS.index(other) >= FLOORS.index(own), f"{path} imports {found}, which is on a floor above it"


def test_every_folder_is_a_floor_and_says_what_it_holds_what_it_imports_and_who_calls_it() -> None:
    found = {path.name for path in (ROOT / "labelrounds").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert found == set(FLOORS)
    for floor in FLOORS:
        told = ast.get_docstring(ast.parse((ROOT / "labelrounds" / floor / "__init__.py").read_text(encoding="utf-8")))
        assert told and "import" in told and "call" in told, floor


def test_nothing_in_labelrounds_imports_from_stages() -> None:
    for path in (ROOT / "labelrounds").rglob("*.py"):
        assert not {found for found in imports(path.relative_to(ROOT)) if found.parts[0] == "stages"}


def test_the_packages_run_no_code_on_import() -> None:
    for package in ("labelrounds", *(f"labelrounds/{floor}" for floor in FLOORS)):
        assert len(ast.parse((ROOT / package / "__init__.py").read_text()).body) == 1


def test_what_computes_settles_the_math_libraries_first_and_does_no_more() -> None:
    for package in ("stages", "studies"):
        _, *rest = ast.parse((ROOT / package / "__init__.py").read_text()).body
        assert list(map(ast.unparse, rest)) == ["from labelrounds.core import portable", "portable.settle()"]


@pytest.mark.parametrize("words", [("-m", "labelrounds.people.cli", "--help"), ("-m", "stages.split", "--help"), ("-m", "stages.finetune", "--help")])
def test_help_is_quick_because_torch_is_imported_late(words: tuple[str, ...]) -> None:
    watch = f"import sys, runpy; sys.argv = {list(words[1:])!r}; \ntry: runpy.run_module({words[1]!r}, run_name='__main__')\nexcept SystemExit: pass\nassert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", watch], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_reads_rounds_runs_again_when_the_split_has_read_other_rounds() -> None:
    """A round may land after a stage's last look and before DVC hashes the rounds: DVC then takes it for read.

    The split hashes them at another time, so it is stale then, and its record of the rounds changes.
    """
    readers = [name for name in STAGES if "data/rounds" in paths(name, "deps")]
    assert "split" in readers and len(readers) > 5
    assert [name for name in readers if name != "split" and "metrics/split.json" not in paths(name, "deps")] == []
