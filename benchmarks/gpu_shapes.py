"""The models, texts and projects of `benchmarks/gpu.py`: weights are random, texts generated."""

import os
import runpy
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
LABELS = ["bad", "good", "other"]


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
