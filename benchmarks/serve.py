"""The labelling page: how long a key press takes, and whether a label is ever lost or doubled.

    python -m benchmarks.serve

1. A person in headless Chromium labels by keys: milliseconds from the press to the next text on the screen.
2. The server is killed at random moments while somebody labels as fast as they can: is every acknowledged label in the journal?
3. Ten people label at once: is every text labelled once, under the right name, and in the round at the end?
"""

import contextlib
import http.client
import json
import os
import random
import re
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

import click
import numpy as np

from labelrounds.people.serve import finish, journal
from tests.browser import CHROMIUM, Browser
from tests.people.serve.page import newest, with_queue
from tests.people.serve.served import Hands, Served
from tests.small import LABELS, SmallProject

# From the event's own time to the frame after the one that holds the new text.
WATCH = """
window.times = [];
let pressed = 0;
document.addEventListener("keydown", (event) => (pressed = event.timeStamp), true);
new MutationObserver(() => requestAnimationFrame(() => {
  const channel = new MessageChannel();
  channel.port1.onmessage = () => window.times.push(performance.now() - pressed);
  channel.port2.postMessage(0);
})).observe(document.getElementById("text"), { childList: true });
"""


class Person:
    """Somebody who labels over HTTP without looking; `kept` holds what the server has acknowledged."""

    def __init__(self, served: Served, name: str) -> None:
        self.served, self.name = served, name
        self.kept: dict[str, str] = {}
        self.connect()
        reply = self.ask("POST", "/enter", {"name": name})
        self.cookie = reply.headers["set-cookie"].partition(";")[0]
        self.token = re.findall(r'name="page" value="(\w+)"', self.ask("GET", "/").text)[0]

    def connect(self) -> None:
        self.line = http.client.HTTPConnection("127.0.0.1", self.served.port, timeout=20)

    def ask(self, method: str, path: str, fields: dict | None = None):
        headers = {"Origin": self.served.address.rstrip("/"), "Accept": "application/json" if fields is None or "id" in fields else "text/html"}
        if getattr(self, "cookie", ""):
            headers["Cookie"] = self.cookie
        headers["Accept"] = "text/html" if path == "/" else headers["Accept"]
        self.line.request(method, path, urlencode(fields or {}) if method == "POST" else None, headers)
        reply = self.line.getresponse()
        reply.text = reply.read().decode()  # type: ignore[attr-defined]
        return reply

    def label_all(self, limit: int = 10**9) -> None:
        """Labels what it is given until nothing is left, or the server is gone (OSError)."""
        tab = f"tab-{time.monotonic_ns()}"
        items = json.loads(self.ask("GET", f"/state?tab={tab}").text)["items"]
        while items and len(self.kept) < limit:
            identity = items[0]["id"]
            label = label_of(self.name, identity)
            reply = self.ask("POST", "/label", {"page": self.token, "tab": tab, "id": identity, "label": label, "seconds": "1"})
            if reply.status == 429:
                time.sleep(0.05)
                continue
            assert reply.status == 200, reply.text
            self.kept[identity] = label
            items = json.loads(reply.text)["items"]


def label_of(name: str, identity: str) -> str:
    """Returns the label that this person, and hardly anybody else, gives to a text."""
    return LABELS[random.Random(f"{name} {identity}").randrange(len(LABELS))]


def standing(here: SmallProject) -> list[tuple[str, str, str]]:
    """Returns (person, id, label) of what the journal on disk holds."""
    events, _ = journal.read(here.folder / "data/inbox/queue.journal")
    return [(event.person, event.id, *event.labels) for event in finish.standing(events)]


def key_presses(texts: int, folder: Path) -> np.ndarray:
    """Returns the milliseconds from each press of a key to the next text on the screen."""
    here = with_queue(folder, texts + 1)
    with Served(here.folder) as served, Browser() as browser:
        hands = Hands(browser, served, "Ana")
        browser.ask(WATCH)
        for number in range(texts):
            hands.press(str(1 + number % 3))
            browser.wait(f"window.times.length > {number}")
        assert len(standing(here)) == texts
        return np.array(browser.ask("window.times"))


def disk(folder: Path, times: int = 50) -> float:
    """Returns the median milliseconds that this disk takes to keep one line."""
    found = []
    with open(folder / "lines", "ab", buffering=0) as file:
        for _ in range(times):
            file.write(b"x" * 300)
            began = time.perf_counter()
            journal.to_disk(file.fileno())
            found.append(1000 * (time.perf_counter() - began))
    return float(np.median(found))


def kills(times: int, folder: Path, seed: int = 13) -> tuple[int, int, int]:
    """Returns (acknowledged labels, those that the journal lacks, texts that it holds twice) after so many kills at random moments."""
    here = with_queue(folder, 2000)
    randomness = random.Random(seed)
    acknowledged: dict[str, str] = {}
    with Served(here.folder) as served:
        for _ in range(times):
            ana = Person(served, "Ana")
            stop = threading.Timer(randomness.uniform(0.05, 1.5), served.process.kill)
            stop.start()
            with contextlib.suppress(OSError, http.client.HTTPException):
                ana.label_all()
            stop.join()
            served.process.wait()
            acknowledged |= ana.kept
            served.start()
    found = [(identity, label) for _, identity, label in standing(here)]
    lost = sum((identity, label) not in found for identity, label in acknowledged.items())
    lines = [event.id for event in journal.read(here.folder / "data/inbox/queue.journal")[0]]
    return len(acknowledged), lost, len(lines) - len(set(lines))


def crowd(people: int, texts: int, folder: Path) -> tuple[int, int, int, int, float]:
    """Returns (labels in the round, acknowledged ones that it lacks, texts labelled twice, labels under another's name, seconds)."""
    here = with_queue(folder, texts)
    with Served(here.folder) as served:
        crowd = [Person(served, f"Person {number}") for number in range(people)]
        threads = [threading.Thread(target=person.label_all) for person in crowd]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - began
        served.end()
    here.command("import")
    rows = [(row["annotator"], row["id"], row["label"]) for row in newest(here)]
    given = {(person.name, identity, label) for person in crowd for identity, label in person.kept.items()}
    wrong = sum(label != label_of(name, identity) for name, identity, label in rows)
    return len(rows), len(given - set(rows)), len(rows) - len({identity for _, identity, _ in rows}), wrong, seconds


@click.command()
@click.option("--texts", default=200, show_default=True, help="Texts labelled by keys.")
@click.option("--times", default=20, show_default=True, help="Kills of the server.")
@click.option("--people", default=10, show_default=True, help="People at once.")
@click.option("--shared", default=500, show_default=True, help="Texts that they share.")
def main(texts: int, times: int, people: int, shared: int) -> None:
    """Measure the page of `labelrounds serve` on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        if CHROMIUM is None:
            click.echo("Chromium is not installed, so key presses are not measured.")
        else:
            before = disk(Path(folder))
            found = key_presses(texts, Path(folder, "keys"))
            alone = (before + disk(Path(folder))) / 2
            median, high = np.percentile(found, [50, 95])
            click.echo(f"{texts} texts by keys: {median:.0f} ms from the press to the next text on the screen (median), {high:.0f} ms (95 %)")
            click.echo(f"  of which the disk takes {alone:.1f} ms to keep a line; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        given, lost, twice = kills(times, Path(folder, "kills"))
        click.echo(f"{times} kills while somebody labels: {given} labels acknowledged, {lost} of them lost, {twice} texts twice")
        rows, lost, twice, wrong, seconds = crowd(people, shared, Path(folder, "crowd"))
        click.echo(
            f"{people} people, {shared} texts, {seconds:.1f} s: {rows} labels in the round, {lost} lost, {twice} doubled, {wrong} under another's name"
        )


if __name__ == "__main__":
    main()
