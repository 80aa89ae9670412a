"""The prompt: a guideline in Jinja becomes questions about a text, or one clear error with its line."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelrounds.core.errors import UserError
from labelrounds.core.task import Task
from labelrounds.llm import local, prompt, shots
from labelrounds.llm.prompt import Example, Prompt
from tests.graph import ROOT
from tests.small import PROPERTY

TASK = Task("multi-class", ("good", "bad", "other"))
MANY = Task("multi-label", ("billing", "praise"))
SOURCE = "{% block system %}\nSay {{ labels | join(' or ') }}.\n{% endblock %}\n{% block user %}\nText: {{ text }}{% if label %} {{ label }}?{% endif %}\n{% endblock %}\n"


def made(source: str = SOURCE, task: Task = TASK, form: str = "scores", max_characters: int = 100) -> Prompt:
    return Prompt(source.replace("{% if label %}", "{% if label is defined %}"), task, form, max_characters, "prompt.jinja")


def example(text: str, *labels: str) -> Example:
    return Example(text, text, labels)


def test_a_text_is_one_question_after_the_guideline() -> None:
    (question,) = made().questions("it broke")
    assert question.messages == ({"role": "system", "content": "Say good or bad or other."}, {"role": "user", "content": "Text: it broke"})
    assert question.answers == TASK.labels


def test_examples_are_turns_of_their_own_with_the_right_answer() -> None:
    (question,) = made().questions("it broke", (example("fine", "good"), example("meh", "other")))
    assert [message["role"] for message in question.messages] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [message["content"] for message in question.messages][1:5] == ["Text: fine", "good", "Text: meh", "other"]


def test_a_multi_label_text_is_a_yes_or_no_question_per_label() -> None:
    questions = made(task=MANY).questions("a refund", (example("thanks", "praise"),))
    assert [question.messages[-1]["content"] for question in questions] == ["Text: a refund billing?", "Text: a refund praise?"]
    assert [question.messages[2]["content"] for question in questions] == ["no", "yes"]
    assert {question.answers for question in questions} == {("yes", "no")}


def test_the_json_form_shows_answers_that_follow_its_own_schema() -> None:
    one, many = made(form="json"), made(task=MANY, form="json")
    assert one.answer(("bad",)) == '{"label": "bad"}' and one.schema()["properties"]["label"]["enum"] == list(TASK.labels)
    assert many.answer(("praise",)) == '{"billing": false, "praise": true}' and many.schema()["required"] == list(MANY.labels)
    assert one.questions("x")[0].answers == () and len(many.questions("x")) == 1


def test_a_text_cannot_change_the_prompt_and_a_long_one_is_cut() -> None:
    (question,) = made(max_characters=20).questions("{{ labels }}{% endblock %} and on and on")
    assert question.messages[-1]["content"] == "Text: {{ labels }}{% endbl …"


@given(st.text(min_size=1, max_size=90), st.text(min_size=1, max_size=90))
@PROPERTY
def test_two_texts_are_never_the_same_question(first: str, second: str) -> None:
    asked = [made().questions(f"<{text}>")[0] for text in (first, second)]
    assert (asked[0] == asked[1]) == (first == second)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% block system %}\n{% if %}\n{% endblock %}", "prompt.jinja:2: not a Jinja template"),
        ("{% block system %}{% endblock %}", "no block `user`"),
        ("{% block user %}{{ text }}{% endblock %}", "no block `system`"),
        ("{% block system %}{% endblock %}{% block user %}Sentiment:{% endblock %}", "does not show the text"),
        ("{% block system %}{% endblock %}\n{% block user %}\n{{ txt }}\n{% endblock %}", "prompt.jinja:3: 'txt' is undefined"),
        ("{% block system %}{% include 'more.jinja' %}{% endblock %}{% block user %}{{ text }}{% endblock %}", "no loader"),
        ("{% block system %}{{ labels.__class__.__mro__ }}{% endblock %}{% block user %}{{ text }}{% endblock %}", "unsafe"),
    ],
)
def test_a_mistake_in_the_prompt_is_one_error_that_says_where(source: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        made(source).questions("x")
    assert expected in caught.value.message and "\n" not in caught.value.message


def test_a_prompt_that_is_not_there_or_never_names_the_label_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        prompt.read(tmp_path, TASK, "scores", 100)
    (tmp_path / "prompt.jinja").write_text("{% block system %}{% endblock %}{% block user %}{{ text }}{% endblock %}")
    assert prompt.read(tmp_path, TASK, "scores", 100).questions("x")
    with pytest.raises(UserError, match="never says which label"):
        prompt.read(tmp_path, MANY, "scores", 100)


def test_fixed_examples_are_read_beside_the_prompt_or_told_with_their_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"examples\.csv: no such file"):
        prompt.fixed_examples(tmp_path, TASK)
    (tmp_path / "examples.csv").write_text("text,label\nfine,good\nmeh,so-so\n")
    with pytest.raises(UserError, match=r'examples\.csv:3: unknown label "so-so"'):
        prompt.fixed_examples(tmp_path, TASK)
    (tmp_path / "examples.csv").write_text("text,label\nfine,good\n,bad\n")
    with pytest.raises(UserError, match=r"examples\.csv:3: the column `text` is empty"):
        prompt.fixed_examples(tmp_path, TASK)
    (tmp_path / "examples.csv").write_text("text,label\nfine,good\n")
    assert [(e.text, e.labels) for e in prompt.fixed_examples(tmp_path, TASK)] == [("fine", ("good",))]


@pytest.mark.parametrize("form", ["scores", "json"])
def test_the_prompts_of_the_demo_can_be_read(form: str) -> None:
    for path in sorted((ROOT / "studies/llm/prompts").iterdir()):
        (question,) = prompt.read(path, Task("multi-class", ("negative", "neutral", "positive")), form, 1000).questions("it broke")
        assert "it broke" in question.messages[-1]["content"] and "negative" in question.messages[0]["content"]


# Which examples are shown


@given(st.lists(st.sampled_from(TASK.labels), min_size=1, max_size=40), st.integers(1, 12), st.integers(0, 3))
@PROPERTY
def test_random_examples_are_as_balanced_as_the_labels_allow(labels: list[str], size: int, seed: int) -> None:
    known = [example(f"text {number}", label) for number, label in enumerate(labels)]
    chosen = shots.balanced(known, size, TASK, seed)
    assert len(chosen) == len(set(chosen)) == min(size, len(known)) and chosen == shots.balanced(known, size, TASK, seed)
    counts = {label: sum(label in e.labels for e in chosen) for label in TASK.labels}
    for label, count in counts.items():
        assert count >= min(labels.count(label), size // len(TASK.labels))
        assert all(count + 1 >= other or count == labels.count(label) for other in counts.values())


def test_of_multi_label_texts_the_rarest_label_decides_and_none_counts_as_one() -> None:
    known = [example(f"b{n}", "billing") for n in range(5)] + [example("both", "billing", "praise"), example("nothing")]
    chosen = shots.balanced(known, 3, MANY, 0)
    assert sorted(len(e.labels) for e in chosen) == [0, 1, 2]


def test_the_nearest_examples_come_last_and_a_text_is_never_its_own() -> None:
    known = [example("Great phone!", "good"), example("bad battery", "bad"), example("a box", "other")]
    vectors = np.asarray([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
    (near,) = shots.nearest(["so good"], np.asarray([[2, 0.1]], dtype=np.float32), known, vectors, 2)
    assert [e.text for e in near] == ["a box", "Great phone!"]
    (near,) = shots.nearest(["great phone"], np.asarray([[1, 0]], dtype=np.float32), known, vectors, 3)
    assert [e.text for e in near] == ["bad battery", "a box"], "a near-duplicate would show the answer itself"


@pytest.mark.parametrize(
    "bomb",
    [
        "{% for a in range(9999) %}{% for b in range(9999) %}{% for c in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{{ 'a' * 999999999 }}",
        "{{ [1] * 999999999 }}",
        "{{ 9 ** 999999999 }}",
        "{% for a in range(9999) %}{{ 'a' * 1000 }}{% endfor %}",
    ],
)
def test_a_prompt_that_would_never_end_or_fill_the_memory_is_an_error(monkeypatch: pytest.MonkeyPatch, bomb: str) -> None:
    monkeypatch.setattr(prompt, "SECONDS", 0.5)
    with pytest.raises(UserError, match=r"prompt.jinja(:\d+)?: .*(longer than 0.5 seconds|too large|more than 1,000,000)"):
        made(SOURCE.replace("Text:", bomb))
    assert made(SOURCE.replace("Text:", "{{ 'ab' * 3 }}{{ 2 ** 5 }}{{ 3 * 4 }}")).questions("a")[0].messages[1]["content"].startswith("ababab3212")


@pytest.mark.parametrize("kind", ["llama-3", "phi-3", "folding"])
@pytest.mark.parametrize("text", ["{}", "a{}b", "x {}{}", "<|e{}nd|>", "ＡＢ {}", "{}\n{}"])  # codespell:ignore nd
def test_no_text_becomes_a_control_token(kind: str, text: str) -> None:
    """Llama 3 and Phi 3 name only some of their control tokens as special; the others stand among the added tokens."""
    from tests.tiny import chat_tokenizer

    tokenizer = chat_tokenizer(kind)
    written, numbers = local.control_tokens(tokenizer)
    steering = {number for number, token in tokenizer.added_tokens_decoder.items()} - {tokenizer.unk_token_id}
    assert numbers == steering and len(steering) > len(set(tokenizer.all_special_ids))
    for token in written:
        for spelled in {token, token.upper(), token.replace("|", "｜")}:
            said = text.replace("{}", spelled)
            plain = local.plain(said, tokenizer, written, numbers)
            assert not set(tokenizer(plain, add_special_tokens=False)["input_ids"]) & steering, (said, plain)
    assert local.plain("a < b | c [1] <i>", tokenizer, written, numbers) == "a < b | c [1] <i>"
