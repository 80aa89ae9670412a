"""The README tells the truth: its commands run, its stages are those of dvc.yaml, its tests are there."""

import csv
import importlib
import json
import re
import shlex
import subprocess

import pytest
import yaml

from tests import tiny
from tests.conftest import BASELINE, ENVIRONMENT, Project
from tests.graph import IS_DEMO, ROOT
from tests.stages.test_end_to_end import fill_in, new_project, table

README = (ROOT / "README.md").read_text(encoding="utf-8")
of_the_demo = pytest.mark.skipif(not IS_DEMO, reason="this is no longer the demo's project: the README's numbers are the demo's")
SECTIONS = {part.split("\n", 1)[0]: part for part in README.split("\n## ")[1:]}


def commands(section: str) -> list[str]:
    """Returns the commands in the shell blocks of a section, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", SECTIONS[section], re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines() if line.split("#")[0].strip()]


def section_between(mark: str) -> str:
    """Returns what stands between <!-- mark --> and <!-- /mark -->."""
    found = re.search(rf"<!-- {mark} -->\n(.*?)<!-- /{mark} -->", README, re.DOTALL)
    assert found, f"the README has no part marked {mark}"
    return found[1]


def test_the_table_of_stages_is_that_of_dvc_yaml() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    rows = [f"| `{name}{'@NAME' if 'do' in stage else ''}` | {stage.get('do', stage)['desc']} |" for name, stage in stages.items()]
    assert section_between("stages").strip() == "\n".join(["| stage | what it does |", "|---|---|", *rows])


def test_every_labelrounds_command_in_the_readme_exists() -> None:
    from labelrounds.people.cli import main

    used = set(re.findall(r"labelrounds ([a-z]+)[ `\n]", README)) - {"demo"}
    assert used and used <= set(main.commands), used - set(main.commands)
    assert set(re.findall(r"labelrounds demo ([a-z]+)", README)) <= set(main.commands["demo"].commands)


def test_every_option_in_the_readme_exists() -> None:
    from labelrounds.people.cli import main

    commands = [*main.commands.values(), *main.commands["demo"].commands.values()]
    commands += [importlib.import_module(module).main for module in re.findall(r"python -m ((?:benchmarks|studies)[\w.]+)", README)]
    known = {option for command in commands for param in command.params for option in param.opts}
    ours = "\n".join(line for line in README.splitlines() if not line.startswith("$ git"))
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", ours)) <= known


def test_every_parameter_in_the_readme_exists() -> None:
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for name in re.findall(r"`((?:task|split|predict|select|model|finetune|runtime|adapt|data)\.[a-z_]+)`", README):
        section, key = name.split(".")
        assert key in tree[section], name


def test_every_file_that_the_readme_names_is_there() -> None:
    for name in re.findall(r"`((?:tests|stages|\.github)/[\w./]*)`", README):
        assert (ROOT / name).exists(), name


def test_every_make_target_in_the_readme_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:`|\n)make ([a-z]+)\b", README)) <= targets


@of_the_demo
def test_the_results_in_the_readme_are_those_of_the_metrics() -> None:
    """The table is what `labelrounds results` prints of the metrics as committed (other processors round differently)."""
    shown = section_between("results")
    for row in shown.split("\n\n")[0].splitlines()[2:]:  # below the header
        test = committed(row.split()[0])["test"]
        expected = [test["f1_macro"], *test.get("ci95", {}).get("f1_macro", []), test["f1_micro"], test["accuracy"]]
        assert [f"{value:.3f}" for value in expected] == re.findall(r"0\.\d{3}", row)[: len(expected)]


def committed(name: str) -> dict:
    """Returns a labeler's metrics as committed."""
    return json.loads(subprocess.run(["git", "show", f"HEAD:metrics/{name}.json"], cwd=ROOT, capture_output=True, text=True, check=True).stdout)


@of_the_demo
def test_every_labeler_of_the_demo_stands_in_the_readme_with_its_metrics() -> None:
    settings = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    rows = {row.split("`")[1]: re.findall(r"\d[\d.]*", row.split("|", 2)[2])[:5] for row in section_between("labelers").splitlines()[2:]}
    assert {*settings["recipes"], *settings["further"]} < set(rows)
    for name, shown in rows.items():
        found = committed(name)
        values = [found["test"]["f1_macro"], *found["test"]["ci95"]["f1_macro"], found["test"]["f1_micro"]]
        assert shown == [str(found["trained_on"]), *(f"{value:.3f}" for value in values)], name
    guide = (ROOT / "studies/llm/README.md").read_text(encoding="utf-8")
    for name in ("llm-zero-shot", "llm-few-shot"):
        row = next(line for line in guide.splitlines() if line.startswith(f"| `{name}`"))
        test = committed(name)["test"]
        values = [test["f1_macro"], *test["ci95"]["f1_macro"], test["f1_micro"]]
        assert [f"{value:.3f}" for value in values] == re.findall(r"0\.\d{3}", row)


@of_the_demo
def test_the_learning_curve_in_the_readme_is_the_committed_one() -> None:
    printed = subprocess.run(["labelrounds", "curve"], cwd=ROOT, capture_output=True, text=True, check=True, env=ENVIRONMENT).stdout.splitlines()
    shown = [line for line in section_between("curve").splitlines() if line.strip("`") and not line.startswith("$")]
    assert len(shown) > 8 and set(shown) <= set(printed)


@pytest.mark.slow
def test_the_commands_of_the_readme_run_as_they_stand(tmp_path) -> None:
    """Bring your own data, then the loop day by day: typed in order in a fresh clone, with the fastest labeler."""
    project = new_project(tmp_path, adapt__epochs=0, deploy="baseline", recipes=BASELINE, suspects__judge="none")
    answers = dict(tiny.texts(260, seed=11))
    texts = list(answers)
    table(project.folder / "unlabeled.csv", ["text"], ([text] for text in texts))
    table(project.folder / "labeled.csv", ["text", "label"], ((text, answers[text]) for text in texts[:100]))
    own, *_, draw = commands("Bring your own data")
    for command in [own, *commands("Bring your own data")[1:-1]]:
        project.run(*shlex.split(command))
    assert "labelrounds import round-01.csv" in project.run(*shlex.split(draw)).stdout
    shown = {}
    for command in commands("The loop, day by day"):
        shown[command] = project.run(*shlex.split(command)).stdout
        if command.startswith("labelrounds next"):
            fill_in(project.folder / command.split()[-1], answers)
    assert "labelers.baseline.f1_macro" in shown["dvc metrics diff"] and "texts.train" in shown["dvc metrics diff"]
    with open(project.folder / "data/predictions/labelled.csv", encoding="utf-8-sig", newline="") as file:
        assert {row["decision"] for row in csv.DictReader(file)} <= {"human", "auto", "review"}
    share(project, tmp_path)


def share(project: Project, tmp_path) -> None:
    """Several people, one project: the section's commands, with a folder in place of the bucket."""
    for command in commands("Several people, one project"):
        project.run(*shlex.split(command.replace("s3://bucket/path", str(tmp_path / "remote"))))
    assert list((tmp_path / "remote").rglob("*")), "nothing was pushed"
