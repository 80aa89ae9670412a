"""The identity of a text: what its id and its near-duplicate key do not see, and what they do."""

import hashlib
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from labelrounds.pool.identity import ID_PATTERN, fold, near_duplicate_key, text_id
from tests.small import PROPERTY

BLANKS = st.text(" \t\n\r\u00a0\u2003\u3000", min_size=1, max_size=3)
WORDS = st.lists(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=8), min_size=1, max_size=5)
# Letters of several scripts, and emoji, without marks: between a letter and its accent nothing is ever typed.
LETTERS = st.text("abcdefgxyzäöüßéñçøœабвгджзияαβγδωאבגدرس中文分词한국어かなカナ😀👍💔€", max_size=20)
DROPPED = "0123456789٣५.,;:!?¡¿…—–-_'\"„“”«»()[]{}#@%&*/\\ \t\n。，、！？（）"


def test_the_id_is_the_beginning_of_a_sha256_over_the_folded_text() -> None:
    assert text_id(" Hello,\n world ") == hashlib.sha256(b"Hello, world").hexdigest()[:16]


@PROPERTY
@given(st.text())
def test_composed_and_decomposed_letters_are_one_text(text: str) -> None:
    assert text_id(unicodedata.normalize("NFD", text)) == text_id(unicodedata.normalize("NFC", text)) == text_id(text)


@PROPERTY
@given(WORDS, st.data())
def test_white_space_of_any_kind_makes_no_other_text(words: list[str], data: st.DataObject) -> None:
    joined = "".join(data.draw(BLANKS) + word for word in words) + data.draw(BLANKS)
    assert text_id(joined) == text_id(" ".join(words))


@PROPERTY
@given(st.text(), st.text())
def test_two_texts_share_an_id_only_if_they_fold_to_one(one: str, other: str) -> None:
    assert (text_id(one) == text_id(other)) == (fold(one) == fold(other))


@PROPERTY
@given(st.text())
def test_every_id_looks_like_an_id(text: str) -> None:
    assert ID_PATTERN.fullmatch(text_id(text))


@PROPERTY
@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@PROPERTY
@given(st.text())
def test_one_id_means_one_near_duplicate_key(text: str) -> None:
    assert near_duplicate_key(fold(text)) == near_duplicate_key(text)


@PROPERTY
@given(LETTERS)
def test_the_near_duplicate_key_does_not_see_case(text: str) -> None:
    assert near_duplicate_key(text.upper()) == near_duplicate_key(text.lower()) == near_duplicate_key(text.title()) == near_duplicate_key(text)


@PROPERTY
@given(LETTERS, st.data())
def test_the_near_duplicate_key_does_not_see_digits_and_punctuation(text: str, data: st.DataObject) -> None:
    sprinkled = "".join(character + data.draw(st.text(DROPPED, max_size=2)) for character in text)
    assert near_duplicate_key(sprinkled) == near_duplicate_key(text)


@PROPERTY
@given(LETTERS, LETTERS)
def test_texts_with_other_letters_or_emoji_are_no_near_duplicates(one: str, other: str) -> None:
    if one.casefold().replace("ß", "ss") != other.casefold().replace("ß", "ss"):
        assert near_duplicate_key(one) != near_duplicate_key(other)


def test_texts_that_differ_in_their_emoji_alone_are_no_near_duplicates() -> None:
    assert near_duplicate_key("so good 😀") != near_duplicate_key("so good 💔")


def test_full_width_letters_are_near_duplicates_of_plain_ones() -> None:
    assert near_duplicate_key("ＨＥＬＬＯ １") == near_duplicate_key("hello")


def test_texts_of_digits_and_punctuation_alone_share_the_empty_key() -> None:
    assert near_duplicate_key("12:30!") == near_duplicate_key("???") == ""
