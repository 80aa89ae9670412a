"""Large models: a decoder tuned through low-rank adapters, saved beside the weights it was brought with; and SetFit."""

import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from labelrounds.core import files, params
from labelrounds.core.errors import UserError
from labelrounds.core.task import Task, indicator
from labelrounds.labelers import contract
from labelrounds.measures import scores
from labelrounds.methods import jobs
from labelrounds.models import adapters, sources
from tests import tiny
from tests.conftest import ENVIRONMENT
from tests.graph import ROOT
from tests.small import SmallProject, project

TASK = Task("multi-class", tuple(sorted(tiny.TOPICS)))
ADAPTERS = {"r": 8, "alpha": 16, "dropout": 0.1, "targets": [], "four_bit": False}
MAKE = """
from pathlib import Path
from labelrounds.core import params
from labelrounds.methods import jobs
settings = params.load()
jobs.make_labeler(jobs.Job("it", settings.recipes["it"], settings, Path("train.csv"), Path("valid.csv"), Path("scratch"), Path("made")))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    monkeypatch.chdir(tmp_path)
    made = project(tmp_path, TASK.labels)
    for name, rows in (("train", tiny.texts(160)[:120]), ("valid", tiny.texts(160)[120:])):
        made.table(f"{name}.csv", ["id", "text", "label"], ((str(number), *row) for number, row in enumerate(rows)))
    return made


def recipe(here: SmallProject, kind: str, **values) -> None:
    sources.bring(str(tiny.model(here.folder / "source", kind)), here.folder / "models/encoder/vanilla")
    here.params(
        recipes={"it": {"encoder": "vanilla", **values}},
        deploy="it",
        runtime__threads=1,
        runtime__precision="fp32",
        model__max_length=32,
        runtime__checkpoint_seconds=0,
    )


def make(here: SmallProject, out: str = "made") -> jobs.Job:
    settings = params.load()
    job = jobs.Job("it", settings.recipes["it"], settings, Path("train.csv"), Path("valid.csv"), Path(f"scratch-{out}"), Path(out))
    jobs.make_labeler(job)
    return job


def f1_on_valid(job: jobs.Job) -> float:
    found = contract.load(job.out, job.machine)
    _, valid = job.examples()
    return scores.macro_f1(valid.gold, indicator(contract.decide(found.scores(valid.texts, 8), found.card), TASK))


def test_a_recipes_own_finetune_goes_before_the_section_and_keeps_the_rest(here: SmallProject) -> None:
    here.params(recipes={"it": {"encoder": "vanilla", "method": "supervised", "finetune": {"learning_rate": 0.003, "lora": ADAPTERS}}}, deploy="it")
    settings = params.load()
    found = settings.finetune_of(settings.recipes["it"])
    assert (found.learning_rate, found.lora.r, found.lora.targets) == (0.003, 8, ())
    assert found.model_copy(update={"learning_rate": settings.finetune.learning_rate, "lora": None}) == settings.finetune
    here.params(further={"big": {"encoder": "vanilla", "method": "supervised", "finetune": {"learning_rate": 0.003}}})
    assert params.load().all_recipes["big"].finetune == settings.finetune.model_copy(update={"learning_rate": 0.003})
    here.params(recipes={"it": {"encoder": "vanilla", "method": "supervised", "finetune": {"lora": {"r": 8, "alpha": 1, "dropout": 0, "rank": 3}}}})
    with pytest.raises(UserError, match=r'unknown key "recipes\.it\.finetune\.lora\.rank"'):
        params.load()


def test_four_bits_without_the_package_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install bitsandbytes; or set four_bit: false"):
        adapters.quantisation(params.Lora(r=8, alpha=16, dropout=0, four_bit=True))
    assert adapters.quantisation(params.Lora(r=8, alpha=16, dropout=0)) == adapters.quantisation(None) == {}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_adapters_learn_and_are_saved_beside_the_untouched_weights(kind: str, here: SmallProject) -> None:
    # Texts of nothing but their topic's words: what adapters on weights at random learn of these, they learn on every machine.
    draw, rows = random.Random(1), {}
    while len(rows) < 160:
        label = draw.choice(TASK.labels)
        rows[" ".join(draw.sample(tiny.TOPICS[label], draw.randint(2, 4)))] = label
    for name, part in (("train", list(rows.items())[:120]), ("valid", list(rows.items())[120:])):
        here.table(f"{name}.csv", ["id", "text", "label"], ((str(number), *row) for number, row in enumerate(part)))
    recipe(here, kind, method="supervised", finetune={"epochs": 10, "learning_rate": 0.005, "patience": 10, "lora": ADAPTERS})
    job = make(here)
    assert f1_on_valid(job) > 0.65, "a third is chance"
    learnt = [weight for name, weight in load_file("made/adapter/adapter_model.safetensors").items() if "lora_B" in name]
    assert learnt and all(weight.any() for weight in learnt), "all begin at zero, where an adapter changes nothing"
    brought, kept = Path("models/encoder/vanilla/model.safetensors"), Path("made/encoder/model.safetensors")
    assert files.sha256(brought) == files.sha256(kept), "the same bytes, so DVC's cache holds them once"
    adapter = json.loads(Path("made/adapter/adapter_config.json").read_text())
    assert adapter["r"] == 8 and adapter["target_modules"] == sorted(adapter["target_modules"])
    found = contract.load(job.out, job.machine)
    assert not adapters.is_wrapped(found.model), "merged for predict"
    assert "peft" in found.card.versions
    assert found.embed(["my invoice"], 1).shape[0] == 1


@pytest.mark.slow
def test_adapters_that_are_killed_on_the_way_come_out_the_same(here: SmallProject) -> None:
    recipe(here, "llama", method="supervised", finetune={"epochs": 3, "learning_rate": 0.02, "patience": 3, "lora": ADAPTERS})
    command = [sys.executable, "-c", MAKE]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    undisturbed = files.folder_digests("made")
    Path("made").rename("undisturbed")
    shutil.rmtree("scratch")
    killed = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE)
    while not list(Path("scratch").glob("checkpoint-*/complete")):
        assert killed.poll() is None, killed.stderr.read().decode()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not Path("made").exists()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert files.folder_digests("made") == undisturbed


@pytest.mark.slow
def test_a_layer_that_the_model_lacks_is_named_with_those_it_has(here: SmallProject) -> None:
    recipe(here, "llama", method="supervised", finetune={"lora": {**ADAPTERS, "targets": ["query"]}})
    with pytest.raises(UserError, match=r"names no layer.*q_proj"):
        make(here)


@pytest.mark.slow
@pytest.mark.parametrize("multi_label", [False, True], ids=["multi-class", "multi-label"])
def test_setfit_learns_from_few_labels_and_gives_the_same_bytes_again(
    here: SmallProject, multi_label: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe(here, "bert", method="setfit")
    here.params(setfit__steps=100, setfit__learning_rate=2e-3, setfit__batch_size=8, setfit__inverse_regularization=100.0)
    if multi_label:
        here.params(task__type="multi-label")
        for name, rows in (("train", tiny.multi_label_texts(90)), ("valid", tiny.multi_label_texts(130)[90:])):
            here.table(f"{name}.csv", ["id", "text", "labels"], ((str(n), text, ";".join(labels) or "-") for n, (text, labels) in enumerate(rows)))
    job = make(here)
    assert "100/100" in capfd.readouterr().err, "progress is shown"
    found = contract.load(job.out, job.machine)
    _, valid = job.examples()
    task = found.card.schema
    said = indicator(contract.decide(found.scores(valid.texts, 8), found.card), task)
    assert scores.macro_f1(valid.gold, said) > 0.65
    assert not list(job.out.rglob("*.pkl")) and np.isfinite(found.scores(["", "日本語"], 2)).all()
    assert files.folder_digests(make(here, "again").out) == files.folder_digests(job.out)
