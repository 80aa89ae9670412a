"""A text's copy in other words that mean about the same: by TF-IDF, by a masked language model, by translation and back.

A copy is a function of the seed, the texts and the models: the same again on every run.
"""

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from labelrounds.core import files, params, paths
from labelrounds.core.errors import UserError, at
from labelrounds.models import base_models, sources
from labelrounds.models.objectives import pad
from labelrounds.models.runtime import Machine, autocast
from labelrounds.pool.identity import text_id

# A word; where a script writes no blanks between words, each sign is one.
WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+(?:['’][^\W_]+)*"
)
CANDIDATES = 10  # of the masked language model per place; the rest of the vocabulary is noise
BATCH = 64
TEMPERATURE = 0.9  # of the translation's sampling, as in the paper
Augment = Callable[[list[str]], list[str]]


def named(wanted: params.Unlabelled, texts: list[str], seed: int, max_length: int, start: Callable[[], Machine]) -> Augment:
    """Returns the function from texts to their copies that the section `unlabelled` names. start : called where a model is needed"""
    if wanted.augmentation == "tfidf":
        return by_tfidf(texts, wanted.share, seed)
    machine = start()
    if wanted.augmentation == "mlm":
        return by_masked_model(base_models.open_base(paths.ADAPTED), wanted.share, seed, max_length, machine)
    there, back = wanted.translators
    return by_translation((there, back), seed, max_length, machine)


def copies(texts: list[str], how: Callable[[], Augment], folder: Path, title: str) -> list[str]:
    """Returns a copy of each text, made batch by batch; a second call goes on with the first batch that is not in `folder`.

    how : called once there is a batch to make
    """
    made: list[str] = []
    augment: Augment | None = None
    with tqdm(total=len(texts), desc=title, unit=" texts", mininterval=1.0) as bar:
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            path = folder / f"{start:08d}.json"
            if not path.is_file():
                augment = augment or how()
                files.write_json(path, augment(batch))
            made += json.loads(path.read_text(encoding="utf-8"))
            bar.update(len(batch))
    return made


def randomness_of(seed: int, text: str) -> np.random.Generator:
    """Returns the source of all draws for one text."""
    return np.random.default_rng([seed, int(text_id(text), 16)])


# TF-IDF


class Vocabulary:
    """The words of a corpus with what a replacement needs: IDF, and how likely each is to stand in for another."""

    def __init__(self, texts: list[str]) -> None:
        documents = [[word.casefold() for word in WORD.findall(text)] for text in texts]
        counts = Counter(word for words in documents for word in words)
        holding = Counter(word for words in documents for word in set(words))
        self.words = sorted(counts)
        idf = np.log(len(texts) / np.asarray([holding[word] for word in self.words], dtype=np.float64)) if self.words else np.zeros(0)
        self.idf = dict(zip(self.words, idf.tolist(), strict=True))
        self.highest = float(np.log(max(len(texts), 2)))  # what an unknown word has: as one that a single text holds
        # Keywords of the corpus, frequent and in few texts, are no replacements: they could change what a text is about.
        scores = np.asarray([counts[word] for word in self.words]) * idf
        chances = scores.max(initial=0.0) - scores
        self.cumulated = np.cumsum(chances / chances.sum() if chances.sum() > 0 else np.full(len(scores), 1 / max(len(scores), 1)))

    def draw(self, randomness: np.random.Generator) -> str:
        """Returns a word to stand in for another."""
        return self.words[min(int(np.searchsorted(self.cumulated, randomness.random(), side="right")), len(self.words) - 1)]


def replacement_chances(words: list[str], vocabulary: Vocabulary, share: float) -> np.ndarray:
    """Returns each word's chance to be exchanged, shape (n,): `share` on average, less the more a word says (its TF-IDF in the text)."""
    if not words:
        return np.zeros(0)
    counts = Counter(words)
    scores = np.asarray([counts[word] / len(words) * vocabulary.idf.get(word, vocabulary.highest) for word in words])
    spare = scores.max() - scores
    if spare.sum() <= 0:  # all say the same: nothing tells them apart
        return np.full(len(words), share)
    return np.minimum(share * spare / spare.mean(), 1.0)


def by_tfidf(texts: list[str], share: float, seed: int) -> Augment:
    """Returns TF-IDF word replacement over the corpus `texts` (Xie et al. 2020, appendix): blanks and punctuation stay as they are."""
    vocabulary = Vocabulary(texts)

    def augment(text: str) -> str:
        randomness = randomness_of(seed, text)
        found = list(WORD.finditer(text))
        chances = replacement_chances([match[0].casefold() for match in found], vocabulary, share)
        pieces, end = [], 0
        for match, chance in zip(found, chances, strict=True):
            pieces += [text[end : match.start()], vocabulary.draw(randomness) if randomness.random() < chance else match[0]]
            end = match.end()
        return "".join([*pieces, text[end:]])

    return lambda some: [augment(text) for text in some]


# Models


def by_masked_model(encoder: base_models.BaseModel, share: float, seed: int, max_length: int, machine: Machine) -> Augment:
    """Returns substitution by a masked language model: `share` of the tokens are masked, and drawn from what it finds likely there.

    Never the token that stood there, and no special one. A base that guesses next tokens is a UserError.
    """
    import torch

    if encoder.objective != base_models.MASKED:
        raise UserError(
            "params.yaml: unlabelled.augmentation is mlm, but the base model guesses next tokens, not masked ones. "
            "Set it to tfidf, or to back-translation with two models."
        )
    model, _ = base_models.load_language_model(encoder, machine)
    model.to(machine.device).eval()
    tokenizer = encoder.tokenizer
    special = sorted(set(tokenizer.all_special_ids))

    def augment(texts: list[str]) -> list[str]:
        encoded = tokenizer(texts, truncation=True, max_length=max_length)["input_ids"]
        rows, places = [], []
        for text, ids in zip(texts, encoded, strict=True):
            randomness = randomness_of(seed, text)
            masked = [place for place, token in enumerate(ids) if token not in special and randomness.random() < share]
            places.append((masked, randomness))
            rows.append({"input_ids": [tokenizer.mask_token_id if place in masked else token for place, token in enumerate(ids)]})
        batch = pad([{**row, "attention_mask": [1] * len(row["input_ids"])} for row in rows], tokenizer)
        with torch.inference_mode(), autocast(machine):
            logits = model(**{name: tensor.to(machine.device) for name, tensor in batch.items()}).logits.float().cpu()
        logits = logits.clone()  # what inference mode made may not be written to
        logits[:, :, [token for token in special if token < logits.shape[2]]] = -torch.inf
        copies = []
        for number, (ids, (masked, randomness)) in enumerate(zip(encoded, places, strict=True)):
            ids = list(ids)
            for place in masked:
                found = logits[number, place].clone()
                found[ids[place]] = -torch.inf
                values, tokens = found.topk(min(CANDIDATES, len(found) - len(special) - 1))
                chances = values.double().softmax(-1).numpy()
                ids[place] = int(tokens[int(np.searchsorted(np.cumsum(chances), randomness.random(), side="right").clip(max=len(chances) - 1))])
            copies.append(tokenizer.decode(ids, skip_special_tokens=True))
        return [copy if copy.strip() else text for copy, text in zip(copies, texts, strict=True)]

    return augment


def by_translation(folders: tuple[str, str], seed: int, max_length: int, machine: Machine) -> Augment:
    """Returns back-translation by two sequence-to-sequence models on disk: into another language, and back (Sennrich et al. 2016).

    Sampled at a temperature, as in the UDA paper; a batch's draws come from the seed and its first text.
    """
    import torch

    there, back = (_translator(Path(folder), machine) for folder in folders)

    def translate(model: Any, tokenizer: Any, texts: list[str], draw: int) -> list[str]:
        torch.manual_seed(draw)
        batch = tokenizer(texts, truncation=True, max_length=max_length, padding=True, return_tensors="pt").to(machine.device)
        inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
        with torch.inference_mode(), autocast(machine):
            ids = model.generate(**inputs, do_sample=True, temperature=TEMPERATURE, num_beams=1, max_new_tokens=max_length)
        return tokenizer.batch_decode(ids, skip_special_tokens=True)

    def augment(texts: list[str]) -> list[str]:
        draw = int(randomness_of(seed, texts[0]).integers(2**31))
        copies = translate(*back, translate(*there, texts, draw), draw + 1)
        return [copy if copy.strip() else text for copy, text in zip(copies, texts, strict=True)]

    return augment


def _translator(folder: Path, machine: Machine) -> tuple[Any, Any]:
    from transformers import AutoModelForSeq2SeqLM

    if not folder.is_dir():
        raise UserError(f'params.yaml: unlabelled.translators names "{folder}": there is no such folder. Name a model folder with safetensors.')
    sources.check_model_folder(folder)
    try:
        model = AutoModelForSeq2SeqLM.from_pretrained(folder, local_files_only=True, trust_remote_code=False, use_safetensors=True)
    except (ValueError, OSError) as error:
        raise UserError(
            f"{at(folder)}: not a sequence-to-sequence model that transformers can load ({str(error).strip().splitlines()[0]}). "
            "Name translation models in unlabelled.translators."
        ) from None
    return model.eval().to(machine.device), base_models.load_tokenizer(folder)
