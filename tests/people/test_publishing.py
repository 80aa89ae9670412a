"""What leaves the project: cards in the form of Hugging Face, a model that transformers alone loads, and never a text by accident."""

import base64
import contextlib
import dataclasses
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from labelrounds.core import files
from labelrounds.core.params import load
from labelrounds.core.task import MULTI_CLASS, MULTI_LABEL, Task
from labelrounds.labelers import contract, transformer
from labelrounds.models import base_models, runtime
from labelrounds.people import cards, publishing
from tests import tiny
from tests.conftest import ENVIRONMENT
from tests.labelers.test_contract import TASK, card_of, learn, topics
from tests.small import SmallProject, project

SECRET = "refund for the zebra please"


@pytest.fixture
def here(tmp_path: Path) -> SmallProject:
    """Returns a project with a linear labeler, its scores, and a split."""
    (tmp_path / "parcels").mkdir()
    made = project(tmp_path / "parcels", TASK.labels)
    learn(*topics(30), TASK, made.folder / "models/labeler/baseline")
    test = {"n": 40, "fingerprint": "0123456789abcdef", "f1_macro": 0.75, "f1_micro": 0.8, "accuracy": 0.8, "f1": dict.fromkeys(TASK.labels, 0.75)}
    made.write("metrics/baseline.json", json.dumps({"test": test | {"ci95": {"f1_macro": [0.6, 0.9], "f1": {"billing": [0.5, 1.0]}}}}))
    counts = {"train": 20, "valid": 5, "test": 40}
    split = {"pool": 90, **counts, "fingerprint": "0123456789abcdef", "ties": 2, "labels": dict.fromkeys(TASK.labels, counts)}
    made.write("metrics/split.json", json.dumps({**split, "rounds": {"01": {"annotations": 65, **counts}}}))
    for side in ("train", "valid", "test"):
        made.table(f"data/split/{side}.csv", ["id", "text", "label"], [["0" * 16, SECRET, "billing"]])
    made.table("data/split/labels.csv", ["id", "label", "round", "votes", "side"], [["0" * 16, "billing", "01", "1", "train"]])
    return made


def test_the_cards_are_in_the_form_of_the_hub_and_say_what_is_known(here: SmallProject) -> None:
    from huggingface_hub import DatasetCard, ModelCard

    assert here.command("card", "--license", "mit") == "MODEL_CARD.md is there now.\nDATASET_CARD.md is there now.\n"
    model, labels = ModelCard(here.read("MODEL_CARD.md")), DatasetCard(here.read("DATASET_CARD.md"))
    assert (model.data.license, model.data.pipeline_tag, model.data.library_name) == ("mit", "text-classification", "labelrounds")
    assert [(one.metric_name, one.metric_value) for one in model.data.eval_results] == [("macro-F1", 0.75), ("accuracy", 0.8)]
    for words in (
        "| macro-F1 | 0.750 | 0.600 to 0.900 |",
        "| F1 of `billing` | 0.750 | 0.500 to 1.000 |",
        "no model that transformers alone can load",
    ):
        assert words in model.text, words
    assert "so nobody knows which score is the best that is possible" in model.text and "Nobody has tested that." in model.text
    assert labels.data.task_ids == ["multi-class-classification"] and labels.data.size_categories == ["n<1K"]
    assert "| billing | 20 | 5 | 40 |" in labels.text and "2 texts are tied" in labels.text
    again = here.digests()
    here.command("card", "--license", "mit")
    assert here.digests() == again
    here.write("MODEL_CARD.md", "my own")
    assert "was not made by this command" in here.wrong("card")


def test_the_labels_leave_without_their_texts_unless_somebody_asks(here: SmallProject) -> None:
    assert "--with-texts would add these" in here.command("publish", "--labels", "--to", "out")
    assert sorted(path.name for path in (here.folder / "out").iterdir()) == ["README.md", "labels.csv"]
    assert not [path for path in (here.folder / "out").iterdir() if SECRET in path.read_text(encoding="utf-8")]
    assert "is not empty" in here.wrong("publish", "--labels", "--to", "out")
    here.command("publish", "--labels", "--with-texts", "--to", "whole")
    assert SECRET in here.read("whole/train.csv") and "path: train.csv" in here.read("whole/README.md")


def test_a_labeler_that_transformers_cannot_load_is_published_as_it_is_and_says_so(here: SmallProject) -> None:
    said = here.command("publish", "--to", "out")
    assert "a vocabulary of their words" in said and "kind linear, which labelrounds loads" in said
    texts, _ = topics(5)
    ours, theirs = (contract.load(here.folder / folder).scores(texts, 8) for folder in ("models/labeler/baseline", "out"))
    assert np.array_equal(ours, theirs)
    here.write("models/labeler/baseline/examples.json", "[]")
    assert "--with-texts publishes them, too" in here.wrong("publish", "--to", "other")


class Hub(ThreadingHTTPServer):
    """The part of a hub's protocol that publishing needs; `files` are those of the last commit."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.status = 200


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        self.reply({"id": "ours/parcels", "sha": "0" * 40, "siblings": [], "private": False, "tags": []})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        if self.path.endswith("/preupload/main"):
            wanted = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in json.loads(body)["files"]]
            return self.reply({"files": wanted})
        if "/commit/main" in self.path:
            lines = [json.loads(line) for line in body.splitlines()]
            self.server.files = {one["value"]["path"]: base64.b64decode(one["value"]["content"]) for one in lines if one["key"] == "file"}
        kind = "datasets/" if b'"dataset"' in body or "/datasets/" in self.path else ""
        address = f"http://{self.headers['Host']}/{kind}ours/parcels"
        return self.reply({"url": address, "commitUrl": f"{address}/commit/{'0' * 40}", "commitOid": "0" * 40, "errors": [], "warnings": []})

    def reply(self, value: object) -> None:
        content = json.dumps(value).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def sent(here: SmallProject, hub: Hub, *words: str) -> subprocess.CompletedProcess[str]:
    known = {name: value for name, value in ENVIRONMENT.items() if not name.startswith(("HF_", "TRANSFORMERS_")) and "proxy" not in name.lower()}
    home = str(here.folder.parent / "home")
    known |= {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}", "HF_TOKEN": "hf_ours", "HF_HOME": home, "HOME": home}
    command = [sys.executable, "-m", "labelrounds.people.cli", "publish", *words]
    return subprocess.run(command, cwd=here.folder, env=known, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_the_hubs_own_client_publishes_a_labeler_and_the_labels(here: SmallProject, hub: Hub) -> None:
    done = sent(here, hub, "--to", "hf:ours/parcels")
    assert done.returncode == 0 and "baseline is in http://127.0.0.1" in done.stdout, done.stderr
    source = here.folder / "models/labeler/baseline"
    assert {name: hub.files[name] for name in hub.files if name != "README.md"} == {path.name: path.read_bytes() for path in source.iterdir()}
    assert b"pipeline_tag: text-classification" in hub.files["README.md"]
    assert {token for _, token in hub.asked} == {"Bearer hf_ours"} and any("/api/models/ours/parcels/commit" in path for path, _ in hub.asked)
    assert sent(here, hub, "--labels", "--to", "hf:ours/parcels").returncode == 0
    assert sorted(hub.files) == ["README.md", "labels.csv"] and not any(SECRET.encode() in content for content in hub.files.values())
    hub.status = 403
    refused = sent(here, hub, "--to", "hf:ours/parcels")
    assert refused.returncode == 1 and refused.stderr.startswith("Error: ours/parcels: the hub refuses it") and "Log in first" in refused.stderr
    assert "expected hf:OWNER/NAME" in sent(here, hub, "--to", "hf:parcels").stderr
    assert not list((here.folder / "scratch").glob(".publish*"))


def trained(here: SmallProject, task: Task, pool: str | None) -> tuple[contract.Labeler, list[str]]:
    """Returns a labeler of chance weights and a calibration, as models/labeler/adapted, and texts."""
    machine = runtime.start(13, 1, "fp32")
    tiny.model(here.folder / "base")
    files.seal(here.folder / "base")
    encoder = base_models.open_base(here.folder / "base")
    card = dataclasses.replace(card_of(task), kind="transformer", max_length=16, pooling=pool, temperature=1.75)
    if task.multi_label:
        card = dataclasses.replace(card, platt=[[1.5, 0.25], [0.5, -0.5], [2.0, 0.0]])
    model = base_models.load_classifier(encoder, task, machine, pool)
    transformer.save(model, encoder, card, here.folder / "models/labeler/adapted")
    texts = [text for text, _ in tiny.texts(6)]
    return contract.load(here.folder / "models/labeler/adapted", machine), texts


def published(here: SmallProject) -> str:
    """Publishes the labeler as a machine does that reads models in bfloat16: what leaves is as it was trained all the same."""
    with contextlib.chdir(here.folder):
        settings = load()
        settings = settings.model_copy(update={"runtime": settings.runtime.model_copy(update={"precision": "bf16", "reproducible": "machine"})})
        return publishing.publish("out", "adapted", settings, None, False)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MULTI_CLASS, MULTI_LABEL])
def test_transformers_alone_loads_what_was_published_and_says_the_same(here: SmallProject, kind: str) -> None:
    from transformers import pipeline

    task = Task(kind, TASK.labels)
    labeler, texts = trained(here, task, None)
    assert "of transformers loads it" in published(here)
    classify = pipeline("text-classification", model=str(here.folder / "out"), top_k=None)
    assert classify.model.config.problem_type == ("multi_label_classification" if task.multi_label else "single_label_classification")
    said = classify(texts, truncation=True, max_length=16)
    theirs = [[{one["label"]: one["score"] for one in row}[label] for label in task.labels] for row in said]
    assert np.allclose(theirs, labeler.scores(texts, 8), atol=1e-5)
    assert "The scores are calibrated" in here.read("out/README.md") and 'model="out"' in here.read("out/README.md")


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MULTI_CLASS, MULTI_LABEL])
def test_a_pooled_head_is_loaded_by_the_lines_of_its_card_and_by_nothing_that_would_guess(here: SmallProject, kind: str) -> None:
    from transformers import pipeline

    task = Task(kind, TASK.labels)
    labeler, texts = trained(here, task, "mean")
    assert "pipeline() cannot load it" in published(here)
    with pytest.raises((OSError, ValueError)):
        pipeline("text-classification", model=str(here.folder / "out"))
    lines = re.search(r"```python\n(.*?)```", here.read("out/README.md"), re.DOTALL)[1].replace('["some text"]', repr(texts))
    assert 'folder = snapshot_download("ours/parcels")' in cards.snippet(labeler.card, cards.POOLED, "hf:ours/parcels")
    known: dict[str, object] = {}
    with contextlib.chdir(here.folder), contextlib.redirect_stdout(None):
        exec(lines, known)
    assert np.allclose(np.asarray(known["scores"]), labeler.scores(texts, 8), atol=1e-5)
    assert cards.form_of(here.folder / "models/labeler/adapted", labeler.card) == cards.POOLED
