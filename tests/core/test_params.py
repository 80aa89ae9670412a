"""params.yaml is checked as a whole: each mistake is one error with its line and what was expected."""

import json
import re
from pathlib import Path

import pytest

from labelrounds.core import params
from labelrounds.core.errors import UserError
from labelrounds.core.task import Task
from tests.conftest import ROOT
from tests.small import LABELS, SmallProject, project


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    monkeypatch.chdir(tmp_path)
    return project(tmp_path)


def line(here: SmallProject, begins: str) -> int:
    """Returns the number of the line of params.yaml that begins so."""
    return next(number for number, text in enumerate(here.read("params.yaml").splitlines(), 1) if text.strip().startswith(begins))


def replace(here: SmallProject, begins: str, new: str) -> int:
    """Puts another line for the one that begins so, its indent kept; returns its number."""
    lines = here.read("params.yaml").splitlines()
    number = line(here, begins)
    old = lines[number - 1]
    lines[number - 1] = old[: len(old) - len(old.lstrip())] + new
    here.write("params.yaml", "\n".join(lines) + "\n")
    return number


def error() -> str:
    with pytest.raises(UserError) as caught:
        params.load()
    return caught.value.message


def test_the_parameters_in_this_repository_are_sound() -> None:
    settings = params.load(ROOT / "params.yaml")
    assert settings.deploy in (*settings.recipes, "baseline")


def test_labels_keep_the_order_in_which_they_are_listed(here: SmallProject) -> None:
    assert params.load().labelled_task() == Task("multi-class", tuple(LABELS))


def test_a_whole_number_is_a_number_too(here: SmallProject) -> None:
    replace(here, "test:", "test: 0")
    assert params.load().split.test == 0.0


def test_without_labels_only_what_needs_them_complains(here: SmallProject) -> None:
    here.params(task__labels=[])
    settings = params.load()
    with pytest.raises(UserError, match=r"task\.labels is empty: .*`labels: \[question, complaint, praise\]`"):
        settings.labelled_task()


def test_an_unknown_key_is_an_error_that_guesses_what_was_meant(here: SmallProject) -> None:
    number = replace(here, "holdout_rounds:", 'holdout_round: ["01"]')
    assert error().startswith(f'params.yaml:{number}: unknown key "split.holdout_round". Did you mean "holdout_rounds"?')


def test_an_unknown_section_is_an_error(here: SmallProject) -> None:
    here.write("params.yaml", here.read("params.yaml") + "\nfinetun:\n  epochs: 3\n")
    assert 'unknown key "finetun". Did you mean "finetune"?' in error()


def test_a_missing_key_is_an_error_that_says_what_it_takes(here: SmallProject) -> None:
    replace(here, "threads:", "")
    assert error() == f'params.yaml:{line(here, "runtime:")}: the key "runtime.threads" is missing. Expected a whole number from 1 to 1024.'


def test_a_missing_section_is_an_error(here: SmallProject) -> None:
    here.write("params.yaml", "task: {type: multi-class, labels: [a, b]}\n")
    assert error() == 'params.yaml:1: the key "seed" is missing. Expected a whole number from 0 to 2.14748e+09.'


@pytest.mark.parametrize(
    ("begins", "new", "said"),
    [
        ("seed:", "seed: thirteen", 'seed is the text "thirteen"; expected a whole number'),
        ("seed:", "seed: 1.5", "seed is the float 1.5; expected a whole number"),
        ("seed:", "seed: true", "seed is the bool True; expected a whole number"),
        ("seed:", "seed: -1", "seed is the int -1; expected a whole number from 0"),
        ("seed:", "seed:", "seed is empty; expected a whole number"),
        ("seed:", "seed: [1]", "seed is a list; expected a whole number"),
        ("threads:", "threads: 0", "runtime.threads is the int 0; expected a whole number from 1 to 1024"),
        ("precision:", "precision: bf-16", 'runtime.precision is "bf-16". Did you mean "bf16"? Expected one of: auto, fp32, bf16.'),
        ("valid:", "valid: 20%", 'split.valid is the text "20%"; expected a number from 0 to 1'),
        ("valid:", "valid: .nan", "split.valid is the float nan; expected a number from 0 to 1"),
        ("test:", "test: 50", "split.test is the int 50; expected a number from 0 to 1"),
        ("salt:", "salt: 13", "split.salt is the int 13; expected text (in quotes if it looks like a number)"),
        ("holdout_rounds:", 'holdout_rounds: "01"', 'split.holdout_rounds is the text "01"; expected a list of texts'),
        ("type:", "type: multiclass", 'task.type is "multiclass". Did you mean "multi-class"?'),
        ("labels:", "labels: {good: 1}", "task.labels is a section; expected a list of texts"),
        ("labels:", "labels: [good, 2]", 'task.labels holds the int 2; expected text. Put it in quotes: "2".'),
        ("labels:", "labels: [true, false]", 'task.labels holds the bool True; expected text. Put it in quotes: "true".'),
        ("strategy:", "strategy: entropy_kmeans", 'select.strategy is "entropy_kmeans". Did you mean "entropy-kmeans"?'),
        ("split:", "split: 0.2", "not YAML"),
    ],
)
def test_a_value_of_the_wrong_kind_is_an_error_with_its_line(here: SmallProject, begins: str, new: str, said: str) -> None:
    number = replace(here, begins, new)
    found = error()
    assert said in found
    assert found.startswith(f"params.yaml:{number}") or "not YAML" in said


def test_a_round_named_by_a_bare_number_is_asked_for_as_it_was_written(here: SmallProject) -> None:
    replace(here, "holdout_rounds:", "holdout_rounds: [01]")
    assert 'Put it in quotes: "01".' in error()


def test_a_section_that_is_no_section_is_an_error(here: SmallProject) -> None:
    here.params(split=0.2)
    assert f"params.yaml:{line(here, 'split:')}: split is the float 0.2; expected a section" in error()


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("[good, bad, good]", 'the label "good" is listed twice in task.labels'),
        ("[good, '']", '"" cannot be a label'),
        ("[good, ' bad']", '" bad" cannot be a label'),
        ("[good, 'a;b']", '"a;b" cannot be a label'),
        ("[good, '-']", '"-" cannot be a label'),
        ('[good, "a\\nb"]', "cannot be a label"),
        ("[good]", 'task.labels holds only "good"; a multi-class task needs two labels or more'),
    ],
)
def test_labels_that_could_not_be_told_apart_are_errors(here: SmallProject, labels: str, said: str) -> None:
    number = replace(here, "labels:", f"labels: {labels}")
    found = error()
    assert said in found and found.startswith(f"params.yaml:{number}: ")


def test_labels_in_any_language_are_fine(here: SmallProject) -> None:
    here.params(task__labels=["财经", "größer", "no", "yes", "😀 joy", "one, two"])
    assert params.load().task.labels == ("财经", "größer", "no", "yes", "😀 joy", "one, two")


def test_shares_that_leave_nothing_to_train_on_are_an_error(here: SmallProject) -> None:
    here.params(split__valid=0.5, split__test=0.5)
    assert error().startswith(f"params.yaml:{line(here, 'valid:')}: split.valid + split.test is 1; below 1 is needed")


def test_a_deployed_labeler_that_does_not_exist_is_an_error(here: SmallProject) -> None:
    here.params(deploy="adaptd", recipes={"adapted": {"encoder": "adapted", "method": "supervised"}}, further={}, prompts={})
    assert error() == (
        f'params.yaml:{line(here, "deploy:")}: deploy is "adaptd", which is no labeler. Did you mean "adapted"? Expected one of: adapted, baseline.'
    )


@pytest.mark.parametrize(
    ("name", "said"), [("baseline", "that name belongs to the stage"), ("a/b", 'use letters, digits, "-" and "_"'), (".hidden", "use letters")]
)
def test_a_recipe_whose_name_cannot_be_a_file_is_an_error(here: SmallProject, name: str, said: str) -> None:
    here.params(recipes={name: {"encoder": "adapted", "method": "supervised"}})
    assert said in error()


def test_no_recipe_at_all_is_fine_where_the_baseline_is_deployed(here: SmallProject) -> None:
    here.params(recipes={}, deploy="baseline")
    assert params.load().recipes == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "params.yaml:1: the file is empty; expected a section"),
        (b"- a\n- b\n", "params.yaml:1: the file is a list; expected a section"),
        (b"seed: 1\nseed: 2\n", "params.yaml:2: not YAML: found duplicate key"),
        (b"seed: 1\nsplit: [1, 2\nsalt: x\n", "params.yaml:3: not YAML: "),
        (b"seed: 1\n\tsplit: 2\n", "params.yaml:2: not YAML: "),
        (b"seed: 1\x07\n", "params.yaml: not UTF-8 text, or control characters stand in it"),
        ("salt: Grüße\n".encode("latin-1"), "params.yaml: not UTF-8 text"),
        ("seed: 1\n".encode("utf-16"), "params.yaml: not UTF-8 text"),
    ],
)
def test_what_is_no_yaml_is_an_error_with_its_line(here: SmallProject, content: bytes, said: str) -> None:
    here.write("params.yaml", content)
    assert error().startswith(said)


def test_the_mark_that_some_editors_put_first_does_no_harm(here: SmallProject) -> None:
    here.write("params.yaml", b"\xef\xbb\xbf" + here.read("params.yaml").encode())
    assert params.load().task.labels == tuple(LABELS)


def test_outside_a_project_the_error_says_where_to_go(here: SmallProject) -> None:
    (here.folder / "params.yaml").unlink()
    assert "Run this at the top of a labelrounds project" in error()


def test_the_line_of_a_key_is_where_it_stands(here: SmallProject) -> None:
    assert params.line_of("split", "holdout_rounds") == line(here, "holdout_rounds:")


# Language models and prompts

LOCAL = {"source": "a/folder"}
SERVED = {"server": "http://localhost:8000/v1", "model": "m"}


@pytest.mark.parametrize(
    ("models", "prompts", "said"),
    [
        ({"m": {}}, {}, "language_models.m needs either `source`"),
        ({"m": {**LOCAL, **SERVED}}, {}, "language_models.m needs either `source`"),
        ({"m": {"server": "http://localhost:8000/v1"}}, {}, "and `model` (the name that the server knows it by)"),
        ({"a/b": LOCAL}, {}, "becomes a folder"),
        ({"m": {**SERVED, "api_key": "sk-…"}}, {}, 'unknown key "language_models.m.api_key"'),
        ({"m": {**SERVED, "parameters": [1]}}, {}, "language_models.m.parameters is a list; expected a section"),
        ({"m": {**SERVED, "concurrency": 0}}, {}, "language_models.m.concurrency is the int 0; expected a whole number from 1 to 1000"),
        ({"model": LOCAL}, {"p": {"model": "modle", "prompt": "x"}}, 'prompts.p.model is "modle". Did you mean "model"?'),  # codespell:ignore modle
        ({}, {"p": {"model": "m", "prompt": "x"}}, "Expected one of language_models: none is there yet"),
        ({"m": LOCAL}, {"p": {"model": "m", "prompt": "x", "form": "json"}}, "which only servers know"),
        ({"m": SERVED}, {"p": {"model": "m", "prompt": "x", "samples": 3}}, "samples is for `form: json`"),
        ({"m": SERVED}, {"p": {"model": "m", "prompt": "x", "examples": "some"}}, "Expected one of: none, fixed, random, nearest"),
        ({"m": SERVED}, {"baseline": {"model": "m", "prompt": "x"}}, "no name that a recipe or the baseline has"),
    ],
)
def test_a_mistake_about_a_language_model_is_one_error_with_its_line(here: SmallProject, models: dict, prompts: dict, said: str) -> None:
    here.params(language_models=models, prompts=prompts)
    message = error()
    assert said in message and re.match(r"params\.yaml:\d+: ", message)


def test_own_parameters_of_a_server_are_passed_on_as_plain_values(here: SmallProject) -> None:
    own = {"temperature": 0.2, "max_tokens": None, "stop": ["a", "b"], "chat_template_kwargs": {"enable_thinking": False}}
    here.params(
        language_models={"m": {**SERVED, "parameters": own}}, prompts={"p": {"model": "m", "prompt": "x", "form": "json", "samples": 3}}, deploy="p"
    )
    found = params.load()
    assert found.language_models["m"].parameters == own and json.dumps(own) == json.dumps(found.language_models["m"].parameters)
    assert found.deploy == "p"


def test_a_recipe_names_an_encoder_that_somebody_brings(here: SmallProject) -> None:
    here.params(recipes={"big": {"encoder": "llma", "method": "supervised"}}, further={}, bases={"llama": "hf:some/model@main"})
    assert 'the encoder of the recipe big is "llma". Did you mean "llama"?' in error()
    here.params(recipes={"big": {"encoder": "llama", "method": "supervised"}})
    assert params.load().recipes["big"].encoder == "llama"
    here.params(bases={"adapted": "hf:some/model@main"})
    assert 'the name "adapted" in bases' in error()


def test_a_recipe_stands_in_one_place_alone(here: SmallProject) -> None:
    recipe = {"encoder": "vanilla", "method": "nearest"}
    here.params(recipes={"near": recipe}, further={"near": recipe}, deploy="near")
    assert 'the recipe "near" stands under `recipes` too' in error()
    here.params(recipes={}, further={"near": recipe})
    assert params.load().deploy == "near", "a study's labeler may be deployed"
    here.params(further={"near": {"encoder": "vanila", "method": "nearest"}})
    assert error().startswith(f"params.yaml:{line(here, 'encoder: vanila')}: the encoder of the recipe near")


def test_a_description_of_a_label_that_is_not_there_is_named(here: SmallProject) -> None:
    here.params(task__descriptions={"goood": "praise"})
    assert 'task.descriptions describes "goood"' in error() and 'Did you mean "good"?' in error()


def test_sizes_of_the_learning_curve_are_whole_numbers(here: SmallProject) -> None:
    here.params(learning_curve__sizes=[50, "all"])
    assert 'learning_curve.sizes holds the text "all"; expected whole numbers' in error()
