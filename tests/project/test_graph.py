"""The graph keeps its promises: what a stage depends on, what it may never see, what is ignored by git."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.graph import ROOT, code_of, imports, module_path

PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
DEMO = yaml.safe_load((ROOT / "data/dvc.yaml").read_text(encoding="utf-8")) if (ROOT / "data/dvc.yaml").is_file() else {"stages": {}}
STAGES = {**PIPELINE["stages"], **DEMO["stages"]}
STUDIES = {  # by study/stage
    f"{path.parent.name}/{name}": stage
    for path in sorted((ROOT / "studies").glob("*/dvc.yaml"))
    for name, stage in yaml.safe_load(path.read_text(encoding="utf-8"))["stages"].items()
}

DERIVED = {
    "labelled_task": ("task",),
    "finetune_of": ("finetune", "recipes"),
    "all_recipes": ("recipes", "further"),
}  # what Params makes of several sections

# DESIGN: imports only go down; a room knows nothing of those above it.
FLOORS = [
    {"cli"},
    {"init", "demo", "report"},
    {"findings"},
    {"importing", "drawing", "reckoning", "asking", "compare", "history"},
    {"curve", "plots", "wording"},
    {"methods", "methods.supervised", "methods.ust", "methods.uda"} | {"methods.nearest", "methods.zero_shot", "methods.setfit", "methods.prompted"},
    {"gate", "agreement", "label_errors", "snapshots", "stopping"},
    {"scores", "bootstrap", "acquisition", "calibration"}
    | {"classifier", "examples", "training", "dropout", "vocabulary", "encoders", "gguf", "runtime"}
    | {"self_training", "augmentation", "consistency", "unlabelled"}
    | {"labelers", "labelers.transformer", "labelers.linear"}
    | {"labelers.vectors", "labelers.linear_probe", "labelers.nearest", "labelers.nli", "lora"}
    | {"labelers.prompted", "llm", "llm.answers", "llm.local", "llm.prompt", "llm.responses", "llm.server", "llm.shots"},
    {"audits", "holdout", "rounds", "queue", "pool", "params", "schema", "lineage"},
    {"tables", "downloads", "scratch", "texts", "revisions", "files", "errors"},
]


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
def test_a_stage_depends_on_its_script_and_all_the_code_it_imports(name: str) -> None:
    code = {dep for dep in paths(name, "deps") if dep.endswith(".py")}
    expected = {path.as_posix() for path in code_of(script(name))}
    assert code == expected, f"{name}: add {sorted(expected - code)}, remove {sorted(code - expected)}"


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


@pytest.mark.parametrize("name", ["adapt", "unlabelled"])
def test_what_learns_from_the_pool_hears_of_labels_only_through_the_list_of_heldout_texts(name: str) -> None:
    assert "data/split/heldout.txt" in reachable(name, set())
    assert not {path for path in reachable(name, {"data/split/heldout.txt"}) if path.startswith(("data/rounds", "data/split"))}
    code = {path.stem for path in code_of(Path(f"stages/{name}.py"))}
    assert not code & {"rounds", "holdout", "queue"}


def test_nothing_that_learns_ever_depends_on_the_test_set() -> None:
    for name in ("adapt", "unlabelled", "finetune", "baseline", "predict", "gate", "select"):
        deps = paths(name, "deps")
        assert "data/split/test.csv" not in deps and "data/split" not in deps, name


def test_no_output_is_kept_out_of_the_cache() -> None:
    for name in STAGES | STUDIES:
        for entry in body(name).get("outs", []):
            if name == "labelers/finetune":  # there by default and run by few: in the cache, it would fail every other `dvc checkout`
                assert entry == {"models/labeler/${key}": {"cache": False}}
                continue
            assert not isinstance(entry, dict) or "cache" not in next(iter(entry.values())), f"{name}: {entry}"
            assert not isinstance(entry, dict) or "persist" not in next(iter(entry.values())), f"{name}: {entry}"


def test_every_metric_and_plot_is_kept_in_git() -> None:
    for name in STAGES:
        for key in ("metrics", "plots"):
            for entry in body(name).get(key, []):
                assert isinstance(entry, dict) and next(iter(entry.values()))["cache"] is False, f"{name}: {entry}"


def test_the_report_hears_of_every_metric_and_of_all_that_it_reads() -> None:
    deps = paths("report", "deps")
    assert "metrics/${deploy}.json" in deps, "a study's labeler may be deployed"
    for name in PIPELINE["stages"]:
        for metric in paths(name, "metrics"):
            told = any(out.startswith("data/evaluated/") for out in paths(name, "outs"))  # a receipt: the recipes' names are not known here
            assert metric in deps or told, f"report: add {metric}, which {name} writes"
    assert "data/snapshots" in deps or not (ROOT / "data/snapshots").exists()
    assert any("data/queue/suspects" in path for path in deps) or not any(
        "data/queue/suspects" in out for name in STAGES for out in paths(name, "outs")
    )


def test_every_cached_output_is_in_the_root_gitignore() -> None:
    lines = [line for line in (ROOT / ".gitignore").read_text().splitlines() if line and not line.startswith("#")]
    assert not [line for line in lines if line.startswith("!")], "a negated pattern makes DVC lose its files"
    for name in STAGES:
        for out in paths(name, "outs"):
            assert any(f"/{out}" == line or f"/{out}".startswith(line + "/") for line in lines), f"{name}: {out}"
    assert not list((ROOT / "data").rglob(".gitignore")) and not (ROOT / "models/.gitignore").exists()


def test_imports_only_go_down_the_floors() -> None:
    floor = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    for room, number in floor.items():
        path = module_path(f"labelrounds.{room}")
        assert path is not None, room
        for found in imports(path):
            if found.stem == "__init__" and found.parent.name == "labelrounds":
                continue
            name = ".".join(found.with_suffix("").parts[1:]).removesuffix(".__init__")
            assert name in floor, f"{room} imports {found}"
            assert floor[name] >= number, f"{room} imports {name}, which is above it"


def test_every_room_stands_on_a_floor() -> None:
    rooms = {
        ".".join(path.relative_to(ROOT / "labelrounds").with_suffix("").parts).removesuffix(".__init__")
        for path in (ROOT / "labelrounds").rglob("*.py")
    }
    assert rooms - {"__init__"} == set().union(*FLOORS)


def test_nothing_in_labelrounds_imports_from_stages() -> None:
    for path in (ROOT / "labelrounds").rglob("*.py"):
        assert not {found for found in imports(path.relative_to(ROOT)) if found.parts[0] == "stages"}


def test_the_packages_run_no_code_on_import() -> None:
    for package in ("labelrounds", "stages"):
        assert len(ast.parse((ROOT / package / "__init__.py").read_text()).body) == 1


@pytest.mark.parametrize("words", [("-m", "labelrounds.people.cli", "--help"), ("-m", "stages.split", "--help"), ("-m", "stages.finetune", "--help")])
def test_help_is_quick_because_torch_is_imported_late(words: tuple[str, ...]) -> None:
    watch = f"import sys, runpy; sys.argv = {list(words[1:])!r}; \ntry: runpy.run_module({words[1]!r}, run_name='__main__')\nexcept SystemExit: pass\nassert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", watch], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
