"""The stage `base` and a model hub: the real client against a server on this machine that speaks the hub's protocol."""

import hashlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from labelrounds.core import files
from tests import tiny
from tests.conftest import ENVIRONMENT, Project

pytestmark = pytest.mark.slow

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy")


class Hub(ThreadingHTTPServer):
    """Serves the folders in `repositories`, each as one commit with the tag v1."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories: dict[str, Path] = {}
        self.asked: list[str] = []
        self.tokens: set[str | None] = set()
        self.broken = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Answer(BaseHTTPRequestHandler):
    """The part of the hub's protocol that bringing a model needs."""

    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append(path)
        self.server.tokens.add(self.headers.get("Authorization"))
        if self.server.broken:
            return self.refuse(503, "", "Service Unavailable")
        found = next((name for name in self.server.repositories if f"/{name}/" in path), None)
        if found is None:  # the hub does not tell a stranger which private models there are
            return self.refuse(401, "RepoNotFound", "Invalid username or password.")
        folder = self.server.repositories[found]
        parts = path.removeprefix("/api/models").removeprefix(f"/{found}/").split("/")
        what, revision, rest = parts[0], parts[1], parts[2:]
        if revision not in (COMMIT, "v1"):
            return self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        names = sorted(file.name for file in folder.iterdir())
        if what == "revision":
            return self.json({"id": found, "sha": COMMIT, "private": False, "tags": [], "siblings": [{"rfilename": name} for name in names]})
        if what == "tree":
            entries = [{"type": "file", "path": name, "size": (folder / name).stat().st_size, "oid": etag(folder / name)} for name in names]
            return self.json(entries)
        if what == "resolve" and rest[0] in names:
            body = (folder / rest[0]).read_bytes()
            return self.send(200, body, {"ETag": f'"{etag(folder / rest[0])}"', "X-Repo-Commit": COMMIT, "Content-Type": "application/octet-stream"})
        return self.refuse(404, "EntryNotFound", "Entry not found")

    def json(self, value: object) -> None:
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def refuse(self, status: int, code: str, message: str) -> None:
        headers = {"X-Error-Message": message, "Content-Type": "application/json", **({"X-Error-Code": code} if code else {})}
        self.send(status, json.dumps({"error": message}).encode(), headers)

    def send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model(tmp_path_factory.mktemp("hub") / "tiny-bert")


def base(project: Project, spec: str, endpoint: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the stage `base` with this model and this hub, as a user's machine would: with a home of its own."""
    project.params(model__base=spec)
    known = {name: value for name, value in ENVIRONMENT.items() if name not in OFFLINE}
    home = str(project.folder.parent / "home")
    known |= {"HF_ENDPOINT": endpoint, "HF_HOME": home, "HOME": home, "NO_PROXY": "*", **environment}
    return subprocess.run([sys.executable, "-m", "stages.base"], cwd=project.folder, env=known, capture_output=True, text=True, timeout=120)


def assert_refused(done: subprocess.CompletedProcess[str], project: Project, *expected: str) -> None:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.startswith("Error: "), done.stderr
    for words in expected:
        assert words in done.stderr, done.stderr
    assert sorted(path.name for path in (project.folder / "models").rglob("*") if path.is_file()) == ["README.md"], (
        "a refused model left something behind"
    )


def test_a_model_of_a_hub_is_brought_at_its_pinned_revision_and_nothing_else_comes(hub: Hub, source: Path, project: Project) -> None:
    shutil.copytree(source, project.folder.parent / "repository")
    repository = project.folder.parent / "repository"
    for extra in ("modeling_own.py", "pytorch_model.bin", "README.md"):
        (repository / extra).write_text("raise SystemExit")
    hub.repositories["someone/tiny-bert"] = repository
    done = base(project, f"hf:someone/tiny-bert@{COMMIT}", hub.address)
    assert done.returncode == 0, done.stderr
    assert "base: hf:someone/tiny-bert@" in done.stdout and "masked objective" in done.stdout
    assert done.stderr == "", "a good run says nothing but its summary"
    vanilla = project.folder / "models/encoder/vanilla"
    files.verify(vanilla)
    assert {path.name for path in vanilla.iterdir()} == {path.name for path in source.iterdir()} | {files.MANIFEST}
    assert (vanilla / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    assert not any(name.endswith((".py", ".bin", ".md")) for name in hub.asked), "what is not needed is not even asked for"

    # A tag names the same bytes. A token that opens gated models reaches the hub, and no file or screen.
    sealed = files.fingerprint(vanilla)
    secret = "hf_" + "secret" * 6
    done = base(project, "hf:someone/tiny-bert@v1", hub.address, HF_TOKEN=secret)
    assert done.returncode == 0 and files.fingerprint(vanilla) == sealed, done.stderr
    assert hub.tokens == {None, f"Bearer {secret}"}
    assert secret not in done.stdout + done.stderr
    assert not [path for path in project.folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]


def test_a_revision_that_does_not_exist_is_named(hub: Hub, source: Path, project: Project) -> None:
    hub.repositories["someone/tiny-bert"] = source
    assert_refused(base(project, "hf:someone/tiny-bert@v2", hub.address), project, "hf:someone/tiny-bert@v2", "RevisionNotFound", "Check the id")


def test_a_model_that_does_not_exist_or_is_not_yours_is_named(hub: Hub, project: Project) -> None:
    assert_refused(base(project, "hf:someone/nothing@main", hub.address), project, "hf:someone/nothing@main", "RepositoryNotFound", "HF_TOKEN")


def test_a_model_that_only_has_a_pickle_is_refused_without_asking_for_the_pickle(hub: Hub, source: Path, project: Project) -> None:
    repository = project.folder.parent / "repository"
    shutil.copytree(source, repository)
    (repository / "model.safetensors").rename(repository / "pytorch_model.bin")
    hub.repositories["someone/old"] = repository
    assert_refused(base(project, "hf:someone/old@v1", hub.address), project, "hf:someone/old@v1", "pickle (pytorch_model.bin)")
    assert not any(name.endswith(".bin") for name in hub.asked)


def test_a_hub_that_is_down_or_out_of_reach_is_said_to_be(hub: Hub, project: Project) -> None:
    hub.broken = True
    assert_refused(base(project, "hf:someone/tiny-bert@v1", hub.address), project, "the hub did not give it", "the network")
    with Hub() as gone:  # never served, and closed before it is asked
        address = gone.address
    assert_refused(base(project, "hf:someone/tiny-bert@v1", address), project, "the hub did not give it", "the network")
