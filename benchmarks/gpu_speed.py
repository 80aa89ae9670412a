"""The parts of `benchmarks/gpu.py` that measure throughput, and the models, texts and projects that all parts use."""

import contextlib
import os
import runpy
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core import files

ROOT = Path(__file__).parents[1]
LABELS = ["bad", "good", "other"]
NOTES: Path | None = None  # where a part leaves what it has measured so far
WARM = 5  # steps before the clock starts


@dataclass(frozen=True)
class Shape:
    """A model's layers, width, heads, width of the inner layer, and the tokens of a text."""

    layers: int
    width: int
    heads: int
    inner: int
    tokens: int

    def operations(self) -> float:
        """Returns the floating-point operations of a text's forward pass: matrix products and attention, not the embeddings or the head."""
        products = 2 * self.layers * (4 * self.width**2 + 2 * self.width * self.inner)
        return float(self.tokens * (products + 4 * self.layers * self.tokens * self.width))


TINY = Shape(2, 32, 2, 64, 32)
MINILM = Shape(6, 384, 12, 1536, 128)
BERT = Shape(12, 768, 12, 3072, 128)


def note(found: dict[str, Any]) -> dict[str, Any]:
    """Keeps what has been measured so far, in case that the part fails or is stopped; returns it."""
    if NOTES:
        files.write_json(NOTES, found)
    return found


def words() -> list[str]:
    """Returns the 8,000 words of the generated texts."""
    parts = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    draw = np.random.default_rng(1)
    return sorted({"".join(draw.choice(parts, 3)) for _ in range(8400)})[:8000]


def texts(n: int, shortest: int, longest: int, seed: int = 2) -> list[str]:
    """Returns n texts of so many words."""
    known, draw = np.asarray(words()), np.random.default_rng(seed)
    return [" ".join(draw.choice(known, size)) for size in draw.integers(shortest, longest + 1, n)]


def label(text: str) -> str:
    """Returns the label of a text, which its first letter tells."""
    return LABELS[ord(text[0]) % len(LABELS)]


def tokenizer(decoder: bool = False) -> Any:
    """Returns a WordPiece tokenizer that knows the words of the texts, so that a word is a token."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(number) for number in range(97, 123)]
    vocabulary = {word: number for number, word in enumerate([*special, *words(), *letters, *(f"##{letter}" for letter in letters)])}
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    inner.normalizer, inner.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    if decoder:
        names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "eos_token": "[SEP]"}
    else:
        ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
        inner.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_input_names=["input_ids", "attention_mask"], **names)


def encoder(shape: Shape, folder: Path) -> Path:
    """Saves a BERT of this shape with random weights and returns its folder."""
    import torch
    import transformers

    torch.manual_seed(3)
    config = transformers.BertConfig(
        vocab_size=max(30522, len(tokenizer())) if shape is not TINY else len(tokenizer()), hidden_size=shape.width, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, intermediate_size=shape.inner, max_position_embeddings=max(512, shape.tokens), pad_token_id=0,
    )  # fmt: skip
    with device():
        model = transformers.AutoModelForMaskedLM.from_config(config)
    model.cpu().save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def device() -> Any:
    """Returns the context in which new weights are drawn where that is quick."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def project(folder: Path, base: Path, pool: list[str], labels: dict[str, str], names: list[str], **changes: Any) -> None:
    """Makes a project without git and DVC: its params.yaml is that of the demo but for `changes`, as section__key=value."""
    from ruamel.yaml import YAML

    yaml = YAML()
    tree = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    common = {"task__type": "multi-class", "task__labels": names, "task__descriptions": {}, "model__base": str(base), "data__pool": "data/pool.csv"}
    common |= {"runtime__reproducible": "machine", "runtime__threads": threads(), "deploy": next(iter(changes["recipes"]))}
    for name, value in (common | changes).items():
        *sections, key = name.split("__")
        section = tree
        for part in sections:
            section = section[part]
        section[key] = value
    (folder / "data/rounds").mkdir(parents=True)
    (folder / "data/pool.csv").write_text("text\n" + "".join(f"{text}\n" for text in pool), encoding="utf-8")
    (folder / "data/rounds/01.csv").write_text("text,label\n" + "".join(f"{text},{said}\n" for text, said in labels.items()), encoding="utf-8")
    with open(folder / "params.yaml", "w", encoding="utf-8") as file:
        yaml.dump(tree, file)


def threads() -> int:
    return max(1, min(8, (os.cpu_count() or 2) // 2))


def stages(folder: Path, names: Iterable[str]) -> None:
    """Runs stages of a project in this process, each as `python -m stages.NAME` would."""
    os.chdir(folder)
    for called in names:
        name, *arguments = called.split()
        sys.argv = [name, *arguments]
        began = time.monotonic()
        try:
            runpy.run_module(f"stages.{name}", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            if end.code:
                raise RuntimeError(f"{called} ended with {end.code}") from None
        print(f"{called}: {time.monotonic() - began:.1f} s", file=sys.stderr)


def synchronize() -> float:
    """Waits for the device and returns the time in seconds."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_memory(reset: bool = False) -> float | None:
    """Returns the most memory that tensors took since the last reset, in GiB."""
    import torch

    if not torch.cuda.is_available():
        return None
    if reset:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return round(torch.cuda.max_memory_allocated() / 2**30, 2)


def gemm_peak(size: int) -> float:
    """Returns the operations a second of bfloat16 matrix products of this size on random data, by the median time."""
    import torch

    with device():
        one, other = (torch.randn(size, size).bfloat16() for _ in range(2))
    times = []
    for _ in range(30):
        began = synchronize()
        one @ other
        times.append(synchronize() - began)
    return 2 * size**3 / statistics.median(times[5:])


@contextlib.contextmanager
def trainings() -> Iterator[list[dict[str, Any]]]:
    """Yields a list that gets an entry for each training in the block: texts, tokens with padding, and seconds, from step WARM on.

    The clock stands while an epoch is scored and while weights are written at the end.
    """
    from labelrounds.models.training import Run

    train, step_loss, end_epoch, end = Run.train, Run.step_loss, Run.end_epoch, Run.end
    found: list[dict[str, Any]] = []
    clock = {"began": 0.0, "stood": 0.0}

    def read_clock() -> float:
        now = synchronize()
        if found[-1]["steps"]:
            found[-1]["seconds"] = now - clock["began"] - clock["stood"]
        return now

    def timed_step(run: Any, model: Any, batch: dict[str, Any], step: int, steps: int) -> Any:
        last = found[-1]
        if last["all_steps"] == WARM:
            peak_memory(reset=True)
            clock.update(began=synchronize(), stood=0.0)
        last["all_steps"] += 1
        if last["all_steps"] > WARM:
            for name, more in (("steps", 1), ("texts", len(batch["input_ids"])), ("tokens", batch["input_ids"].numel())):
                last[name] += more
        return step_loss(run, model, batch, step, steps)

    def timed_epoch(run: Any, score: Any) -> Any:
        stopped = read_clock()
        ended = end_epoch(run, score)
        clock["stood"] += synchronize() - stopped
        return ended

    def timed_end(run: Any) -> None:
        if run.score is None:
            read_clock()
        end(run)

    def timed_train(run: Any) -> None:
        found.append({"title": run.title, "all_steps": 0, "steps": 0, "texts": 0, "tokens": 0})
        train(run)
        last = found[-1]
        if seconds := last.get("seconds"):
            last |= {"texts_per_second": round(last["texts"] / seconds, 1), "tokens_per_second": round(last["tokens"] / seconds)}
            last |= {"milliseconds_per_step": round(1000 * seconds / last["steps"], 2), "seconds": round(seconds, 3), "peak_gib": peak_memory()}

    Run.train, Run.step_loss, Run.end_epoch, Run.end = timed_train, timed_step, timed_epoch, timed_end
    try:
        yield found
    finally:
        Run.train, Run.step_loss, Run.end_epoch, Run.end = train, step_loss, end_epoch, end


def base(tiny_shapes: bool, room: Path) -> dict[str, Any]:
    """Returns what prediction and training reach at BERT-base's shape, beside loops of plain transformers on the same texts."""
    import torch

    from labelrounds.labelers import contract, transformer
    from labelrounds.models import base_models, runtime

    shape = TINY if tiny_shapes else BERT
    machine = runtime.start(13, threads(), "auto", shape.tokens)
    known, peak = shape.operations(), gemm_peak(256 if tiny_shapes else 8192)
    found: dict[str, Any] = {
        "bf16": machine.bf16,
        "tokens": shape.tokens,
        "gemm_tflops": round(peak / 1e12, 2),
        "gflop_per_text": round(known / 1e9, 3),
    }
    note(found)
    folder = encoder(shape, room / "base")
    begun = base_models.BaseModel(folder, base_models.MASKED, base_models.load_tokenizer(folder))
    card = new_card(shape.tokens, "cls")
    transformer.save(base_models.load_classifier(begun, card.schema, machine, card.pooling), begun, card, room / "labeler")
    labeler: Any = contract.load(room / "labeler", machine)
    sizes = (16,) if tiny_shapes else (64, 256, 1024)
    many = texts(64 if tiny_shapes else 16384, shape.tokens - 2, shape.tokens - 2)

    def share(texts_per_second: float, passes: int = 1) -> dict[str, float]:
        return {"texts_per_second": round(texts_per_second, 1), "share_of_gemm": round(passes * known * texts_per_second / peak, 4)}

    began = time.perf_counter()
    rows = transformer.tokenize(many, labeler.tokenizer, shape.tokens)
    found["predict"] = {"tokenize_texts_per_second": round(len(many) / (time.perf_counter() - began), 1), "threads": threads()}
    for size in sizes:
        some = many[: size * 64]
        labeler.scores(some[: 2 * size], size)
        began = synchronize()
        labeler.scores(some, size)
        found["predict"][f"labeler_scores_{size}"] = share(len(some) / (synchronize() - began))
        note(found)
    peer = base_models.load_classifier(begun, card.schema, machine, card.pooling).eval().to(machine.device)
    ids = torch.tensor([row["input_ids"] for row in rows], device=machine.device)
    for size in sizes:
        with runtime.autocast(machine):
            found["predict"][f"peer_autocast_{size}"] = share(plain_prediction(peer, ids[: size * 64], size))
    whole = peer.bfloat16() if machine.bf16 else peer
    for size in sizes:
        found["predict"][f"peer_whole_bf16_{size}"] = share(plain_prediction(whole, ids[: size * 64], size))
        note(found)
    del whole, peer, labeler
    found["train"] = {}
    for size in (8,) if tiny_shapes else (16, 64, 256):
        steps = WARM + (5 if tiny_shapes else 40)
        with trainings() as seen:
            tuned(begun, card, many[: size * steps], machine, room / f"training-{size}", batch_size=size, epochs=1)
        found["train"][f"trainer_{size}"] = {**seen[0], **share(seen[0]["texts_per_second"], 3)}
        note(found)
        peer = base_models.load_classifier(begun, card.schema, machine, card.pooling).train().to(machine.device)
        found["train"][f"peer_{size}"] = share(plain_training(peer, ids, size, steps, machine), 3)
        note(found)
        del peer
    return found


def new_card(tokens: int, pooling: str) -> Any:
    """Returns the card of a labeler that knows nothing."""
    from labelrounds.labelers import contract

    return contract.Card("transformer", "multi-class", LABELS, [0.5] * 3, 1.0, tokens, None, {"n": 0, "fingerprint": ""}, pooling=pooling)


def tuned(begun: Any, card: Any, some: list[str], machine: Any, folder: Path, **changes: Any) -> Any:
    """Fine-tunes a base model on texts, as the method `supervised` does; returns the model."""
    from labelrounds.core import params
    from labelrounds.core.examples import Examples
    from labelrounds.core.task import indicator
    from labelrounds.methods import classifier

    os.chdir(ROOT)
    finetune = params.load().finetune.model_copy(update={"min_steps": 0, "head": "random", "learning_rate": 2e-5, **changes})
    gold = indicator([(label(text),) for text in some], card.schema)
    none = Examples([], [], np.zeros((0, len(LABELS)), dtype=gold.dtype))
    model, _ = classifier.train(
        begun, card, Examples([str(number) for number in range(len(some))], some, gold), none, finetune, folder, machine, 3600, "finetune"
    )
    return model


def plain_prediction(model: Any, ids: Any, size: int) -> float:
    """Returns texts a second of a loop over batches that are on the device already."""
    import torch

    mask = torch.ones_like(ids)
    with torch.inference_mode():
        for part in (ids[: 2 * size], ids):
            began = synchronize()
            results = [model(input_ids=batch, attention_mask=mask[: len(batch)]).logits.float() for batch in part.split(size)]
            torch.cat(results).cpu()
    return len(ids) / (synchronize() - began)


def plain_training(model: Any, ids: Any, size: int, steps: int, machine: Any) -> float:
    """Returns texts a second of a training loop over batches that are on the device already, with torch's default kernels."""
    import torch

    from labelrounds.models import runtime

    mode = torch.get_deterministic_debug_mode()
    torch.set_deterministic_debug_mode("default")
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-5, fused=True)
    labels, mask = torch.zeros(size, dtype=torch.long, device=ids.device), torch.ones_like(ids[:size])
    began = synchronize()
    for step in range(steps):
        if step == WARM:
            began = synchronize()
        begin = step * size % max(len(ids) - size, 1)
        with runtime.autocast(machine):
            loss = model(input_ids=ids[begin : begin + size], attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    seconds = synchronize() - began
    torch.set_deterministic_debug_mode(mode)
    return (steps - WARM) * size / seconds


def minilm(tiny_shapes: bool, room: Path) -> dict[str, Any]:
    """Returns the throughput of the stages `adapt` and `finetune` at MiniLM's shape."""
    shape = TINY if tiny_shapes else replace(MINILM, tokens=64)
    pool = texts(400 if tiny_shapes else 20000, 6, shape.tokens - 4)
    labelled = pool[: 150 if tiny_shapes else 6000]
    project(
        room / "project", encoder(shape, room / "base"), pool, {text: label(text) for text in labelled}, LABELS, model__max_length=shape.tokens,
        runtime__checkpoint_seconds=3600, split__valid=0.1, split__test=0.1, adapt__epochs=1, adapt__batch_size=16 if tiny_shapes else 128,
        finetune__epochs=2, finetune__min_steps=0, finetune__batch_size=8 if tiny_shapes else 64, predict__batch_size=16 if tiny_shapes else 512,
        recipes={"adapted": {"encoder": "adapted", "method": "supervised"}},
    )  # fmt: skip
    found: dict[str, Any] = {"tokens_at_most": shape.tokens, "texts": len(pool), "labelled": len(labelled), "stage_seconds": {}}
    with trainings() as seen:
        for called in ("base", "split", "corpus", "adapt", "finetune adapted", "predict"):
            began = time.perf_counter()
            stages(room / "project", [called])
            found["stage_seconds"][called] = round(time.perf_counter() - began, 2)
            found["trainings"] = list(seen)
            note(found)
    found["predict_texts_per_second_of_stage"] = round(len(pool) / found["stage_seconds"]["predict"], 1)
    return found


def decoder(tiny_shapes: bool, room: Path) -> dict[str, Any]:
    """Returns steps a second and the peak of memory of LoRA on a decoder of a billion parameters, with whole weights and in four bits."""
    import torch
    import transformers

    from labelrounds.core.params import Lora
    from labelrounds.models import base_models, runtime

    sizes = {
        "hidden_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 8192,
        "vocab_size": 32000,
    }
    small = {
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "intermediate_size": 64,
        "vocab_size": 8192,
    }
    tokens, size, steps = (32, 4, WARM + 3) if tiny_shapes else (128, 16, WARM + 20)
    machine = runtime.start(13, threads(), "auto", tokens)
    with device():
        config = transformers.LlamaConfig(**(small if tiny_shapes else sizes), max_position_embeddings=2048, pad_token_id=0, eos_token_id=3)
        model = transformers.LlamaForCausalLM._from_config(config, dtype=torch.bfloat16)
    found: dict[str, Any] = {"parameters": sum(weight.numel() for weight in model.parameters()), "tokens": tokens, "batch_size": size}
    model.cpu().save_pretrained(room / "base")
    tokenizer(decoder=True).save_pretrained(room / "base")
    del model
    begun = base_models.BaseModel(room / "base", base_models.CAUSAL, base_models.load_tokenizer(room / "base"))
    some = texts(size * steps, tokens, tokens)
    for name, four_bit in (("lora", False), ("four_bit", True)):
        if four_bit and (tiny_shapes or lacks("bitsandbytes")):
            found[name] = "not run with --tiny" if tiny_shapes else "not installed: bitsandbytes"
            continue
        peak_memory(reset=True)
        with trainings() as seen:
            try:
                lora = Lora(r=16, alpha=32, dropout=0.05, targets=(), four_bit=four_bit)
                tuned(begun, new_card(tokens, "last"), some, machine, room / name, batch_size=size, epochs=1, learning_rate=3e-4, lora=lora)
                found[name] = seen[0]
            except Exception as error:
                found[name] = {"error": f"{type(error).__name__}: {error}"[:2000]}
        note(found)
    if failed := [name for name in ("lora", "four_bit") if "error" in found[name]]:
        found["error"] = f"{', '.join(failed)} failed"
    return found


def lacks(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is None
