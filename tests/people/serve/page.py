"""A project with a queue, and its page as a browser without script asks for it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from labelrounds.core import params, paths
from labelrounds.people.serve import access, app, work
from labelrounds.people.serve.room import Room
from labelrounds.pool.identity import text_id
from labelrounds.rounds import record
from tests.small import SmallProject, project, sentences

ADDRESS = "http://127.0.0.1:8642"
JSON = {"accept": "application/json", "origin": ADDRESS}


def with_queue(folder: Path, n: int = 20, multi_label: bool = False, texts: list[str] | None = None) -> SmallProject:
    """Returns a project with a first round of five labels by Zoe and a queue of `n` texts; the model suggests good, bad, other in turn."""
    made = project(folder, multi_label=multi_label)
    made.write("params.yaml", made.read("params.yaml").replace("overlap: 0.1", "overlap: 0.0"))
    pool = sentences(5) + (texts or sentences(n + 5)[5:])
    made.pool(pool)
    made.table("data/rounds/01.csv", ["id", "labels" if multi_label else "label", "annotator"], ([text_id(text), "good", "Zoe"] for text in pool[:5]))
    rows = [[text_id(text), text, ("good", "bad", "other")[number % 3], "0.71", "0.5"] for number, text in enumerate(pool[5:])]
    made.table("data/queue/next.csv", ["id", "text", "suggestion", "confidence", "uncertainty"], rows)
    return made


def newest(here: SmallProject, folder: str = "rounds") -> list[dict[str, str]]:
    """Returns the rows of the newest round, or of the newest file of data/FOLDER."""
    return here.rows(str(record.round_files(here.folder / "data" / folder)[-1]))


class Page:
    """One person's browser on the page of a room."""

    def __init__(self, site: "Site", name: str) -> None:
        self.site, self.name = site, name
        self.client = TestClient(site.app, base_url=ADDRESS, follow_redirects=False)
        assert self.client.post("/enter", data={"name": name}, headers={"origin": ADDRESS}).status_code == 303
        self.token = re.findall(r'name="page" value="(\w+)"', self.client.get("/").text)[0]
        self.tab = f"tab-of-{len(name)}-{id(self)}"
        self.presses = 0

    @property
    def now(self) -> dict[str, Any]:
        """What the page shows."""
        return self.client.get(f"/state?tab={self.tab}", headers=JSON).json()

    @property
    def id(self) -> str:
        """The id of the text that is shown."""
        return self.now["items"][0]["id"]

    def send(self, path: str, code: int = 200, **fields: Any) -> dict[str, Any]:
        """Sends what a key press sends."""
        self.presses += 1
        reply = self.client.post(path, data={"page": self.token, "tab": self.tab, "key": f"press-{id(self)}-{self.presses}", **fields}, headers=JSON)
        assert reply.status_code == code, reply.text
        return reply.json()

    def label(self, *labels: str, code: int = 200, **fields: Any) -> dict[str, Any]:
        """Labels the text that is shown, or `id`; no labels say that none fits."""
        given = {"label": list(labels)} if labels else {"none": "1"}
        return self.send("/label", code, **({"id": self.id} | given | fields))


class Site:
    """A page that is served, in this process. The project's folder must be the working one."""

    def __init__(self, load: Callable[[params.Params], work.Work] = lambda settings: work.of_queue(settings, False), links: bool = False) -> None:
        self.settings = params.load()
        self.doors = access.Doors(paths.INBOX / "people.json", open=not links)
        self.room = Room(lambda: load(self.settings), self.doors, self.settings)
        self.app: Any = app.make(self.room, access.hosts("127.0.0.1", 8642, ()), "labelrounds-8642", "a project")

    def of(self, name: str) -> Page:
        """Returns the page as this person sees it, signed in."""
        return Page(self, name)
