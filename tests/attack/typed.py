"""Every command that writes, killed at random moments and typed again: the project must be as after one undisturbed run."""

import contextlib
import os
import random
import re
import shutil
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path

import click

from labelrounds.core import files
from labelrounds.people import cli
from labelrounds.pool.identity import text_id
from tests.attack import place
from tests.attack.figures import Figures
from tests.attack.kills import strike
from tests.conftest import Project
from tests.stages.test_end_to_end import table

ATTACK = "a command killed"
# What writes nothing in the project, and what an attack without a network cannot run: it brings one file, by files.atomic.
LEFT_OUT = {"status", "results", "show", "compare", "curve", "label", "verify", "demo pool"}
PASSING = re.compile(r"(scratch|\.git|\.dvc/(tmp|cache))/|labelrounds-error-|\.dvc/config\.local|\.dvc/\.gitignore")


@dataclass(frozen=True)
class Typed:
    """A command with its arguments, and what a person has done before; FILE in the words is a form that is not there yet."""

    name: str
    words: tuple[str, ...]
    before: Callable[[Project, dict[str, str]], object] = lambda project, answers: None


def a_form(project: Project, answers: dict[str, str]) -> None:
    """Some labels, filled in."""
    table(project.folder / "more.csv", ["text", "label", "annotator"], ([text, answers[text], "ben"] for text in list(answers)[130:136]))


def more_texts(project: Project, answers: dict[str, str]) -> None:
    """Texts that the pool lacks."""
    table(project.folder / "new.csv", ["text"], ([f"{text} once more, {number}"] for number, text in enumerate(list(answers)[:20])))


def two_branches(project: Project, answers: dict[str, str]) -> None:
    """A round on each of two branches, committed."""
    texts = list(answers)
    for branch, some in (("ben", texts[140:143]), ("main", texts[143:147])):
        if branch == "ben":
            project.run("git", "checkout", "-q", "-b", "ben")
        else:
            project.run("git", "checkout", "-q", "main")
        table(project.folder / "one.csv", ["text", "label", "annotator"], ([text, answers[text], branch] for text in some))
        project.run("labelrounds", "import", "one.csv")
        (project.folder / "one.csv").unlink()
        project.commit(f"a round of {branch}")


def what_a_kill_left(project: Project, answers: dict[str, str]) -> None:
    """A half-written file of a process that is gone."""
    made = files.beside(Path("data") / "x", "tmp").name
    project.write(f"data/{made.replace(f'.{os.getpid()}-', '.4194305-')}", "half")


def ratings(project: Project, answers: dict[str, str]) -> None:
    """A form of texts that the demo's people have rated."""
    some = list(answers)[:5]
    (project.folder / "data/demo").mkdir(exist_ok=True)
    table(project.folder / "data/demo/ratings.csv", ["id", "mean", "ratings"], ([text_id(text), "1.5", "1 2"] for text in some))
    table(project.folder / "demo.csv", ["id", "text", "label"], ([text_id(text), text, ""] for text in some))


def own_files(project: Project, answers: dict[str, str]) -> None:
    """A pool and labels of one's own, beside the project."""
    texts = list(answers)
    table(project.folder.parent / "own.csv", ["text"], ([text] for text in texts[:60]))
    table(project.folder.parent / "labelled.csv", ["text", "label"], ([text, answers[text]] for text in texts[:30]))


COMMANDS = [
    Typed("import", ("import", "more.csv"), a_form),
    Typed("draw", ("draw", "5", "FILE")),
    Typed("audit", ("audit", "2", "FILE")),
    Typed("next", ("next", "FILE")),
    Typed("quick", ("quick", "FILE")),
    Typed("export", ("export", "--labelled", "--format", "label-studio", "all.json")),
    Typed("init", ("init", "--yes", "--pool", "../own.csv", "--labelled", "../labelled.csv"), own_files),
    Typed("schema rename", ("schema", "rename", "praise", "thanks")),
    Typed("schema merge", ("schema", "merge", "praise", "delivery", "--into", "rest")),
    Typed("schema split", ("schema", "split", "praise", "--into", "thanks", "--into", "wonder", "--form", "FILE")),
    Typed("schema add", ("schema", "add", "other")),
    Typed("schema retire", ("schema", "retire", "praise")),
    Typed("schema relabel", ("schema", "relabel", "FILE"), lambda project, answers: project.run("labelrounds", "schema", "retire", "praise")),
    Typed("merge", ("merge", "ben", "--no-repro"), two_branches),
    Typed("setup-git", ("setup-git",)),
    Typed("history", ("history", "--plot", "history.svg")),
    Typed("report", ("report", "page.html", "--no-texts")),
    Typed("card", ("card",)),
    Typed("publish", ("publish", "--to", "published")),
    Typed("pool add", ("pool", "add", "new.csv"), more_texts),
    Typed("retire", ("retire", "--yes", "--near", "ID")),
    Typed("machine", ("machine", "--keep")),
    Typed("doctor", ("doctor", "--fix"), what_a_kill_left),
    Typed("demo annotate", ("demo", "annotate", "demo.csv"), ratings),
]


def leaves(group: click.Group = cli.main, before: str = "") -> Iterator[str]:
    """Yields the names of all commands."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, f"{before}{name} ")
        else:
            yield before + name


def state(project: Project) -> dict[str, str]:
    """Returns {path: digest} of all that people and commands keep, with what git knows of it."""
    found = {path: digest for path, digest in files.folder_digests(project.folder).items() if not PASSING.match(path)}
    merging = (project.folder / ".git/MERGE_HEAD").exists()
    return {
        **found,
        "git": project.run("git", "ls-files", "-s").stdout,
        "driver": project.run("git", "config", "-l", "--local").stdout,
        "merging": str(merging),
    }


def words_of(one: Typed, answers: dict[str, str]) -> list[str]:
    """Returns the words that are typed."""
    return ["labelrounds", *({"FILE": "form.csv", "ID": text_id(list(answers)[3])}.get(word, word) for word in one.words)]


def killed(one: Typed, began: Project, whole: dict[str, str], took: float, answers: dict[str, str], draw: random.Random, figures: Figures) -> None:
    """Kills a command once, types it again, and compares."""
    project = copied(began)
    words = words_of(one, answers)
    strike(project, words, draw.uniform(0.1, 1.05) * took, draw)
    code, said, again = place.ran(project, *words)
    if "index.lock" in said or "would be overwritten" in said:  # git itself was killed: what it says, a person does
        (project.folder / ".git/index.lock").unlink(missing_ok=True)
        project.run("git", "reset", "-q", "--hard")
        code, said, again = place.ran(project, *words)
    if "labelrounds merge` to go on" in said:
        code, said, again = place.ran(project, "labelrounds", "merge", "--no-repro")
    figures.ended(ATTACK, code, said, max(0.0, again - 10 * took), " ".join(words))
    figures.each[one.name] += 1
    if (after := state(project)) != whole:
        changed = sorted(path for path in whole.keys() | after.keys() if whole.get(path) != after.get(path))
        figures.fault(ATTACK, "lost or wrong", f"{one.name}: exit {code}, other bytes in {changed[:5]}: {said[-300:]}")
    if left := place.left_over(project):
        figures.fault(ATTACK, "lost or wrong", f"{one.name} left {left[:3]}")
    shutil.rmtree(project.folder.parent)


def copied(began: Project) -> Project:
    """Returns a copy of the project, with what lies beside it."""
    folder = began.folder.parent.with_name("copy")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(began.folder.parent, folder, symlinks=True)
    return Project(folder / began.folder.name)


def run(folder: Path, turns: int, until: float, draw: random.Random, figures: Figures, names: tuple[str, ...] = ()) -> None:
    """Kills every command in turn, so many times; names : only these"""
    project, answers = place.made(folder / "made", whole=False)
    project.run("dvc", "init", "-q", code=None)
    project.params(predict__precision=0.5, predict__risk=0.5)
    project.commit("a project")
    code, said, _ = place.ran(project, "dvc", "repro")
    if code:
        figures.fault(ATTACK, "lost or wrong", f"dvc repro does not run: {said[-500:]}")
        return
    project.commit("round 01")
    ready = [prepared(one, project, answers, folder / str(number), figures) for number, one in enumerate(COMMANDS) if not names or one.name in names]
    for _ in range(turns):
        for one in filter(None, ready):
            if time.monotonic() < until:
                killed(*one, answers, draw, figures)
        if (not names or "serve" in names) and time.monotonic() < until:
            served(project, answers, draw, figures)


def prepared(
    one: Typed, project: Project, answers: dict[str, str], folder: Path, figures: Figures
) -> tuple[Typed, Project, dict[str, str], float] | None:
    """Returns (the command, the project before it, what it must be after it, seconds that it takes); None where it does not run."""
    shutil.copytree(project.folder.parent, folder / "began", symlinks=True)
    began = Project(folder / "began" / project.folder.name)
    one.before(began, answers)
    undisturbed = copied(began)
    code, said, took = place.ran(undisturbed, *words_of(one, answers))
    if code:
        figures.fault(ATTACK, "lost or wrong", f"{one.name} does not run at all: {said[-300:]}")
        return None
    whole = state(undisturbed)
    shutil.rmtree(undisturbed.folder.parent)
    return one, began, whole, took


def served(began: Project, answers: dict[str, str], draw: random.Random, figures: Figures) -> None:
    """Kills the page while a person labels on it: what it acknowledged is in the round, once."""
    project = copied(began)
    process = place.started(project, "labelrounds", "serve", "--no-browser", "--port", "0")
    assert process.stdout
    said = ""
    while "End it with" not in said and (line := process.stdout.readline()):
        said += line
    found = re.findall(r"http://\S+/", said)
    kept: list[str] = []
    if found:
        labelling = threading.Thread(target=label, args=(found[0].rstrip("/"), sorted(set(answers.values())), kept), daemon=True)
        labelling.start()
        time.sleep(draw.uniform(0.05, 1.5))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        labelling.join(30)
    place.ended(process, 30)
    code, said, again = place.ran(project, "labelrounds", "import")
    figures.ended(ATTACK, code if kept or code != 1 else 0, said, again, "serve, then import")
    figures.each["serve"] += 1
    rows = [
        row.split(",")[0] for path in (project.folder / "data/rounds").glob("*.csv") if path.stem != "01" for row in path.read_text().splitlines()[1:]
    ]
    if set(kept) - set(rows) or len(rows) != len(set(rows)) or len(rows) > len(kept) + 1:
        figures.fault(ATTACK, "lost or wrong", f"serve: {len(kept)} labels acknowledged, {len(rows)} in the round: {said[-200:]}")
    if not found:
        figures.fault(ATTACK, "lost or wrong", "serve shows no page")
    shutil.rmtree(project.folder.parent)


def label(address: str, labels: list[str], kept: list[str]) -> None:
    """Labels text after text until the server is gone; `kept` gets the id of each label that it acknowledged."""
    import json

    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def sent(path: str, **fields: str) -> bytes:
        headers = {"accept": "application/json" if fields.get("tab") else "text/html", "origin": address}
        data = urllib.parse.urlencode(fields).encode() if "page" in fields or "name" in fields else None
        return browser.open(urllib.request.Request(address + path, data=data, headers=headers), timeout=10).read()

    with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
        sent("/enter", name="Ana")
        token = re.findall(r'name="page" value="(\w+)"', sent("/").decode())[0]
        for press in range(1000):
            shown = json.loads(sent("/state?tab=one", tab="one"))["items"][0]["id"]
            sent("/label", page=token, tab="one", key=f"press-{press}", id=shown, label=labels[press % len(labels)])
            kept.append(shown)
