"""The identity of a text: what its id and its near-duplicate key do not see, and what they do."""

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.pool.identity import A_WORD, ID_PATTERN, LOOSE, OFF, STRICT, fold, near_duplicate_key, text_id
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
@given(st.text(), st.sampled_from([OFF, LOOSE, STRICT]))
def test_one_id_means_one_near_duplicate_key(text: str, rule: str) -> None:
    assert near_duplicate_key(fold(text), rule) == near_duplicate_key(text, rule)


@PROPERTY
@given(st.text(min_size=1), st.text(min_size=1))
def test_only_empty_texts_have_an_empty_key(one: str, other: str) -> None:
    assert bool(near_duplicate_key(one)) == bool(fold(one)) or not fold(unicodedata.normalize("NFKC", one))


@PROPERTY
@given(LETTERS)
def test_the_near_duplicate_key_does_not_see_case(text: str) -> None:
    assert near_duplicate_key(text.upper()) == near_duplicate_key(text.lower()) == near_duplicate_key(text.title()) == near_duplicate_key(text)


@PROPERTY
@given(LETTERS.filter(lambda text: len(text) >= A_WORD), st.data())
def test_the_near_duplicate_key_does_not_see_digits_and_punctuation(text: str, data: st.DataObject) -> None:
    sprinkled = "".join(character + data.draw(st.text(DROPPED, max_size=2)) for character in text)
    assert near_duplicate_key(sprinkled) == near_duplicate_key(text)
    assert text_id(sprinkled) == text_id(text) or near_duplicate_key(sprinkled, OFF) != near_duplicate_key(text, OFF)


@PROPERTY
@given(LETTERS.filter(bool), st.data())
def test_strictly_digits_count_and_punctuation_does_not(text: str, data: st.DataObject) -> None:
    sprinkled = "".join(character + data.draw(st.text("!?. -,", max_size=2)) for character in text)
    assert near_duplicate_key(sprinkled, STRICT) == near_duplicate_key(text, STRICT) != near_duplicate_key(f"{text}7", STRICT)


@PROPERTY
@given(LETTERS, LETTERS)
def test_texts_with_other_letters_or_emoji_are_no_near_duplicates(one: str, other: str) -> None:
    if one.casefold().replace("ß", "ss") != other.casefold().replace("ß", "ss"):
        assert near_duplicate_key(one) != near_duplicate_key(other)


def test_texts_that_differ_in_their_emoji_alone_are_no_near_duplicates() -> None:
    assert near_duplicate_key("so good 😀") != near_duplicate_key("so good 💔")


def test_full_width_letters_are_near_duplicates_of_plain_ones() -> None:
    assert near_duplicate_key("ＨＥＬＬＯ， ＹＯＵ １") == near_duplicate_key("hello you")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ERR 404", "ERR 500"),
        ("12:30", "12:45"),
        ("+49 170 1234", "+49 170 4321"),
        ("E-4711-B", "E-4712-B"),
        ("5 stars", "1 star"),
        (":)", ":("),
        ("!", "?"),
    ],
)
def test_codes_numbers_and_signs_are_no_near_duplicates_of_each_other(one: str, other: str) -> None:
    assert near_duplicate_key(one) != near_duplicate_key(other)
    assert near_duplicate_key(one) == near_duplicate_key(f" {one.lower()}  ")


def test_each_rule_has_its_own_near_duplicates() -> None:
    texts = ["Order 66 has arrived", "order 67 has arrived!", "ORDER 66 has arrived."]
    found = {rule: [near_duplicate_key(text, rule) for text in texts] for rule in (OFF, LOOSE, STRICT)}
    assert len(set(found[LOOSE])) == 1
    assert found[STRICT][0] == found[STRICT][2] != found[STRICT][1]
    assert len(set(found[OFF])) == 3


@given(st.text(alphabet=st.characters(max_codepoint=127)), st.sampled_from(["loose", "strict"]))
@PROPERTY
def test_plain_letters_have_the_key_that_all_letters_have(text: str, rule: str) -> None:
    soft_hyphen = "\u00ad"  # of the signs that no key sees, and no ASCII
    if any(letter.isalnum() for letter in text):
        assert near_duplicate_key(text, rule) == near_duplicate_key(text + soft_hyphen, rule)
