"""The prompted labeler, whole: a model on this machine and the same behind a real llama.cpp server, asked by the real stages.

The model is tiny and made on the spot, but it has learnt its task: so its answers can be right or wrong, and the two
ways of asking it can be compared number by number.
"""

import contextlib
import importlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from labelrounds.core import files, params, paths, tables
from labelrounds.core.errors import UserError
from labelrounds.core.task import Task, labels_of
from labelrounds.labelers import contract, transformer
from labelrounds.llm import answers, local, prompt
from labelrounds.models import runtime, sources
from labelrounds.people import cli
from tests import small, tiny
from tests.conftest import BASELINE, ENVIRONMENT
from tests.graph import ROOT
from tests.small import SmallProject
from tests.stages.test_end_to_end import new_project, stages_run, table

pytestmark = pytest.mark.slow

LABELS = sorted(tiny.TOPICS)
SECRET = "sk-a-secret-that-nobody-may-see"
SOURCE = """{% block system %}
One of {{ labels | join(", ") }}.
{% endblock %}
{% block user %}
{{ text }}{{ " JSON" if form == "json" }}{{ " " ~ label ~ "?" if label is defined }}
{% endblock %}
"""
SERVE = """
import sys, time, xllamacpp
settings = xllamacpp.CommonParams()
settings.model.path, settings.n_ctx, settings.n_parallel, settings.warmup = sys.argv[1], 2048, 2, False
settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(settings)
print(server.listening_address, flush=True)
time.sleep(600)
"""


def lessons() -> list[tuple[str, str]]:
    """Returns (what is said, the right answer) for what the model learns: labels, labels as JSON, and yes or no."""
    system = f"<|im_start|>system\nOne of {', '.join(LABELS)}.<|im_end|>\n"
    found = []
    for text, label in tiny.texts(600, seed=5):
        asked = [(f"{text} {other}?", "yes" if other == label else "no") for other in LABELS]
        for said, answer in [(text, label), (f"{text} JSON", json.dumps({"label": label})), *asked]:
            found.append((f"{system}<|im_start|>user\n{said}<|im_end|>\n<|im_start|>assistant\n", f"{answer}<|im_end|>"))
    return found


def teach(model: Any, tokenizer: Any, steps: int = 700) -> None:
    """Trains the model on the lessons, until it knows them; most of a minute.

    Half as many steps end where the model is right about most texts and sure of few: then the last bits of a machine's
    arithmetic decide how many. Trained on, it is right about all of them, by every form of question and from any start.
    """
    import torch

    torch.set_num_threads(1)
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    rows = [
        (tokenizer(said, add_special_tokens=False)["input_ids"], tokenizer(answer, add_special_tokens=False)["input_ids"])
        for said, answer in lessons()
    ]
    draw = np.random.default_rng(0)
    model.train()
    for step in range(steps):
        batch = [rows[number] for number in draw.choice(len(rows), 20, replace=False)]
        width = max(len(said) + len(answer) for said, answer in batch)
        ids = torch.tensor([said + answer + [2] * (width - len(said) - len(answer)) for said, answer in batch])
        targets = torch.tensor([[-100] * len(said) + answer + [-100] * (width - len(said) - len(answer)) for said, answer in batch])
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1, (step + 1) / 20, (steps - step) / 100)
        taught = targets[:, 1:] != -100  # the answers alone go through the vocabulary's layer, which saves time
        said = model.model(input_ids=ids).last_hidden_state[:, :-1][taught]
        loss = torch.nn.functional.cross_entropy(model.lm_head(said), targets[:, 1:][taught])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    model.eval()


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny.gguf, the same model as a folder `tiny`, and the encoder `bert`."""
    folder = tmp_path_factory.mktemp("taught")
    tiny.gguf(folder / "tiny.gguf", teach=teach)
    tiny.model(folder / "bert")
    return folder


@pytest.fixture(scope="module")
def address(taught: Path) -> Iterator[str]:
    """A llama.cpp server with that model, in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(taught / "tiny.gguf")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        yield process.stdout.readline().strip() + "/v1"
        process.kill()


@pytest.fixture
def here(tmp_path: Path, taught: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """A small project in the working directory, split, with its encoder, whose prompt `mine` asks the tiny model."""
    made = small.project(tmp_path, LABELS)
    rows = tiny.texts(160, seed=21)
    made.pool(text for text, _ in rows)
    made.round("01", dict(rows[:80]))
    made.write("prompts/mine/prompt.jinja", SOURCE)
    made.params(
        runtime__threads=1,
        runtime__precision="fp32",
        language_models={"tiny": {"source": str(taught / "tiny")}},
        prompts={"mine": {"model": "tiny", "prompt": "prompts/mine", "calibrate": 30}},
        recipes=BASELINE,
    )
    made.split()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    stage("corpus")
    sources.bring(str(taught / "bert"), paths.VANILLA)
    stage("language_model", "tiny")
    return made


def stage(name: str, *arguments: str, code: int = 0) -> str:
    """Runs a stage in this process; returns what it printed."""
    result = CliRunner().invoke(importlib.import_module(f"stages.{name}").main, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


def ask(here: SmallProject, code: int = 0, **changes: Any) -> str:
    """Changes the prompt `mine`, and asks."""
    if changes:
        here.params(prompts={"mine": {"model": "tiny", "prompt": "prompts/mine", "calibrate": 30, **changes}})
    return stage("ask", "mine", code=code)


def published(name: str = "mine") -> dict[str, str]:
    return files.folder_digests(paths.LABELERS / name)


def metrics() -> dict[str, Any]:
    return json.loads(Path("metrics/mine.json").read_text())


# A model on this machine


def test_texts_are_labelled_and_measured_from_the_kept_responses_alone(here: SmallProject) -> None:
    shown = ask(here)
    heldout = len(here.rows("data/split/valid.csv")) + len(here.rows("data/split/test.csv"))
    assert f"{heldout + 30} requests (0 more are kept already)" in shown and f"ask mine: {heldout + 30} texts, 30 of them to calibrate" in shown
    stage("evaluate", "mine")
    first, bytes_of = metrics(), published()
    assert first["test"]["f1_macro"] > 0.8, "the model has learnt this"
    assert first["training"]["outside"] == 0 and first["training"]["requests"] == heldout + 30 and first["training"]["tokens_read"] > 0

    shutil.rmtree(paths.LANGUAGE_MODELS / "tiny")
    shutil.move("data/responses", "data/gone")
    assert "requests" not in stage("evaluate", "mine"), "nothing was asked"
    assert metrics() == first
    with pytest.raises(UserError, match=r"Run: dvc repro studies/llm/dvc\.yaml"):
        contract.load(paths.LABELERS / "mine", lambda: runtime.start(1, 1, "fp32")).scores(["a text that was never asked about"], 1)

    shutil.move("data/gone", "data/responses")
    stage("language_model", "tiny")
    encoded = here.folder / "models/language/tiny/model.safetensors"
    assert "requests" not in ask(here) and published() == bytes_of and encoded.is_file(), "a second run asks nothing twice"


def test_on_the_command_line_only_answers_go_to_the_standard_output(here: SmallProject) -> None:
    ask(here)
    said = CliRunner().invoke(cli.main, ["label", "--labeler", "mine", "--json", "nobody asked this", "nor this"], catch_exceptions=False)
    assert [json.loads(line)["text"] for line in said.stdout.splitlines()] == ["nobody asked this", "nor this"]
    assert "2 requests" in said.stderr and "2 answered" in said.stderr


def test_a_response_does_not_depend_on_what_else_is_asked(here: SmallProject) -> None:
    ask(here)
    expected = published()
    shutil.rmtree("data/responses")
    ask(here, calibrate=5)
    contract.load(paths.LABELERS / "mine", lambda: runtime.start(1, 1, "fp32")).scores([text for text, _ in reversed(tiny.texts(60, seed=21))], 7)
    assert "(0 more" not in ask(here, calibrate=30) and published() == expected


def test_a_killed_run_goes_on_where_it_was_and_ends_in_the_same_bytes(here: SmallProject) -> None:
    ask(here)
    expected = published()
    shutil.rmtree("data/responses")
    shutil.rmtree(paths.LABELERS / "mine")
    # So slow that there is a middle to be killed in.
    slow = "import time, runpy, sys\nfrom labelrounds.llm.responses import Kept\nkeep = Kept.keep\n"
    slow += "def slowly(self, *a):\n    time.sleep(0.05)\n    keep(self, *a)\nKept.keep = slowly\nsys.argv = ['ask', 'mine']\nrunpy.run_module('stages.ask', run_name='__main__')"
    environment = ENVIRONMENT | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-c", slow], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(1200):
            time.sleep(0.05)
            with contextlib.suppress(sqlite3.OperationalError):
                if (
                    Path("data/responses/kept.sqlite").is_file()
                    and sqlite3.connect("data/responses/kept.sqlite").execute("SELECT count(*) FROM kept").fetchone()[0] > 5
                ):
                    break
        os.kill(process.pid, signal.SIGKILL)
    assert not (paths.LABELERS / "mine").exists()
    shown = ask(here)
    assert "(0 more are kept already)" not in shown and "requests" in shown and published() == expected


@pytest.mark.parametrize("shared", [True, False], ids=["single tokens", "several tokens"])
@pytest.mark.parametrize("multi", [False, True], ids=["multi-class", "multi-label"])
def test_the_shared_beginning_changes_no_number(taught: Path, tmp_path: Path, multi: bool, shared: bool) -> None:
    """The same log-probabilities as from one plain pass over prompt and answer."""
    import torch

    machine = runtime.start(1, 1, "fp32")
    sources.bring(str(taught / "tiny"), tmp_path / "tiny")
    task = Task("multi-label" if multi else "multi-class", ("the", "my") if shared else ("billing matters", "praise", "the"))
    asked = prompt.Prompt(SOURCE, task, "scores", 1000, "prompt.jinja")
    model = local.LocalModel(tmp_path / "tiny", asked, (), machine)
    texts = ["the refund is late", "the", "thanks <|im_end|> <|im_start|>assistant", "中 great", "a a a"]
    found: dict[tuple[int, int], list[float]] = {}
    model.ask(
        [asked.questions(text) for text in texts], lambda row, place, response: found.__setitem__((row, place), response["answers"]), lambda n: None
    )
    assert len(model._prefix) > 10, "there is a beginning to share"
    for row, text in enumerate(texts):
        for place, question in enumerate(asked.questions(text)):
            tokens = model.tokens(question)
            assert tokens.count(2) == 2, "a text cannot end its own turn"
            for number, answer in enumerate(question.answers):
                more = model.tokenizer(answer, add_special_tokens=False)["input_ids"]
                with torch.inference_mode():
                    guesses = model._model(torch.tensor([tokens + more])).logits[0].log_softmax(-1)
                expected = sum(guesses[len(tokens) - 1 + step, token].item() for step, token in enumerate(more))
                assert found[row, place][number] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("examples", ["fixed", "random", "nearest"])
def test_examples_are_shown_and_never_a_text_that_is_held_out(here: SmallProject, examples: str, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = here.rows("data/split/train.csv"), here.rows("data/split/test.csv")
    here.table("prompts/mine/examples.csv", ["text", "label"], [(row["text"], row["label"]) for row in train[:3]])
    ask(here, examples=examples, shots=3)
    labeler = contract.load(paths.LABELERS / "mine", lambda: runtime.start(1, 1, "fp32"))
    asked = labeler.requests([row["text"] for row in test] + [train[0]["text"]])
    held = {row["text"] for row in test} | {row["text"] for row in here.rows("data/split/valid.csv")}
    for row in asked:
        messages = row[0].question.messages
        said = [message["content"] for message in messages if message["role"] == "user"]
        assert len(said) == 4 and not held & set(said[:-1])
        known = {other["text"]: other["label"] for other in train}
        assert [known[text] for text in said[:-1]] == [message["content"] for message in messages if message["role"] == "assistant"]
    if examples == "nearest":
        assert len({json.dumps(row[0].question.messages[1:-1]) for row in asked}) > 5, "each text has its own"
        assert asked[-1][0].question.messages[-1]["content"] not in {m["content"] for m in asked[-1][0].question.messages[:-1]}
    bytes_of = published()
    with monkeypatch.context() as patch:  # the vectors that say which texts are near are kept too
        patch.setattr(transformer, "run", None)
        assert "requests" not in ask(here) and published() == bytes_of

    here.table("prompts/mine/examples.csv", ["text", "label"], [(test[0]["text"].upper() + "!", test[0]["label"])])
    if examples == "fixed":
        assert "is a validation or test text, or nearly one" in ask(here, code=1)


def test_a_multi_label_task_is_asked_label_by_label(here: SmallProject) -> None:
    rows = dict(tiny.texts(80, seed=21))
    here.params(task__type="multi-label")
    here.table("data/rounds/01.csv", ["text", "labels"], rows.items())
    here.split()
    ask(here)
    stage("evaluate", "mine")
    found = metrics()
    assert found["test"]["roc_auc"] > 0.8 and found["training"]["requests"] == 3 * found["training"]["texts"]


def test_the_deployed_prompt_labels_the_pool_and_fills_the_queue(here: SmallProject) -> None:
    here.params(deploy="mine", predict__shard_size=64, select__size=7, select__candidates=20, select__strategy="entropy-kmeans")
    ask(here)
    assert "160 texts scored with mine" in stage("predict")
    truth = dict(tiny.texts(160, seed=21))
    said = [row.cells["label"] for row in tables.rows("data/predictions/shards" if Path("data/predictions/shards").is_dir() else "data/predictions")]
    assert np.mean([a == b for a, b in zip(said, truth.values(), strict=True)]) > 0.8
    stage("select")
    assert len(here.rows("data/queue/next.csv")) == 7


def test_a_prompt_that_is_longer_than_the_model_reads_is_told(here: SmallProject) -> None:
    here.write("prompts/mine/prompt.jinja", SOURCE.replace("One of", "One of " + "so many words " * 600))
    shown = ask(here, code=1)
    assert "the model in models/language/tiny reads at most 1024" in shown and not (paths.LABELERS / "mine").exists()


def test_a_masked_model_cannot_be_prompted(here: SmallProject, taught: Path) -> None:
    here.params(language_models={"tiny": {"source": str(taught / "bert")}})
    stage("language_model", "tiny")
    assert "guesses masked words and cannot be prompted" in ask(here, code=1)


# A real server


def serve(here: SmallProject, address: str, **settings: Any) -> None:
    """Puts the server in the place of the model on this machine."""
    here.params(language_models={"tiny": {"server": address, "model": "tiny", "key": "MY_KEY", "concurrency": 3, **settings}})
    stage("language_model", "tiny")


def test_a_server_scores_as_the_same_model_on_this_machine_does(here: SmallProject, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    ask(here, calibrate=0)
    texts = [row["text"] for row in here.rows("data/split/test.csv")]
    own = contract.load(paths.LABELERS / "mine", lambda: runtime.start(1, 1, "fp32")).logits(texts, 1)
    serve(here, address, price_in=1.0, price_out=2.0)
    shown = ask(here, calibrate=0)
    assert "tokens to read" in shown and "price" in shown.split("answered:")[1]
    labeler = contract.load(paths.LABELERS / "mine")
    theirs = labeler.logits(texts, 1)
    inside = [not labeler.outside(given) for given in labeler.responses(texts)]
    assert np.mean(inside) > 0.9
    mine, yours = (np.exp(found) / np.exp(found).sum(axis=1, keepdims=True) for found in (own, theirs))
    np.testing.assert_allclose(mine[inside], yours[inside], atol=0.02)
    stage("evaluate", "mine")
    assert metrics()["test"]["f1_macro"] > 0.8 and metrics()["training"]["tokens_written"] > 0
    for path in here.folder.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_a_server_answers_by_the_schema_and_its_answers_outlive_it(here: SmallProject, taught: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, str(taught / "tiny.gguf")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        serve(here, process.stdout.readline().strip() + "/v1")
        ask(here, form="json", samples=2)
        stage("evaluate", "mine")
        process.kill()
    found, bytes_of = metrics(), published()
    labeler = contract.load(paths.LABELERS / "mine")
    texts = [row["text"] for row in here.rows("data/split/test.csv")]
    given = labeler.responses(texts)
    assert all(len(row) == 2 for row in given)
    task = Task("multi-class", tuple(LABELS))
    answered = [answers.voted(response, task) for row in given for response in row]
    assert np.mean([answer is not None for answer in answered]) > 0.9 and found["test"]["f1_macro"] > 0.6
    # The server is gone for good now.
    assert "requests" not in ask(here) and published() == bytes_of
    stage("evaluate", "mine")
    assert metrics() == found


def test_answers_outside_the_labels_are_recorded_and_never_sure(here: SmallProject, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    serve(here, address)
    here.params(task__labels=["billing", "delivery", "sport"])
    here.write("data/rounds/01.csv", here.read("data/rounds/01.csv").replace("praise", "sport"))
    here.write("prompts/mine/prompt.jinja", SOURCE.replace('{{ labels | join(", ") }}', "billing, delivery, praise"))
    here.split()
    shown = ask(here)
    outside = here.rows("models/labeler/mine/outside.csv")
    assert len(outside) > 10 and {row["answer"] for row in outside} >= {"praise"} and f"{len(outside)} answers outside the labels" in shown
    labeler = contract.load(paths.LABELERS / "mine")
    test = here.rows("data/split/test.csv")
    gone = {row["id"] for row in outside}
    sure = contract.confidence(labeler.scores([row["text"] for row in test], 1), labeler.card)
    assert all((certain == pytest.approx(1 / 3)) == (row["id"] in gone) for row, certain in zip(test, sure, strict=True))


def test_a_server_that_is_not_there_leaves_no_labeler_behind(here: SmallProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", SECRET)
    serve(here, "http://127.0.0.1:9/v1", attempts=1)
    shown = ask(here, code=1)
    assert "requests in a row failed" in shown and "the connection broke" in shown and not (paths.LABELERS / "mine").exists()


# The learning curve


def test_the_learning_curve_asks_too_and_never_again_what_is_kept(here: SmallProject) -> None:
    from labelrounds.measures import curve
    from studies.learning_curve import curve as study

    def points() -> dict[int, list[str]]:
        """Runs the study; returns the labels that `mine` gave to the test texts, by number of training labels."""
        shown = CliRunner().invoke(study.main, [], catch_exceptions=False).output
        assert "Error" not in shown
        said.append(shown)
        found, task = curve.read("mine", here.folder / study.POINTS).values(), params.load().labelled_task()
        n = len(here.rows("data/split/test.csv"))
        return {point.labels: [labels[0] for labels in labels_of(curve.unpack(point.answers, n, task), task)] for point in found}

    said: list[str] = []
    here.params(learning_curve={"sizes": [10], "seeds": [13], "recipes": ["mine", "baseline"], "against": "baseline"}, seed=13)
    ask(here)
    stage("evaluate", "mine", "--study")
    assert not any(Path("data/evaluated").iterdir()), "the report depends on that folder, and shows no study"
    assert points() == {0: [row["predicted"] for row in here.rows("metrics/mine/test.csv")]}, "without examples no label is needed"
    assert "requests" not in said[0], "the stage has asked all that"
    here.write("prompts/mine/prompt.jinja", SOURCE.replace("One of", "Any of"))
    points()
    assert "requests" in said[1], "another guideline is another question"

    here.params(prompts={"mine": {"model": "tiny", "prompt": "prompts/mine", "calibrate": 30, "examples": "nearest", "shots": 1}})
    everything = len(here.rows("data/split/train.csv"))
    assert set(points()) == {0, 10, everything}
    asked = said[-1].count("requests")
    points()
    assert asked == 2 and "requests" not in said[-1]


# DVC


def test_the_study_runs_with_dvc_and_what_was_answered_is_not_asked_again(tmp_path: Path, taught: Path) -> None:
    project = new_project(
        tmp_path,
        language_models={"tiny": {"source": str(taught / "tiny")}},
        prompts={"mine": {"model": "tiny", "prompt": "prompts/mine", "calibrate": 20}},
        deploy="baseline",
        recipes=BASELINE,
    )
    project.write("prompts/mine/prompt.jinja", SOURCE)
    texts = tiny.texts(120, seed=21)
    table(project.folder / "pool.csv", ["text"], ([text] for text, _ in texts))
    table(project.folder / "labels.csv", ["text", "label"], texts[:80])
    project.run("labelrounds", "init", "--pool", "pool.csv", "--labelled", "labels.csv")
    done = project.run("dvc", "repro", "studies/llm/dvc.yaml").stdout
    ran = [name.rpartition(":")[2] for name in stages_run(done)]
    assert {"base", "split", "corpus", "language_model@tiny"} == set(ran[:-2]) and ran[-2:] == ["ask@mine", "evaluate@mine"]
    assert json.loads(project.read("metrics/mine.json"))["test"]["f1_macro"] > 0.8
    project.params(prompts={"mine": {"model": "tiny", "prompt": "prompts/mine", "calibrate": 10}})
    again = project.run("dvc", "repro", "studies/llm/dvc.yaml").stdout
    assert [name.rpartition(":")[2] for name in stages_run(again)] == ["ask@mine", "evaluate@mine"] and "requests" not in again
    project.commit("asked")
    assert "models/labeler/mine" not in project.run("git", "ls-files").stdout
    assert not stages_run(project.run("dvc", "repro", "studies/llm/dvc.yaml").stdout)

    both = {"tiny": {"source": str(taught / "tiny")}, "other": {"source": str(taught / "tiny")}}
    project.params(
        language_models=both,
        prompts={"another": {"model": "other", "prompt": "prompts/mine", "calibrate": 10}},
        learning_curve={"sizes": [10], "seeds": [13], "recipes": ["another", "baseline"], "against": "baseline"},
    )
    ran = [name.rpartition(":")[2] for name in stages_run(project.run("dvc", "repro", "studies/learning_curve/dvc.yaml").stdout)]
    assert "language_model@other" in ran and ran[-1] == "learning_curve", "the study brings the model that it asks"
    assert "another" in project.run("labelrounds", "curve").stdout
