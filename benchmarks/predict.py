"""How fast the pool is labelled, against every other way to run the same model on this machine: `python -m benchmarks.predict`.

All ways read the same texts with the same weights and the same number of threads, on the CPU. They take turns, and the median of each counts.
The peak is what torch reaches here in products of large matrices, in the same turns; the share of it counts the products of real tokens only.
ONNX Runtime needs onnxruntime, onnx and onnxscript; OpenVINO needs openvino, and nncf for int8: what is not installed is left out, and told.

The texts are the pool's and the model is a trained labeler of the project. Where these are not there, or with --generated, the model has
the demo's shape and random weights, and the texts the demo's lengths; the labels of random weights say little, so their goal is not judged.
"""

import importlib
import itertools
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np

from labelrounds.core import params, paths
from labelrounds.core.errors import UserError
from labelrounds.core.task import MULTI_CLASS, Task
from labelrounds.labelers import contract, inference, transformer
from labelrounds.models import base_models, pooling, runtime
from labelrounds.pool import reader

LENGTHS = (3, 7, 10, 12, 13, 15, 16, 17, 18, 19, 21, 22, 24, 25, 28, 29, 32, 34, 37, 43, 64)  # tokens of the demo's texts: each twentieth quantile
PIPELINE_EVERY = 4  # the slow ways read each fourth text: their rate is the same
CALIBRATION = 200  # texts that choose the ranges of int8
SIZES = ((1024, 384, 1536), (2048, 768, 3072), (4096, 1024, 4096))  # products for the peak: the best of them counts

CHOSEN = inference.TOKENS
CHOICES: dict[str, dict[str, Any]] = {
    "padded to 8 tokens": {"multiple": 8},
    "plain attention": {"attention": "eager"},
    "fused attention": {"attention": "sdpa"},
    "256 tokens a batch": {"tokens": 256},
    "512 tokens a batch": {"tokens": 512},
    "2048 tokens a batch": {"tokens": 2048},
    "4096 tokens a batch": {"tokens": 4096},
    "bf16 by autocast": {"whole": False},
}


@dataclass
class Way:
    """One way to score texts. run : texts to scores or logits of shape (n, n_labels); every : reads each such text only"""

    name: str
    run: Callable[[list[str]], np.ndarray]
    every: int = 1
    seconds: list[float] = field(default_factory=list)
    labels: np.ndarray | None = None

    def rate(self, n: int) -> float:
        """Returns texts per second, of `n` texts."""
        return len(range(0, n, self.every)) / statistics.median(self.seconds)


@dataclass(frozen=True)
class Setting:
    """What all ways have in common. plain : the labeler in fp32, whose model the others run; clock : seconds"""

    folder: Path
    plain: Any
    texts: list[str]
    threads: int
    batch_size: int
    clock: Callable[[], float]


@click.command()
@click.option("--texts", "count", default=2000, show_default=True)
@click.option("--repeats", default=5, show_default=True, help="Turns of each way.")
@click.option("--threads", default=1, show_default=True, help="Of every way.")
@click.option("--batch-size", type=int, help="Texts per batch of labelrounds.  [default: predict.batch_size in params.yaml]")
@click.option("--generated", is_flag=True, help="Generated texts and random weights of the demo's shape, even where the data are there.")
@click.option("--name", help="The labeler to run.  [default: deploy in params.yaml]")
@click.option("--only", multiple=True, help="Ways whose names begin so; repeat it. `torch fp32` always runs.")
@click.option("--choices", is_flag=True, help="Further rows: labelrounds with other batches, attention and precision than it chooses.")
@click.option("--processor-time", is_flag=True, help="Measure processor time by thread, not wall time: for a machine on which other work runs.")
def main(
    count: int,
    repeats: int,
    threads: int,
    batch_size: int | None,
    generated: bool,
    name: str | None,
    only: tuple[str, ...],
    choices: bool,
    processor_time: bool,
) -> None:
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch is loaded
    settings = params.load()
    machine = runtime.start(settings.seed, threads, "auto")
    with tempfile.TemporaryDirectory() as room:
        folder = paths.LABELERS / (name or settings.deploy)
        generated = generated or not (Path(settings.data.pool).exists() and (folder / "model.safetensors").is_file())
        if generated:
            folder = model_of_demo_shape(Path(room), settings)
            texts = texts_of_demo_lengths(count, folder)
        else:
            texts = [row.text for row in itertools.islice(reader.stream(settings.data.pool, settings.data.text_column), count)]
        setting = Setting(
            folder,
            contract.load(folder, replace(machine, bf16=False)),
            texts,
            threads,
            batch_size or settings.predict.batch_size,
            (lambda: time.process_time() / threads) if processor_time else time.perf_counter,
        )
        tell(setting, machine, generated, repeats, processor_time)
        found = list(ways(setting, machine, only, choices, Path(room)))
        peaks = measure(setting, found, machine, repeats)
        report(setting, found, peaks, generated)


def tell(setting: Setting, machine: runtime.Machine, generated: bool, repeats: int, processor_time: bool) -> None:
    """Prints what is measured, and where."""
    import torch
    import transformers

    lengths = tokens(setting)
    print(f"machine: {runtime.hardware()}, native bf16: {'yes' if machine.bf16 else 'no'}")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {setting.threads} threads")
    source = "generated texts, random weights" if generated else "texts of the pool"
    print(f"{len(lengths)} {source}: {lengths.mean():.1f} tokens on average, {lengths.max()} at most; medians of {repeats} turns")
    print(f"seconds are {'processor time by thread' if processor_time else 'wall time'}", flush=True)


def tokens(setting: Setting) -> np.ndarray:
    """Returns the number of tokens of each text, cut as the labeler cuts them."""
    return np.asarray([len(row["input_ids"]) for row in transformer.tokenize(setting.texts, setting.plain.tokenizer, setting.plain.card.tokens)])


def work(setting: Setting) -> float:
    """Returns the floating-point operations of all matrix products for the texts, without padding and the head."""
    config, lengths = setting.plain.model.config, tokens(setting).astype(float)
    width, inner = config.hidden_size, getattr(config, "intermediate_size", 4 * config.hidden_size)
    layer = 2 * (4 * width**2 + 2 * width * inner) * lengths + 4 * width * lengths**2
    return float(config.num_hidden_layers * layer.sum())


def ways(setting: Setting, machine: runtime.Machine, only: tuple[str, ...], choices: bool, room: Path) -> Iterator[Way]:
    """Yields the ways to score that work on this machine; prints which do not, and why."""
    rows = [
        ("pipeline, its defaults", lambda: with_pipeline(setting, 1), PIPELINE_EVERY),
        ("pipeline, batches of 64", lambda: with_pipeline(setting, 64), PIPELINE_EVERY),
        ("torch fp32", lambda: batched(setting, in_torch(setting)), 1),
        ("labelrounds fp32", lambda: with_labelrounds(setting, replace(machine, bf16=False)), 1),
        ("labelrounds bf16", lambda: with_labelrounds(setting, machine), 1),
        ("ONNX Runtime fp32", lambda: with_onnx(setting, room, quantized=False), 1),
        ("ONNX Runtime int8", lambda: with_onnx(setting, room, quantized=True), 1),
        ("OpenVINO", lambda: with_openvino(setting, machine, quantized=False), 1),
        ("OpenVINO int8", lambda: with_openvino(setting, machine, quantized=True), 1),
    ]
    if choices:
        rows += [(f"labelrounds, {name}", partial(with_labelrounds, setting, machine, **choice), 1) for name, choice in CHOICES.items()]
    for name, make, every in rows:
        if only and not name.startswith(only) and name != "torch fp32":
            continue
        if name == "labelrounds bf16" and not machine.bf16:
            print(f"{name}: this processor does not multiply bf16")
            continue
        try:
            yield Way(name, make(), every)
        except ModuleNotFoundError as error:
            print(f"{name}: not installed ({error.name})", flush=True)
        except Exception as error:  # what another's exporter does not manage is no reason to measure nothing
            print(f"{name}: failed ({type(error).__name__}: {str(error).strip().splitlines()[0][:200] if str(error).strip() else ''})", flush=True)


def with_labelrounds(
    setting: Setting, machine: runtime.Machine, tokens: int = CHOSEN, attention: str | None = None, whole: bool = True, multiple: int = 1
) -> Callable[[list[str]], np.ndarray]:
    """Returns what the stage `predict` does with the texts of a shard.

    tokens : per batch; attention : another kernel; whole : the weights in bf16, not only the products;
    multiple : the tokens per text of a batch are one of this. Not given: as labelrounds chooses
    """
    labeler: Any = contract.load(setting.folder, machine if whole else replace(machine, bf16=False))
    labeler.machine = machine
    if attention:
        labeler.model.set_attn_implementation(attention)

    def run(texts: list[str]) -> np.ndarray:
        inference.TOKENS, inference.MULTIPLES["cpu"] = tokens, multiple
        return labeler.scores(texts, setting.batch_size * max(1, tokens // CHOSEN))

    return run


def with_pipeline(setting: Setting, batch_size: int) -> Callable[[list[str]], np.ndarray]:
    """Returns transformers' pipeline on the same model."""
    from transformers import pipeline
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity(logging.CRITICAL)  # a head of our own is not in its list of classes; it runs all the same
    classify: Any = pipeline("text-classification", model=setting.plain.model, tokenizer=setting.plain.tokenizer, device="cpu")
    names = {name: number for number, name in setting.plain.model.config.id2label.items()}

    def run(texts: list[str]) -> np.ndarray:
        said = classify(texts, batch_size=batch_size, top_k=None, truncation=True, max_length=setting.plain.card.tokens)
        return np.asarray([[score["score"] for score in sorted(row, key=lambda score: names[score["label"]])] for row in said])

    return run


def in_torch(setting: Setting) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """Returns the plain model in fp32: a batch in, logits out."""
    import torch

    def run(batch: dict[str, np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            return setting.plain.model(**{name: torch.from_numpy(part) for name, part in batch.items()}).logits.numpy()

    return run


def batched(setting: Setting, run: Callable[[dict[str, np.ndarray]], np.ndarray], size: int = 32) -> Callable[[list[str]], np.ndarray]:
    """Returns a loop around an engine as a careful user writes it: texts sorted by length, padded to the longest of the batch."""

    def score(texts: list[str]) -> np.ndarray:
        rows = transformer.tokenize(texts, setting.plain.tokenizer, setting.plain.card.tokens)
        order = sorted(range(len(rows)), key=lambda number: -len(rows[number]["input_ids"]))
        logits = np.zeros((len(rows), len(setting.plain.card.labels)), np.float32)
        for start in range(0, len(rows), size):
            chosen = order[start : start + size]
            logits[chosen] = run(padded([rows[number] for number in chosen], setting.plain.tokenizer.pad_token_id))
        return logits

    return score


def padded(rows: list[dict[str, Any]], padding: int) -> dict[str, np.ndarray]:
    """Returns token ids and mask of shape (n, tokens of the longest)."""
    shape = len(rows), max(len(row["input_ids"]) for row in rows)
    ids, mask = np.full(shape, padding, np.int64), np.zeros(shape, np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row["input_ids"])] = row["input_ids"]
        mask[number, : len(row["input_ids"])] = 1
    return {"input_ids": ids, "attention_mask": mask}


def exported(setting: Setting) -> Any:
    """Returns the plain model as a module of two inputs and one output, for the exporters."""
    import torch

    model = contract.load(setting.folder, runtime.Machine(0, "cpu", False)).model  # type: ignore[attr-defined]
    model.set_attn_implementation("eager")

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).logits

    return Logits().eval()


def example() -> dict[str, Any]:
    """Returns inputs for the exporters to follow."""
    import torch

    mask = torch.ones(4, 11, dtype=torch.int64)
    mask[1, 7:] = 0
    return {"input_ids": torch.arange(44).reshape(4, 11) % 40 + 5, "attention_mask": mask}


def with_onnx(setting: Setting, room: Path, quantized: bool) -> Callable[[list[str]], np.ndarray]:
    """Returns ONNX Runtime on the exported model; int8: its dynamic quantisation."""
    import torch

    engine = importlib.import_module("onnxruntime")
    path = room / "model.onnx"
    if not path.is_file():
        sides = {0: torch.export.Dim("texts", min=1, max=4096), 1: torch.export.Dim("tokens", min=2, max=512)}
        shapes = {"input_ids": sides, "attention_mask": sides}
        torch.onnx.export(exported(setting), (), str(path), kwargs=example(), dynamic_shapes=shapes, dynamo=True, verbose=False)
    if quantized:
        quantization = importlib.import_module("onnxruntime.quantization")
        quantization.quantize_dynamic(str(path), str(room / "int8.onnx"))
        path = room / "int8.onnx"
    options = engine.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = setting.threads, 1
    session = engine.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return batched(setting, lambda batch: session.run(None, batch)[0])


def with_openvino(setting: Setting, machine: runtime.Machine, quantized: bool) -> Callable[[list[str]], np.ndarray]:
    """Returns OpenVINO on the converted model, in bf16 where the processor has it; int8: nncf with texts of the pool."""
    engine = importlib.import_module("openvino")
    model = engine.convert_model(exported(setting), example_input=example())
    if quantized:
        nncf = importlib.import_module("nncf")
        rows = transformer.tokenize(setting.texts[:: max(1, len(setting.texts) // CALIBRATION)], setting.plain.tokenizer, setting.plain.card.tokens)
        batches = [padded([row], setting.plain.tokenizer.pad_token_id) for row in rows[:CALIBRATION]]
        model = nncf.quantize(model, nncf.Dataset(batches), model_type=nncf.ModelType.TRANSFORMER, subset_size=CALIBRATION)
    hints = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": setting.threads,
        "INFERENCE_PRECISION_HINT": "bf16" if machine.bf16 else "f32",
    }
    compiled = engine.Core().compile_model(model, "CPU", hints)
    return batched(setting, lambda batch: compiled(batch)[0])


def measure(setting: Setting, found: list[Way], machine: runtime.Machine, repeats: int) -> dict[str, float]:
    """Lets the ways take turns and fills in their seconds and labels; returns {"fp32", "bf16": the peak in operations per second}."""
    peaks: dict[str, list[float]] = {"fp32": []} | ({"bf16": []} if machine.bf16 else {})
    for way in found:
        way.run(setting.texts[:: 8 * way.every])  # so that kernels are made
    for _ in range(repeats):
        for precision, rates in peaks.items():
            rates.append(product(precision, setting.clock))
        for way in found:
            some = setting.texts[:: way.every]
            began = setting.clock()
            scores = way.run(some)
            way.seconds.append(setting.clock() - began)
            way.labels = scores.argmax(axis=1)
    return {precision: statistics.median(rates) for precision, rates in peaks.items()}


def product(precision: str, clock: Callable[[], float]) -> float:
    """Returns the operations per second of the best of a few products of matrices, each done for a tenth of a second or more."""
    import torch

    kind, best = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision], 0.0
    with torch.inference_mode():
        for n, width, inner in SIZES:
            first, second = torch.randn(n, width).to(kind), torch.randn(inner, width).to(kind)
            torch.nn.functional.linear(first, second)
            began, done = clock(), 0
            while (taken := clock() - began) < 0.1 or not done:
                torch.nn.functional.linear(first, second)
                done += 1
            best = max(best, 2 * n * width * inner * done / taken)
    return best


def report(setting: Setting, found: list[Way], peaks: dict[str, float], generated: bool) -> None:
    """Prints a table of the ways, then each goal with what it is measured by."""
    operations, n = work(setting) / len(setting.texts), len(setting.texts)
    print(f"peak: {', '.join(f'{precision} {rate / 1e9:.0f} GFLOP/s' for precision, rate in peaks.items())}; {operations / 1e6:.0f} MFLOP a text\n")
    by_name = {way.name: way for way in found}
    plain = by_name["torch fp32"].labels
    pipelines = [way.rate(n) for way in found if way.name.startswith("pipeline")]
    peer = max(pipelines, default=float("nan"))
    print(f"{'way':26}{'texts/s':>9}{'to pipeline':>13}{'of the fp32 peak':>18}{'of the bf16 peak':>18}{'same labels':>13}")
    for way in found:
        rate = way.rate(n)
        shares = [f"{rate * operations / peaks[precision]:.0%}" if precision in peaks else "" for precision in ("fp32", "bf16")]
        same = (way.labels == plain[:: way.every]).mean()  # type: ignore[index]
        print(f"{way.name:26}{rate:9.0f}{rate / peer:13.2f}{shares[0]:>18}{shares[1]:>18}{same:13.1%}")
    print("\nGoals; `to pipeline` is to the faster of the two")
    own = by_name.get("labelrounds bf16") or by_name.get("labelrounds fp32")
    if own:
        precision = own.name.split()[-1]
        note = "" if precision == "bf16" else " (the goal is for bf16, which this processor does not multiply)"
        goal(f"{own.name}, share of the {precision} peak{note}", own.rate(n) * operations / peaks[precision], 0.65)
        goal(f"{own.name} to pipeline{note}", own.rate(n) / peer, 4.8)
    small = [way for way in found if way.name == "OpenVINO int8"]
    for way in small:
        goal(f"{way.name} to pipeline", way.rate(n) / peer, 8.0)
        if not generated:
            goal(f"{way.name}, same labels as torch fp32", float((way.labels == plain).mean()), 0.99)
    if not small:
        print("int8: not measured")


def goal(what: str, value: float, wanted: float) -> None:
    """Prints one goal."""
    print(f"{what}: {value:.3f}, goal {wanted}: {'reached' if value >= wanted else 'missed'}")


def model_of_demo_shape(room: Path, settings: params.Params) -> Path:
    """Returns the folder of a labeler with random weights: BERT of 6 layers of 384, a vocabulary of 30,522, and the mean of the tokens."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: number for number, word in enumerate([*special, *(f"word{number}" for number in range(30522 - len(special)))])}
    inner = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    inner.normalizer, inner.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")
    torch.manual_seed(settings.seed)
    shape = BertConfig(vocab_size=30522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, pad_token_id=0)
    BertModel(shape).save_pretrained(room / "base")
    tokenizer.save_pretrained(room / "base")
    task = Task(MULTI_CLASS, ("negative", "neutral", "positive"))
    encoder = base_models.BaseModel(room / "base", base_models.MASKED, base_models.load_tokenizer(room / "base"))
    model = base_models.load_classifier(encoder, task, runtime.Machine(settings.seed, "cpu", False), pooling.MEAN)
    card = contract.new_card("transformer", task, room / "base" / "config.json", 0, settings.model.max_length, pooling=pooling.MEAN)
    transformer.save(model, encoder, card, room / "labeler")
    return room / "labeler"


def texts_of_demo_lengths(count: int, folder: Path) -> list[str]:
    """Returns texts whose numbers of tokens are spread as the demo's are; each word is one token, and two tokens frame a text."""
    draw = np.random.default_rng(1)
    lengths = np.interp(draw.uniform(0, len(LENGTHS) - 1, count), range(len(LENGTHS)), LENGTHS).round().astype(int)
    return [" ".join(f"word{number}" for number in draw.integers(0, 30000, max(1, length - 2))) for length in lengths]


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(str(error)) from None
