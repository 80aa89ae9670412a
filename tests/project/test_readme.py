"""The README and the pages of docs/ tell the truth: their commands, files, links, tables and numbers are those of the project."""

import ast
import contextlib
import csv
import importlib
import io
import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from benchmarks import portable
from tests import tiny
from tests.conftest import BASELINE, Project
from tests.graph import IS_DEMO, ROOT
from tests.stages.test_end_to_end import fill_in, new_project, table

PATHS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PATHS}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PARAMS = (ROOT / "params.yaml").read_text(encoding="utf-8")
SETTINGS = yaml.safe_load(PARAMS)
PIPELINES = {
    path.relative_to(ROOT).as_posix(): yaml.safe_load(path.read_text(encoding="utf-8"))["stages"]
    for path in (ROOT / "dvc.yaml", *ROOT.glob("data/dvc.yaml"), *ROOT.glob("studies/*/dvc.yaml"))
}
STAGES = PIPELINES["dvc.yaml"]
PROGRAMS = ("labelrounds", "dvc", "make", "python", "pip")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)

each_page = pytest.mark.parametrize("page", PAGES)
of_the_demo = pytest.mark.skipif(not IS_DEMO, reason="this is no longer the demo's project: the numbers are the demo's")


# What a page holds


def prose(page: str) -> str:
    """Returns a page without its code blocks."""
    return FENCE.sub("", PAGES[page])


def spans(page: str) -> list[str]:
    """Returns what stands in backticks in the prose of a page."""
    return re.findall(r"`([^`\n]+)`", prose(page))


def blocks(text: str, *languages: str) -> list[str]:
    """Returns the code blocks in these languages."""
    return [code for language, code in FENCE.findall(text) if language in languages]


def typed(text: str) -> Iterator[list[str]]:
    """Yields the words of every command in the shell blocks; where a block shows output, commands follow a `$`."""
    for block in blocks(text, "", "sh"):
        lines = block.splitlines()
        shown = [line[2:] for line in lines if line.startswith("$ ")]
        for line in shown or [line for line in lines if line.split(" ")[0] in (*PROGRAMS, "git")]:
            for part in line.split(" | "):
                yield shlex.split(part, comments=True)


def section(page: str, heading: str) -> str:
    """Returns the part of a page under a heading of the second level."""
    found = {part.split("\n", 1)[0]: part for part in PAGES[page].split("\n## ")[1:]}
    assert heading in found, f"{page} has no section {heading}"
    return found[heading]


def between(mark: str) -> str:
    """Returns what stands between <!-- mark --> and <!-- /mark -->, on the one page that has it."""
    found = [part for text in PAGES.values() for part in re.findall(rf"<!-- {mark} -->\n(.*?)<!-- /{mark} -->", text, re.DOTALL)]
    assert len(found) == 1, f"{len(found)} parts are marked {mark}"
    return found[0]


def rows(mark: str) -> list[list[str]]:
    """Returns the cells of the table between two marks, without its header."""
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in between(mark).strip().splitlines()[2:]]


# Commands


@cache
def main() -> click.Group:
    """Returns the command `labelrounds`, wherever pyproject.toml says it is."""
    module, _, name = PROJECT["scripts"]["labelrounds"].partition(":")
    return getattr(importlib.import_module(module), name)


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """Returns the click command that the words call, and the words after its name."""
    command: click.Command = main()
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"there is no command {words[0]}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def options(command: click.Command) -> set[str]:
    return {"--help"} | {name for param in command.params for name in param.opts}


def check(words: list[str]) -> None:
    """Fails unless the program knows this command with these options and arguments."""
    program, *rest = words
    if program == "labelrounds":
        command, rest = command_of(rest)
        command.make_context(command.name, rest)
    elif program == "dvc":
        from dvc.cli.parser import get_main_parser

        with contextlib.redirect_stderr(io.StringIO()):
            get_main_parser().parse_args(rest)
        if rest[0] == "repro":
            assert_stages(rest[1:])
    elif program == "make":
        assert rest[0] in re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), rest[0]
    elif program == "python" and rest[1] != "http.server":
        assert rest[0] == "-m"
        package = hasattr(importlib.import_module(rest[1]), "__path__")
        command = importlib.import_module(f"{rest[1]}.__main__" if package else rest[1]).main
        command.make_context(rest[1], rest[2:])
    elif program == "pip":
        extra = re.fullmatch(r"labelrounds\[([\w-]+)\]", rest[1])
        assert rest[0] == "install" and extra and extra[1] in PROJECT["optional-dependencies"], rest


def assert_stages(targets: list[str]) -> None:
    for target in targets:
        if not target.endswith("dvc.yaml"):
            assert target.split("@")[0] in STAGES, f"there is no stage {target}"
        else:
            assert target in PIPELINES, f"there is no pipeline {target}"


@each_page
def test_every_command_in_a_code_block_can_be_typed(page: str) -> None:
    for words in typed(PAGES[page]):
        if words[0] in PROGRAMS:
            try:
                check(words)
            except (Exception, SystemExit) as error:
                pytest.fail(f"{page}: {shlex.join(words)}: {error!r}")


@each_page
def test_every_command_in_the_prose_exists_with_its_options(page: str) -> None:
    for span in spans(page):
        program, *words = span.split()
        if program == "labelrounds" and words:
            command, rest = command_of(words)
            assert {word for word in rest if word.startswith("--")} <= options(command), f"{page}: {span}"
        elif program in PROGRAMS and words:
            check(shlex.split(span))


@each_page
def test_every_option_in_the_prose_is_one_of_a_command(page: str) -> None:
    commands = [command for one in main().commands.values() for command in (one, *getattr(one, "commands", {}).values())]
    known = {option for command in commands for option in options(command)}
    assert {span.split()[0] for span in spans(page) if span.startswith("--")} <= known


def test_the_table_of_commands_is_whole() -> None:
    assert [row[0].strip("`").split()[1] for row in rows("commands")] == list(main().commands)


def test_the_words_of_a_code_block_are_found() -> None:
    text = (
        "```\n$ dvc dag | head -8   # shown\nlabelrounds is not typed here\n```\n```sh\nlabelrounds status\n# a comment\n```\n```yaml\nmake: x\n```\n"
    )
    assert list(typed(text)) == [["dvc", "dag"], ["head", "-8"], ["labelrounds", "status"]]


# Stages, parameters, files and links


def outs(stage: dict[str, Any]) -> list[str]:
    """Returns all that a stage writes, as the pages spell it."""
    body = stage.get("do", stage)
    listed = [entry for key in ("outs", "metrics", "plots") for entry in body.get(key, [])]
    return [(next(iter(entry)) if isinstance(entry, dict) else entry).replace("${key}", "NAME") for entry in listed]


def stage_name(name: str, stage: dict[str, Any]) -> str:
    return f"`{name}{'@NAME' if 'do' in stage else ''}`"


def test_the_table_of_stages_is_that_of_dvc_yaml() -> None:
    assert rows("stages") == [[stage_name(name, stage), stage.get("do", stage)["desc"]] for name, stage in STAGES.items()]


def test_the_table_of_files_is_that_of_dvc_yaml() -> None:
    study = "studies/llm/dvc.yaml"
    asking = {name: PIPELINES[study][name] for name in ("language_model", "ask")}
    named = [(stage_name(name, stage), stage) for name, stage in STAGES.items()]
    named += [(f"{stage_name(name, stage)} (`{study}`)", stage) for name, stage in asking.items()]
    assert rows("outs") == [[name, ", ".join(f"`{out}`" for out in outs(stage))] for name, stage in named]


def test_the_table_of_sections_is_that_of_params_yaml() -> None:
    named = [name for row in rows("sections") for name in re.findall(r"`([a-z_-]+)`", row[0])]
    assert sorted(named) == sorted(SETTINGS)


@of_the_demo
def test_the_defaults_in_the_table_of_parameters_are_those_of_params_yaml() -> None:
    for name, default, _ in rows("params"):
        value: Any = SETTINGS
        for key in name.strip("`").split("."):
            value = value[key]
        if isinstance(value, dict):
            assert re.findall(r"`([^`]+)`", default) == list(value), name
        elif default.startswith("`"):
            assert default.strip("`") == (json.dumps(value) if isinstance(value, list) else str(value)), name


@each_page
def test_every_parameter_that_a_page_names_exists(page: str) -> None:
    for span in spans(page):
        name = re.fullmatch(r"([a-z_]+)\.([a-z_]+)", span)
        if name and name[1] in SETTINGS and name[2] not in ("py", "csv", "json", "yaml"):
            there = SETTINGS[name[1]]
            assert name[2] in there or re.search(rf"\b{name[2]}: ", PARAMS), f"{page}: {span}"


@of_the_demo
@each_page
def test_every_file_that_a_page_names_is_there_or_made(page: str) -> None:
    made = {out.replace("NAME", "") for stages in PIPELINES.values() for stage in stages.values() for out in outs(stage)}
    made |= {line.strip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split()}
    folders = ("tests", "stages", "studies", "labelrounds", "benchmarks", "data", "metrics", "models", "scratch", "docs", ".github", ".dvc")
    for span in spans(page):
        path = span.rstrip("/")
        if path.split("/")[0] not in folders or "/" not in span or re.search(r"[A-Z*{ ]", path.replace("README", "")):
            continue
        known = (ROOT / path).exists() or path == ".dvc/config.local"
        assert known or any(path == out or path.startswith((f"{out}/", out)) or out.startswith(f"{path}/") for out in made if out), f"{page}: {span}"


def anchors(page: str) -> set[str]:
    """Returns the anchors of a page's headings, as code hosts and the site make them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@each_page
def test_every_internal_link_resolves(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        found = (ROOT / page).parent / path if path else ROOT / page
        assert found.is_file(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(found.resolve().relative_to(ROOT).as_posix()), f"{page}: {target}"


@each_page
def test_every_sample_of_code_can_be_read(page: str) -> None:
    for code in blocks(PAGES[page], "python"):
        ast.parse(code)
    for code in blocks(PAGES[page], "yaml"):
        yaml.safe_load(code)


# Numbers: what is shown is what is committed, since other processors round differently


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout


@cache
def committed(name: str, revision: str = "HEAD") -> dict[str, Any]:
    """Returns a file of metrics as committed."""
    return json.loads(git("show", f"{revision}:metrics/{name}.json"))


def scores_of(name: str) -> list[str]:
    """Returns macro-F1 with its interval and micro-F1 as the pages print them."""
    test = committed(name)["test"]
    return [f"{value:.3f}" for value in (test["f1_macro"], *test["ci95"]["f1_macro"], test["f1_micro"])]


def printed(*words: str) -> str:
    """Returns what `labelrounds` prints."""
    return CliRunner().invoke(main(), words, catch_exceptions=False).output


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a test at the top of the project, or skips it where the demo's first round is not in git history."""
    monkeypatch.chdir(ROOT)
    if subprocess.run(["git", "cat-file", "-e", "d97a8ef"], cwd=ROOT, capture_output=True).returncode:
        pytest.skip("this clone lacks the history of the demo's rounds")


@of_the_demo
def test_the_results_in_the_readme_are_those_of_the_metrics() -> None:
    """The table is what `labelrounds results` prints of the metrics as committed."""
    table, rest = between("results").removeprefix("```\n").split("\n\n", 1)
    shown = table.splitlines()[1:]
    assert 1 < len(shown) <= 5
    for row in shown:
        name = row.split()[0]
        found, test = committed(name), committed(name)["test"]
        per_label = [f"{test['f1'][label]:.3f}" for label in SETTINGS["task"]["labels"]]
        assert re.findall(r"0\.\d{3}", row) == [*scores_of(name), f"{test['accuracy']:.3f}", *per_label]
        assert re.split(r"\s+", row.replace("*", ""))[1] == str(found["trained_on"])
        assert ("*" in row) == (name == SETTINGS["deploy"])
    assert rest.startswith("Of ")


@of_the_demo
def test_the_counts_of_the_pool_are_those_of_the_metrics() -> None:
    counts = committed("predict")
    expected = [sum(counts[key] for key in ("human", "auto", "review")), counts["human"], counts["auto"], counts["review"]]
    shown = [line for text in PAGES.values() for line in re.findall(r"^Of \d+ pool texts.*$", text, re.MULTILINE)]
    for line in shown:
        assert [int(number) for number in re.findall(r"\b(\d+)\b(?!%)", line)] == expected
    assert len(shown) == 2


@of_the_demo
def test_every_labeler_of_the_demo_is_on_the_page_with_its_metrics() -> None:
    shown = {row[0].strip("`"): re.findall(r"\d[\d.]*", " ".join(row[1:4])) for row in rows("labelers")}
    assert {*SETTINGS["recipes"], *SETTINGS["further"]} < set(shown)
    for name, numbers in shown.items():
        assert numbers == [str(committed(name)["trained_on"]), *scores_of(name)], name
    guide = (ROOT / "studies/llm/README.md").read_text(encoding="utf-8")
    for name in ("llm-zero-shot", "llm-few-shot"):
        row = next(line for line in guide.splitlines() if line.startswith(f"| `{name}`"))
        assert re.findall(r"0\.\d{3}", row) == scores_of(name)


@of_the_demo
def test_the_md5s_of_the_demo_are_those_of_dvc_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    page = PAGES["docs/machines.md"]
    assert "| `metrics/summary.json` | `" in page
    assert portable.with_digests(page) == page, "type: python -m benchmarks.portable --table"


@of_the_demo
def test_the_learning_curve_is_the_committed_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    shown = [line for line in between("curve").splitlines() if line.strip("`") and not line.startswith("$")]
    assert len(shown) > 8 and set(shown) <= set(printed("curve").splitlines())


@pytest.mark.parametrize("study", ["selection", "semi_supervised"])
def test_the_numbers_of_a_study_are_those_on_its_own_page(study: str) -> None:
    own = (ROOT / f"studies/{study}/README.md").read_text(encoding="utf-8")
    shown = [cell for row in rows(study) for cell in row if cell.startswith(("+", "-"))]
    assert len(shown) > 3 and all(cell in own for cell in shown)


@of_the_demo
def test_the_comparisons_are_what_the_command_prints(history: None) -> None:
    *lines, verdict = between("compare").strip("`\n").splitlines()
    shown = [line for line in lines if line and not line.startswith("$")]
    assert len(shown) == 7 and set(shown) <= set(printed("compare", "d97a8ef", "c3a35a4").splitlines())
    now = printed("compare", "HEAD", "HEAD", "--against", "baseline").strip().splitlines()[-1]
    assert verdict.rpartition(": ")[2] == now.rpartition(": ")[2] and "0." in verdict


@of_the_demo
def test_the_history_is_what_the_command_prints(history: None) -> None:
    shown = [line for line in between("history").strip("`\n").splitlines() if line and not line.startswith("$")]
    assert len(shown) == 6 and set(shown) <= set(printed("history").splitlines())


@of_the_demo
def test_the_difference_between_two_rounds_is_that_of_their_metrics(history: None) -> None:
    """What `dvc metrics diff` prints after a round: it fits a terminal, and every number is that of the two commits."""
    lines = between("diff").strip("`\n").splitlines()
    one, other = re.match(r"\$ dvc metrics diff ([0-9a-f]{7}) ([0-9a-f]{7})$", lines[0]).groups()
    assert len(lines) <= 31 and max(map(len, lines)) <= 100
    before, after = (json.loads(git("show", f"{commit}:metrics/summary.json")) for commit in (one, other))
    shown = [line.split() for line in lines[2:]]
    assert len(shown) > 10
    for path, name, *values in shown:
        assert path == "metrics/summary.json"
        found: list[Any] = [before, after]
        for key in name.split("."):
            found = [side[key] for side in found]
        assert [float(value) for value in values] == [round(found[0], 5), round(found[1], 5), round(found[1] - found[0], 5)]


# The commands, typed in order


def steps(page: str, heading: str) -> list[list[str]]:
    """Returns the commands in the `sh` blocks of a section."""
    return [words for block in blocks(section(page, heading), "sh") for words in typed(f"```sh\n{block}```")]


@pytest.mark.slow
def test_the_commands_of_the_readme_run_as_they_stand(tmp_path: Path) -> None:
    """Your own data, a day in the loop, then sharing it: typed in order in a fresh clone, with the fastest labeler."""
    project = new_project(tmp_path, adapt__epochs=0, deploy="baseline", recipes=BASELINE, suspects__judge="none")
    answers = dict(tiny.texts(260, seed=11))
    texts = list(answers)
    table(project.folder / "unlabeled.csv", ["text"], ([text] for text in texts))
    table(project.folder / "labeled.csv", ["text", "label"], ((text, answers[text]) for text in texts[:100]))
    *own, draw = steps("README.md", "Your own data in three steps")
    for command in own:
        project.run(*command)
    assert "labelrounds import round-01.csv" in project.run(*draw).stdout
    shown = {}
    for command in steps("README.md", "A day in the loop"):
        shown[" ".join(command)] = project.run(*command).stdout
        if command[:2] == ["labelrounds", "next"]:
            fill_in(project.folder / command[-1], answers)
    assert "labelers.baseline.f1_macro" in shown["dvc metrics diff"] and "texts.train" in shown["dvc metrics diff"]
    with open(project.folder / "data/predictions/labelled.csv", encoding="utf-8-sig", newline="") as file:
        assert {row["decision"] for row in csv.DictReader(file)} <= {"human", "auto", "review"}
    share(project, tmp_path)


def share(project: Project, tmp_path: Path) -> None:
    """Sharing the data: the section's commands, with a folder in place of the bucket."""
    for command in steps("docs/team.md", "How do we share the data and the models?"):
        project.run(*(word.replace("s3://bucket/path", str(tmp_path / "remote")) for word in command))
    assert list((tmp_path / "remote").rglob("*")), "nothing was pushed"
