"""The round trip through the real Label Studio: tasks with suggestions go in, 1,000 labels come back, none lost or changed.

    python -m venv ../label-studio && ../label-studio/bin/pip install label-studio==1.23.2       # about 1 GB
    python -m benchmarks.label_studio --executable ../label-studio/bin/label-studio

It runs in a process of its own on 127.0.0.1, without telemetry, on a folder that goes away at the end.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from labelrounds.core.task import Task
from labelrounds.people.exchange import reading
from labelrounds.people.exchange.columns import Wanted
from labelrounds.pool.identity import text_id
from tests.small import LABELS, SmallProject, project, sentences

TOKEN = "0123456789abcdef0123456789abcdef01234567"
QUIET = {
    "LATEST_VERSION_CHECK": "false",
    "COLLECT_ANALYTICS": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
}
PATIENCE = 900  # seconds until it must answer: it first makes its database
EACH = 10  # every tenth text is skipped


class Studio:
    """A running Label Studio and its API."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, method: str, path: str, content: Any = None) -> bytes:
        """Returns the body of a reply; an error of the server is one here."""
        data = None if content is None else json.dumps(content).encode("utf-8")
        headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
        with urllib.request.urlopen(urllib.request.Request(self.address + path, data, headers, method=method), timeout=PATIENCE) as reply:
            return reply.read()

    def get(self, path: str) -> Any:
        return json.loads(self.ask("GET", path))

    def post(self, path: str, content: Any) -> Any:
        return json.loads(self.ask("POST", path, content))


@contextlib.contextmanager
def running(executable: Path, folder: Path) -> Iterator[Studio]:
    """Starts Label Studio on any free port and ends it, by its process, at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    person = ["--username", "ana@example.org", "--password", "no-secret-here", "--user-token", TOKEN]
    command = [str(executable), "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", port, *person]
    with open(folder / "log.txt", "wb") as log:
        server = subprocess.Popen(
            command, env={**os.environ, **QUIET, "LABEL_STUDIO_BASE_DATA_DIR": str(folder)}, stdout=log, stderr=log, start_new_session=True
        )
    studio = Studio(f"http://127.0.0.1:{port}")
    try:
        for _ in range(PATIENCE):
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                studio.ask("GET", "/api/projects")
                break
            if server.poll() is not None:
                sys.exit(f"Label Studio ended by itself:\n{(folder / 'log.txt').read_text(errors='replace')[-2000:]}")
            time.sleep(1)
        else:
            sys.exit(f"Label Studio did not answer within {PATIENCE} seconds.")
        yield studio
    finally:
        server.terminate()
        server.wait(60)


def new_project(studio: Studio, labels: list[str], several: bool) -> str:
    """Makes a project that asks for our labels and returns its path."""
    choices = "".join(f'<Choice value="{label}"/>' for label in labels)
    kind, name = ("multiple", "labels") if several else ("single", "label")
    view = f'<View><Text name="text" value="$text"/><Choices name="{name}" toName="text" choice="{kind}">{choices}</Choices></View>'
    return f"/api/projects/{studio.post('/api/projects', {'title': f'round trip {kind}', 'label_config': view})['id']}"


def prepared(folder: Path, count: int, several: bool) -> SmallProject:
    """Returns a project whose queue holds `count` texts with suggestions."""
    folder.mkdir()
    here = project(folder, multi_label=several)
    texts = [f"{text} « naïve ‹{number}› 😀" for number, text in enumerate(sentences(count))]
    here.pool(texts)
    columns = ["id", "text", "suggestion", "confidence", "uncertainty"]
    here.table("data/queue/next.csv", columns, [[text_id(text), text, LABELS[number % 3], "0.75", "0.5"] for number, text in enumerate(texts)])
    return here


def answer(number: int, several: bool) -> list[str]:
    """Returns what a person says of a text."""
    return [label for place, label in enumerate(LABELS) if (number >> place) & 1] if several else [LABELS[number * 7 % 3]]


def round_trip(studio: Studio, folder: Path, count: int, several: bool) -> None:
    """Takes `count` texts to Label Studio and back, and says what came back."""
    here = prepared(folder, count, several)
    here.command("export", "--format", "label-studio", "tasks.json")
    place = new_project(studio, LABELS, several)
    studio.post(f"{place}/import", json.loads(here.read("tasks.json")))
    tasks = studio.get(f"{place}/export?exportType=JSON&download_all_tasks=true")
    shown = sum(bool(task["predictions"]) for task in tasks)
    expected: dict[str, tuple[str, ...]] = {}
    skipped = 0
    for number, task in enumerate(tasks):
        labels = answer(number, several)
        name = "labels" if several else "label"
        result = [{"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": labels}}]
        if number % EACH == EACH - 1:
            studio.post(f"/api/tasks/{task['id']}/annotations/", {"result": [], "was_cancelled": True})
            skipped += 1
        else:
            studio.post(f"/api/tasks/{task['id']}/annotations/", {"result": result, "lead_time": 1.5})
            expected[text_id(task["data"]["text"])] = tuple(labels)
    for kind in ("JSON", "JSON_MIN", "CSV"):
        path = here.folder / f"export-{kind}.{'csv' if kind == 'CSV' else 'json'}"
        path.write_bytes(studio.ask("GET", f"{place}/export?exportType={kind}"))
        found = reading.read(path, Wanted(task=Task("multi-label" if several else "multi-class", tuple(LABELS))))
        read = {said.annotation().id: said.labels for said in found.rows}
        wrong = sum(read.get(identity) != labels for identity, labels in expected.items())
        who = {said.annotator for said in found.rows}
        click.echo(f"  {kind}: {len(read)} of {len(expected)} labels, {wrong} lost or changed, left out {dict(found.left_out)}, by {who}")
        if wrong or len(found.rows) != len(expected):
            sys.exit("labels were lost or changed")
    said = here.command("import", "export-JSON.json")
    rows = here.rows(next(path.relative_to(here.folder).as_posix() for path in (here.folder / "data/rounds").glob("*.csv")))
    kept = sum(bool(row["labelled_at"] and row["seconds"] == "1.5" and row["annotator"]) for row in rows)
    click.echo(
        f"  {len(tasks)} tasks, {shown} with a prediction, {skipped} skipped; a round of {len(rows)} labels, {kept} with person, time and seconds"
    )
    if len(rows) != len(expected) or kept != len(rows) or f"{skipped} skipped" not in said:
        sys.exit("the round is not what was labelled")


@click.command()
@click.option(
    "--executable", type=click.Path(exists=True, path_type=Path), required=True, help="The command label-studio of an environment of its own."
)
@click.option("--texts", type=click.IntRange(10), default=1000, show_default=True)
def main(executable: Path, texts: int) -> None:
    """Labels texts in a real Label Studio through its API, single and multiple choice."""
    with tempfile.TemporaryDirectory() as folder, running(executable.absolute(), Path(folder)) as studio:
        for several in (False, True):
            click.echo("multiple choice:" if several else "single choice:")
            round_trip(studio, Path(folder) / f"project-{several}", texts if not several else texts // 5, several)


if __name__ == "__main__":
    main()
