"""What stands in Makefile, constraints.txt, .ci/run and .github/workflows can be typed, fits together and holds what it says."""

import contextlib
import io
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from ruamel.yaml import YAML

from labelrounds.people import cli
from tests.conftest import ENVIRONMENT, ROOT, Project
from tests.graph import IS_DEMO

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
PINS = dict(re.findall(r"^([^#\s]+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
GITLAB = ROOT / ".gitlab-ci.yml"
KEYWORDS = {"if", "then", "else", "do", "!", "{", "}", "@"}


def commands(script: str) -> list[list[str]]:
    """Returns the simple commands of a shell script, each as its words, without redirections and what stands in quotes."""
    found = []
    for line in re.sub(r"\\\n|2>&1", " ", script).splitlines():
        words: list[str] = []
        redirected = False
        tokens = shlex.shlex(line, posix=True, punctuation_chars=True)
        tokens.whitespace_split = True
        for token in [*tokens, ";"]:
            if set(token) <= set("<>"):
                redirected = True
            elif set(token) <= set("();|&"):
                found.append(words)
                words = []
            elif redirected:
                redirected = False
            elif words or not (token in KEYWORDS or token.endswith("=$")):
                words.append(token)
    return [words for words in found if words]


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def load(path: Path) -> dict[str, Any]:
    # YAML 1.2, as ruamel reads it: `on` is a word, not a truth value.
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def recipes() -> str:
    """Returns the recipes of the Makefile as one shell script."""
    lines = [line[1:].lstrip("@") for line in MAKEFILE.splitlines() if line.startswith("\t")]
    return re.sub(r"\$\([A-Z]+\)", "", "\n".join(lines)).replace("$$", "$")


def typed(program: str) -> list[list[str]]:
    """Returns the arguments of every call of a program in the workflows, the Makefile and .ci/run."""
    scripts = [step["run"] for path in WORKFLOWS for step in steps(load(path)) if "run" in step]
    scripts += [line for job in load(GITLAB).values() if "script" in job for line in job["script"]]
    scripts += [recipes(), (ROOT / ".ci/run").read_text(encoding="utf-8")]
    return [words[1:] for script in scripts for words in commands(script) if words[0] == program]


def test_the_words_of_a_script_are_found() -> None:
    script = 'out=$(dvc repro --dry) || { echo "dvc x"; exit 1; }; \\\n  ! make fresh\nif dvc status -q; then labelrounds results >> "$F"; fi'
    assert commands(script) == [
        ["dvc", "repro", "--dry"],
        ["echo", "dvc x"],
        ["exit", "1"],
        ["make", "fresh"],
        ["dvc", "status", "-q"],
        ["labelrounds", "results"],
        ["fi"],
    ]


def test_every_make_target_that_a_workflow_calls_exists() -> None:
    called = {words[0] for words in typed("make") if not words[0].startswith("$")}
    assert {"lint", "test", "fresh", "install"} <= called <= TARGETS


def test_every_dvc_command_that_is_typed_has_valid_options() -> None:
    from dvc.cli.parser import get_main_parser

    calls = typed("dvc")
    assert ["repro", "--dry", "--allow-missing", "--keep-going"] in calls
    assert ["repro", "--pull", "--allow-missing"] in calls
    assert ["metrics", "diff", "--md", "$BASE"] in calls
    for words in calls:
        with contextlib.redirect_stderr(io.StringIO()) as said:
            try:
                get_main_parser().parse_args(words)
            except Exception as error:
                pytest.fail(f"dvc {' '.join(words)}: {error} {said.getvalue()}")


def test_every_labelrounds_command_that_is_typed_exists() -> None:
    calls = typed("labelrounds")
    assert ["results"] in calls
    assert ["compare", "--md", "$BASE"] in calls
    for name, *words in calls:
        cli.main.commands[name].make_context(name, words)


def test_every_script_that_make_runs_is_there() -> None:
    for words in typed("python"):
        assert (ROOT / words[0]).is_file() or words[0] == "-m", words


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_do_no_more_than_it_needs(path: Path) -> None:
    workflow = load(path)
    text = path.read_text(encoding="utf-8")
    assert "pull_request_target" not in text, "it would run a stranger's code with our secrets"
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert workflow["concurrency"]["cancel-in-progress"] is True
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"], name
        allowed = job.get("permissions", {})
        assert set(allowed.items()) <= {("contents", "read"), ("pull-requests", "write")}, name
        same_repository = "head.repo.full_name == github.repository" in job.get("if", "")
        assert same_repository or "secrets." not in str(job), "a fork has no secrets"
    for step in steps(workflow):
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False
        # What a stranger typed in a title or a branch name must never become a command.
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_an_action_is_pinned_by_its_full_hash_and_says_which_version_that_is(path: Path) -> None:
    """A tag can be moved to other code afterwards; a hash cannot, and the comment is what a reader and dependabot compare."""
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if re.match(r"\s*(- )?uses:", line)]
    assert len(lines) == sum("uses" in step for step in steps(load(path))) + sum("uses" in job for job in load(path)["jobs"].values())
    for line in lines:
        assert re.fullmatch(r"(- )?uses: actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_every_workflow_uses_the_same_version_of_an_action() -> None:
    used = {found for path in WORKFLOWS for found in re.findall(r"uses: ([a-z/-]+)@(.*)", path.read_text(encoding="utf-8"))}
    assert len(used) == len({action for action, _ in used}), sorted(used)


def test_the_actions_are_renewed_and_not_on_the_day_of_a_release() -> None:
    (update,) = load(ROOT / ".github/dependabot.yml")["updates"]
    assert update["package-ecosystem"] == "github-actions"
    assert update["cooldown"]["default-days"] >= 7


def test_the_scores_of_a_pull_request_are_compared_with_a_branch_that_was_fetched() -> None:
    workflow = load(ROOT / ".github/workflows/pull-request.yml")
    scores = workflow["jobs"]["scores"]
    assert scores["steps"][0]["with"]["fetch-depth"] == 0
    assert scores["env"]["BASE"] == "origin/${{ github.base_ref }}"
    names = [step.get("id") or step.get("name", "") for step in scores["steps"]]
    compare = scores["steps"][names.index("Compare with the other branch")]
    assert names.index("page") < names.index("Compare with the other branch") and "($PAGE)" in compare["run"], "the comment links to the report"
    assert compare["env"]["PAGE"] == "${{ steps.page.outputs.artifact-url }}"
    assert "labelrounds verify --here" in compare["run"], "other bytes than committed are explained, stage by stage"
    assert "fork" in workflow["jobs"], "a pull request from a fork is told why it gets no scores"


def test_ci_has_no_other_checks_than_those_that_can_be_typed() -> None:
    for name in ("tests", "fresh"):
        runs = [step["run"] for step in steps(load(ROOT / f".github/workflows/{name}.yml")) if "run" in step]
        assert all(run.startswith(("make ", "pip install ")) for run in runs), runs


def test_gitlab_has_the_same_checks() -> None:
    jobs = load(GITLAB)
    for name in ("tests", "fresh"):
        assert jobs[name]["script"] == [step["run"] for step in steps(load(ROOT / f".github/workflows/{name}.yml")) if "run" in step]
    (comparison,) = (line for line in jobs["reproduce"]["script"] if line.startswith("labelrounds verify"))
    nightly = [step.get("run", "") for step in steps(load(ROOT / ".github/workflows/reproduce.yml"))]
    assert f"{comparison.partition(' >')[0]} | tee verify.txt" in nightly
    assert all("timeout" in job for job in jobs.values() if "script" in job)


def test_make_alone_lists_every_target() -> None:
    shown = subprocess.run(["make", "-s"], cwd=ROOT, capture_output=True, text=True, env=ENVIRONMENT, check=True).stdout
    assert set(re.findall(r"^make ([a-z]+) +\S", shown, re.MULTILINE)) == TARGETS


def test_every_dependency_is_pinned_within_its_bounds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [Requirement(line) for line in [*project["dependencies"], *extras["test"], *extras["docs"]]]
    further = [line for wanted in asked if wanted.name == project["name"] for extra in wanted.extras for line in extras[extra]]
    for wanted in [*(one for one in asked if one.name != project["name"]), *map(Requirement, further)]:
        assert wanted.name in PINS, f"{wanted.name} is not in constraints.txt"
        assert PINS[wanted.name] in wanted.specifier, str(wanted)
    assert f"torch=={PINS['torch']} " in MAKEFILE, "torch has one version in constraints.txt and in the Makefile"
    assert "+" not in PINS["torch"], "each machine gets its own build of torch"


def test_every_tool_of_make_lint_is_declared() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe is not None
    assert {line.split()[0] for line in recipe[1].splitlines()} == {Requirement(line).name for line in extras["lint"]}


@pytest.mark.parametrize(("broken", "called"), [("none", ["test", "repro"]), ("test", ["test"]), ("repro", ["test", "repro"])])
def test_ci_runs_the_tests_and_then_the_pipeline_and_fails_with_either(tmp_path: Path, broken: str, called: list[str]) -> None:
    make = tmp_path / "make"
    make.write_text(f'#!/bin/sh\necho "$1" >> "{tmp_path}/called"\n[ "$1" != {broken} ]\n')
    make.chmod(0o755)
    path = {**ENVIRONMENT, "PATH": f"{tmp_path}:{ENVIRONMENT['PATH']}"}
    done = subprocess.run(["bash", str(ROOT / ".ci/run")], cwd=tmp_path, capture_output=True, text=True, env=path, stdin=subprocess.DEVNULL)
    assert (tmp_path / "called").read_text().split() == called
    assert (done.returncode == 0) == (broken == "none")


def test_make_says_which_python_it_needs(tmp_path: Path) -> None:
    for name in ("Makefile", "constraints.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)
    old = tmp_path / "old-python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(["make", "install", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode != 0
    assert "make needs Python 3.11, 3.12 or 3.13" in done.stdout
    assert not (tmp_path / ".venv").exists()


FIRST = "import sys\nfrom pathlib import Path\nPath('upper.csv').write_text(Path('pool.csv').read_text().upper())\n"
SECOND = "from pathlib import Path\nPath('metrics').mkdir(exist_ok=True)\nPath('metrics/n.json').write_text('{\"n\": %d}' % len(Path('upper.csv').read_text()))\n"
PIPELINE = """
stages:
  upper:
    cmd: python upper.py
    deps: [upper.py, pool.csv]
    params: [seed]
    outs: [upper.csv]
  count:
    cmd: python count.py
    deps: [count.py, upper.csv]
    metrics:
    - metrics/n.json: {cache: false}
"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A finished DVC project of two quick stages, committed."""
    made = Project(tmp_path_factory.mktemp("origin"))
    contents = {"upper.py": FIRST, "count.py": SECOND, "dvc.yaml": PIPELINE, "params.yaml": "seed: 13\n", "pool.csv": "text\nhello\n"}
    for path, content in {**contents, ".gitignore": "/pool.csv\n/upper.csv\n"}.items():
        made.write(path, content)
    made.run("git", "init", "-q", "-b", "main")
    made.run("dvc", "init", "-q")
    made.run("dvc", "add", "-q", "pool.csv")
    made.run("dvc", "repro", "-q")
    made.commit("all")
    return made


@pytest.fixture
def without_data(origin: Project, tmp_path: Path) -> Project:
    """A clone of it, which has no data: neither the pool nor an out."""
    origin.run("git", "clone", "-q", ".", str(tmp_path / "clone"))
    return Project(tmp_path / "clone")


def fresh(project: Project, code: int) -> str:
    """Runs this repository's `make fresh` in a project and returns what it prints."""
    before = project.run("git", "status", "--porcelain").stdout
    done = project.run("make", "-s", "-f", str(ROOT / "Makefile"), "fresh", code=code)
    assert project.run("git", "status", "--porcelain").stdout == before, "it only looks"
    return done.stdout


@pytest.mark.slow
@pytest.mark.skipif(not IS_DEMO, reason="the lock of your project fits once `dvc repro` has run")
def test_the_demos_own_lock_is_fresh_in_a_clone_without_data(tmp_path: Path) -> None:
    """A folder that git keeps and stages fill would look changed where only git's part of it is."""
    subprocess.run(["git", "clone", "-q", str(ROOT), str(tmp_path / "clone")], check=True)
    assert fresh(Project(tmp_path / "clone"), code=0).startswith("Fresh: ")


@pytest.mark.slow
def test_a_lock_that_fits_is_fresh_without_any_data(without_data: Project) -> None:
    assert fresh(without_data, code=0).startswith("Fresh: ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "old", "new", "stage"),
    [
        ("upper.py", "upper()", "lower()", "upper"),
        ("params.yaml", "13", "14", "upper"),
        ("pool.csv.dvc", "md5: ", "md5: 0", "upper"),
        ("dvc.yaml", "python count.py", "python -O count.py", "count"),
    ],
)
def test_a_lock_is_stale_after_a_change_of_code_params_data_or_command(without_data: Project, path: str, old: str, new: str, stage: str) -> None:
    changed = without_data.read(path).replace(old, new, 1)
    assert changed != without_data.read(path)
    without_data.write(path, changed[:-1] if path.endswith(".dvc") else changed)
    said = fresh(without_data, code=2)
    assert said.startswith("Stale: ")
    assert f"of\n  {stage}\nand so of the stages after them. Type: dvc repro" in said


@pytest.mark.slow
def test_every_branch_of_the_pipeline_is_looked_at_and_data_change_nothing_about_it(origin: Project, tmp_path: Path) -> None:
    shutil.copytree(origin.folder, tmp_path / "with data")
    project = Project(tmp_path / "with data")
    assert fresh(project, code=0).startswith("Fresh: ")
    for script in ("upper.py", "count.py"):
        project.write(script, project.read(script) + "\n")
    assert "of\n  upper\n  count\nand" in fresh(project, code=2)


@pytest.mark.slow
def test_a_metric_that_was_typed_by_hand_is_found(without_data: Project) -> None:
    without_data.write("metrics/n.json", '{"n": 99}')
    assert "of\n  count\nand" in fresh(without_data, code=2)


@pytest.mark.slow
def test_a_metric_that_is_not_there_is_found(without_data: Project) -> None:
    (without_data.folder / "metrics/n.json").unlink()
    assert "metrics/n.json (missing)" in fresh(without_data, code=2)


@pytest.mark.slow
def test_a_broken_pipeline_does_not_pass_as_fresh(without_data: Project) -> None:
    without_data.write("dvc.yaml", "stages: [")
    said = fresh(without_data, code=2)
    assert "'./dvc.yaml' is invalid." in said and "correct what it says above" in said
