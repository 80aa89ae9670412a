"""Texts without labels and their copies: no held-out text among them, and the same copies on every run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from labelrounds.core import files
from labelrounds.core.errors import UserError
from labelrounds.models import augmentation
from labelrounds.pool import corpus, unlabelled
from labelrounds.pool.identity import near_duplicate_key, text_id
from stages import corpus as corpus_stage
from tests import small, tiny
from tests.conftest import Project, clone
from tests.small import FEWER
from tests.stages.test_models import Killed, copied, csv_rows, dying, run, set_up

WORDS = ["refund", "Parcel", "late", "the", "is", "don't", "x2", "快", "递", "…", "!", "\n", "😀"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join), min_size=1, max_size=8)


# TF-IDF


@given(TEXTS, st.floats(0, 1), st.integers(0, 999))
@FEWER
def test_only_words_are_exchanged_and_only_for_words_of_the_corpus(texts: list[str], share: float, seed: int) -> None:
    known = {word.casefold() for text in texts for word in augmentation.WORD.findall(text)}
    for text, copy in zip(texts, augmentation.by_tfidf(texts, share, seed)(texts), strict=True):
        assert augmentation.WORD.sub("", text) == augmentation.WORD.sub("", copy), "blanks, punctuation and signs stay where they were"
        before, after = augmentation.WORD.findall(text), augmentation.WORD.findall(copy)
        assert all(one == other or other in known for one, other in zip(before, after, strict=True))


@given(TEXTS, st.integers(0, 99))
@FEWER
def test_a_copy_depends_on_the_seed_and_the_corpus_not_on_its_neighbours(texts: list[str], seed: int) -> None:
    augment = augmentation.by_tfidf(texts, 0.5, seed)
    np.random.seed(seed)
    assert augment(texts) == [augment([text])[0] for text in texts] == augmentation.by_tfidf(texts, 0.5, seed)(texts)
    assert augmentation.by_tfidf(texts, 0.0, seed)(texts) == texts


def test_words_that_say_much_are_kept_and_no_keyword_stands_in() -> None:
    texts = [f"it is the {word} of it that is the one" for word in ("alpha", "beta", "gamma", "delta")]
    vocabulary = augmentation.Vocabulary(texts)
    words = texts[0].split()
    chances = dict(zip(words, augmentation.replacement_chances(words, vocabulary, 0.3), strict=True))
    assert chances["alpha"] == 0 and min(chances[word] for word in ("it", "is", "the", "one")) > 0.2
    assert augmentation.replacement_chances(words, vocabulary, 0.3).mean() == pytest.approx(0.3, abs=0.02)
    draw = np.random.default_rng(1)
    drawn = {vocabulary.draw(draw) for _ in range(500)}
    assert drawn == {"it", "is", "the", "of", "that", "one"}, "the words with the highest count * IDF are never drawn"


def test_where_a_script_writes_no_blanks_each_sign_is_a_word() -> None:
    assert augmentation.WORD.findall("快递 arrived2day, don't ひらがな") == ["快", "递", "arrived2day", "don't", "ひ", "ら", "が", "な"]


def test_a_text_without_any_word_stays_as_it_is() -> None:
    assert augmentation.by_tfidf(["…!", "😀"], 0.9, 1)(["…!", "😀"]) == ["…!", "😀"]


# The draw


POOLS = st.lists(st.tuples(st.integers(0, 20), st.sampled_from(["", "!", " 7"]), st.sampled_from(["", "", "", "a", "b"])), min_size=25, max_size=60)


@pytest.mark.slow
@given(POOLS, st.integers(1, 30), st.integers(0, 99))
@FEWER
def test_no_text_without_a_label_is_held_out_nor_like_one_that_is(tmp_path_factory: Any, rows: list, size: int, seed: int) -> None:
    """Whatever near-duplicates and groups the pool holds: the draw shares no key and no group with validation or test."""
    words = small.sentences(21)
    pool = [(words[number] + tail, group) for number, tail, group in rows]
    here = small.project(tmp_path_factory.mktemp("draw"))
    here.table("data/pool.csv", ["text", "group"], pool)
    texts = list(dict.fromkeys(text for text, _ in pool))
    here.round("01", {text: small.LABELS[number % 2] for number, text in enumerate(texts[: len(texts) // 2 + 1])})
    here.params(seed=seed, unlabelled__size=size)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here.folder)
        try:
            here.split()
            here.made(corpus_stage)
        except AssertionError:
            assume(False)  # one side stays empty: the split's own tests say so
        drawn = unlabelled.draw(corpus.read(), size, seed)
        held_rows = {*csv_texts(here, "test"), *csv_texts(here, "valid")}
    held_keys = {near_duplicate_key(text) for text in held_rows}
    held_groups = {group for text, group in pool if near_duplicate_key(text) in held_keys and group}
    heldout = set(here.read("data/split/heldout.txt").split())
    assert not {row.id for row in drawn} & heldout
    assert not {near_duplicate_key(row.text) for row in drawn} & held_keys
    groups = {text_id(text): group for text, group in pool}
    assert not {groups[row.id] for row in drawn} & held_groups
    keys = [near_duplicate_key(row.text) for row in drawn]
    assert len(keys) == len(set(keys)) <= size


def csv_texts(project: Any, side: str) -> list[str]:
    return [row["text"] for row in project.rows(f"data/split/{side}.csv")]


def test_texts_that_were_labelled_since_and_their_near_duplicates_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text(files.csv_text(unlabelled.COLUMNS, [(text_id(text), text, text.upper()) for text in ("One text", "two texts", "three")]))
    found = unlabelled.read(path, ["ONE TEXT 1!"])
    assert found.texts == ["two texts", "three"] and found.augmented == ["TWO TEXTS", "THREE"]
    with pytest.raises(UserError, match="no text without a label"):
        unlabelled.read(path, ["one text", "two texts", "Three."])


# The stage, with tiny models


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A clone with a split, and an adapted encoder."""
    folder = tmp_path_factory.mktemp("augmentation")
    project = set_up(clone(folder / "project"))
    project.params(model__base=str(tiny.model(folder / "source")), adapt__epochs=1, unlabelled__size=70, unlabelled__share=0.4)
    for name in ("base", "adapt"):
        run(project.folder, name)
    return project


def seq2seq(folder: Path) -> Path:
    """Saves a tiny sequence-to-sequence model with random weights, as translation models come."""
    import torch
    import transformers

    words = tiny.tokenizer()
    torch.manual_seed(0)
    config = transformers.BartConfig(
        vocab_size=len(words), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=64, pad_token_id=words.pad_token_id, bos_token_id=words.cls_token_id,
        eos_token_id=words.sep_token_id, decoder_start_token_id=words.cls_token_id, forced_eos_token_id=None,
    )  # fmt: skip
    transformers.BartForConditionalGeneration(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def augmented_by(kind: str, project: Project, folder: Path) -> None:
    """Sets the augmentation; back-translation gets two tiny models."""
    if kind == "back-translation":
        project.params(unlabelled__translators=[str(seq2seq(folder / name)) for name in ("there", "back")])
    project.params(unlabelled__augmentation=kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tfidf", "mlm", "back-translation"])
def test_every_augmentation_gives_each_text_a_copy_of_its_own_and_the_same_again_after_a_kill(kind: str, ready: Project, tmp_path: Path) -> None:
    project = copied(ready, tmp_path)
    augmented_by(kind, project, tmp_path)
    said = run(project.folder, "unlabelled")
    rows = csv_rows(project, "data/unlabelled/texts.csv")
    heldout = set(project.read("data/split/heldout.txt").split())
    assert 64 < len(rows) <= 70 and not {row["id"] for row in rows} & heldout, "more than one batch"
    assert all(row["id"] == text_id(row["text"]) and row["augmented"].strip() for row in rows)
    changed = sum(row["augmented"] != row["text"] for row in rows)
    assert changed > len(rows) / 2 and f"{kind} reworded {changed} of them" in said
    before = files.folder_digests(project.folder / "data/unlabelled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "write_json", dying(files.write_json, 2))
        with pytest.raises(Killed):
            run(project.folder, "unlabelled")
    run(project.folder, "unlabelled")
    assert files.folder_digests(project.folder / "data/unlabelled") == before


@pytest.mark.slow
def test_the_masked_model_exchanges_the_share_of_tokens_that_was_asked_for(ready: Project, tmp_path: Path) -> None:
    project = copied(ready, tmp_path)
    augmented_by("mlm", project, tmp_path)
    run(project.folder, "unlabelled")
    pairs = [(row["text"].split(), row["augmented"].split()) for row in csv_rows(project, "data/unlabelled/texts.csv")]
    pairs = [(before, after) for before, after in pairs if len(before) == len(after)]
    exchanged = [one.casefold() != other for before, after in pairs for one, other in zip(before, after, strict=True)]
    assert len(pairs) > 20 and 0.3 < np.mean(exchanged) < 0.5


@pytest.mark.slow
def test_an_augmentation_without_its_models_says_what_to_do(ready: Project, tmp_path: Path) -> None:
    project = copied(ready, tmp_path)
    project.params(unlabelled__augmentation="back-translation")
    assert "needs two models; unlabelled.translators names 0" in run(project.folder, "unlabelled", code=1)
    project.params(unlabelled__translators=["models/nowhere", "models/nowhere"])
    assert 'names "models/nowhere": there is no such folder' in run(project.folder, "unlabelled", code=1)
    project.params(unlabelled__translators=["models/encoder/vanilla", "models/encoder/vanilla"])
    assert "not a sequence-to-sequence model" in run(project.folder, "unlabelled", code=1)
