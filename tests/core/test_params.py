"""params.yaml is checked as a whole: each mistake is one error with its line and what was expected."""

import json
import re
import tempfile
from contextlib import chdir
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import parse_yaml
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from labelrounds.core import params, registry
from labelrounds.core.errors import UserError
from labelrounds.core.params import source
from labelrounds.core.task import Task
from labelrounds.methods import jobs
from tests.conftest import ROOT
from tests.small import FEWER, LABELS, SmallProject, project


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
    assert settings.deploy in settings.labelers


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
    assert error() == 'params.yaml:1: the key "seed" is missing. Expected a whole number from 0 to 2147483647.'


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
        ("test:", "test: true", "split.test is the bool True; expected a number from 0 to 1"),
        ("test:", f"test: 1{'0' * 400}", "split.test is the int 1000"),
        ("max_length:", "max_length: 7", "model.max_length is the int 7; expected a whole number from 8 to 1000000."),
        ("texts:", "texts: yes", 'report.texts is the text "yes"; expected true or false.'),
        ("checkpoint_seconds:", "checkpoint_seconds: -1", "runtime.checkpoint_seconds is the int -1; expected a number, 0 or more."),
        ("salt:", "salt: 2024-01-31", "split.salt is the date 2024-01-31; expected text (in quotes if it looks like a number)"),
        ("bases:", "bases: {01: x}", "the key 1 is the int 1; expected text. Put it in quotes."),
        ("sizes:", "sizes: 50", "learning_curve.sizes is the int 50; expected a list of whole numbers such as [50, 100]"),
        ("only:", "only: {ust: [100, -1]}", "learning_curve.only.ust holds the int -1; expected whole numbers, 0 or more."),
        ("labels:", "labels: [good, ~]", 'task.labels holds an empty item; expected text. Put it in quotes: "~".'),
        ("labels:", "labels: [good, 2024-01-31]", 'task.labels holds the date 2024-01-31; expected text. Put it in quotes: "2024-01-31".'),
        ("labels:", "labels: [good, [bad]]", "task.labels holds a list; expected text."),
        ("vanilla: {", "vanilla: {encoder: vanilla, method: superwised}", 'recipes.vanilla.method is "superwised". Did you mean "supervised"?'),
        (
            "vanilla: {",
            "vanilla: {encoder: vanilla}",
            'the key "recipes.vanilla.method" is missing. Expected one of: nearest, probe, self-training, setfit',
        ),
        ("vanilla: {", "vanilla: supervised", 'recipes.vanilla is the text "supervised"; expected a section of'),
        (
            "vanilla: {",
            "vanilla: {encoder: vanilla, method: tfidf, finetune: {epochs: 0}}",
            "recipes.vanilla.finetune.epochs is the int 0; expected a",
        ),
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


def test_an_item_of_a_list_has_a_line_of_its_own(here: SmallProject) -> None:
    number = replace(here, "holdout_rounds:", "holdout_rounds:\n    - '01'\n    # the second\n    - 02")
    assert error() == f'params.yaml:{number + 3}: split.holdout_rounds holds the int 2; expected text. Put it in quotes: "02".'
    replace(here, "- 02", "- '02'")
    number = replace(here, "labels:", "labels:\n    - good\n    - bad\n    - good")
    assert error().startswith(f'params.yaml:{number + 3}: the label "good" is listed twice')


def test_what_is_merged_into_a_section_has_the_line_where_it_was_typed(here: SmallProject) -> None:
    number = replace(here, "stop:", "stop:\n  <<:\n    gain: 2")
    assert params.load().stop.gain < 1, "what stands in the section itself goes before"
    replace(here, "gain: 0.01", "")
    assert error() == f"params.yaml:{number + 2}: stop.gain is the int 2; expected a number from 0 to 1."


def test_a_recipes_own_values_are_checked_together_with_those_that_it_inherits(here: SmallProject) -> None:
    replace(here, "epochs: 4", "epochs: 0")
    assert error().startswith(f"params.yaml:{line(here, 'epochs: 0')}: finetune.epochs is the int 0"), "once, where it was typed"
    replace(here, "epochs: 0", "epochs: 4")
    replace(here, "vanilla: {", "vanilla: {encoder: vanilla, method: supervised, finetune: {epochs: 9}}")
    found = params.load()
    assert found.recipes["vanilla"].finetune == found.finetune.model_copy(update={"epochs": 9})


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
        f'params.yaml:{line(here, "deploy:")}: deploy is "adaptd", which is no labeler. Did you mean "adapted"? Expected one of: adapted.'
    )


@pytest.mark.parametrize(
    ("name", "said"), [("agreement", "belongs to the stage of that name"), ("a/b", 'use letters, digits, "-" and "_"'), (".hidden", "use letters")]
)
def test_a_recipe_whose_name_cannot_be_a_file_is_an_error(here: SmallProject, name: str, said: str) -> None:
    here.params(recipes={name: {"encoder": "adapted", "method": "supervised"}})
    assert said in error()


def test_no_recipe_of_the_rounds_is_fine_where_a_further_one_is_deployed(here: SmallProject) -> None:
    here.params(recipes={}, deploy="nearest")
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
        ({"m": SERVED}, {"baseline": {"model": "m", "prompt": "x"}}, "no name that a recipe has"),
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
    here.params(recipes={"big": {"encoder": "llama", "method": "supervised"}}, deploy="big")
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


# A method's own section


@pytest.mark.parametrize("name", registry.names(registry.METHODS))
def test_a_mistake_in_a_methods_own_section_is_found_before_the_method_begins(here: SmallProject, name: str) -> None:
    begin = re.sub(rf"(?m)^{name}:.*\n(  .*\n)*", "", here.read("params.yaml"))

    def told(section: dict[str, Any] | None) -> str:
        """Returns the error for a project with this section, its line counted from that of the section."""
        lines = (
            [] if section is None else [f"{name}:{'' if section else ' {}'}", *(f"  {key}: {json.dumps(value)}" for key, value in section.items())]
        )
        here.write("params.yaml", begin + "\n".join(lines))
        settings = params.load()
        with pytest.raises(UserError) as caught:
            jobs.reads(params.Recipe(encoder="vanilla", method=name), settings)
        return re.sub(r":(\d+):", lambda found: f"+{int(found[1]) - begin.count(chr(10)) - 1}:", caught.value.message, count=1)

    assert told(None).startswith(f"params.yaml: there is no section `{name}`, which the method {name} reads.")
    sound = parse_yaml((ROOT / "params.yaml").read_text(encoding="utf-8"), "params.yaml")[name]
    assert told({**sound, "iteration": 2}).startswith(f'params.yaml+{len(sound) + 1}: unknown key "{name}.iteration".')
    for number, key in enumerate(sound, 1):
        assert told({**sound, key: {}}).startswith(f"params.yaml+{number}: {name}.{key} is a section; expected ")
        assert told({other: sound[other] for other in sound if other != key}).startswith(f'params.yaml+0: the key "{name}.{key}" is missing.')


def test_a_mistyped_key_of_a_method_is_guessed(here: SmallProject) -> None:
    number = replace(here, "passes:", "passe: 2")
    settings = params.load()
    with pytest.raises(UserError, match=rf'^params\.yaml:{number}: unknown key "ust\.passe"\. Did you mean "passes"\?'):
        jobs.reads(settings.further["ust"], settings)


# Properties


def values(wanted: dict[str, Any], named: dict[str, Any]) -> st.SearchStrategy:
    """Returns a strategy of the values that a JSON schema allows. named : the schemas that it refers to"""
    if "anyOf" in wanted:
        return st.one_of(*(values(one, named) for one in wanted["anyOf"]))
    if "enum" in wanted:
        return st.sampled_from(wanted["enum"])
    low, high = wanted.get("minimum"), wanted.get("maximum")
    match wanted.get("type"):
        case None:
            return values(named[wanted["$ref"].rpartition("/")[2]], named)
        case "array":
            return st.lists(values(wanted["items"], named), max_size=4)
        case "object" if "properties" in wanted:
            return st.fixed_dictionaries({name: values(inner, named) for name, inner in wanted["properties"].items()})
        case "object":
            return st.dictionaries(st.text("abc", min_size=1), values(wanted["additionalProperties"], named), max_size=3)
        case kind:
            plain = {
                "null": st.none(),
                "boolean": st.booleans(),
                "integer": st.integers(low, high),
                "number": st.floats(low, high, allow_nan=False),
                "string": st.text(st.characters(categories=["L", "N", "P", "Zs"])),
            }
            return plain[kind]


WHOLE = params.Params.model_json_schema()
# Those that no rule ties to another.
FREE = ("seed", "model", "data", "adapt", "finetune", "predict", "select", "agreement", "stop", "suspects", "report", "learning_curve")


@FEWER
@given(st.fixed_dictionaries({name: values(WHOLE["properties"][name], WHOLE["$defs"]) for name in FREE}))
def test_what_is_written_is_read_again(drawn: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        known = {**sound().model_dump(mode="json"), **drawn}
        with open("params.yaml", "w", encoding="utf-8") as file:
            YAML(typ="safe", pure=True).dump(known, file)
        found, again = params.load(), params.load()
    assert found.model_dump(mode="json") == known
    assert found == again and repr(found) == repr(again), "scratch folders are named by it"


@cache
def sound() -> params.Params:
    return params.load(ROOT / "params.yaml")


@FEWER
@given(
    st.sampled_from(
        [(section, key) for section in FREE[1:] for key in WHOLE["$defs"][WHOLE["properties"][section]["$ref"].rpartition("/")[2]]["properties"]]
    )
)
def test_a_mistake_anywhere_is_told_with_its_line(place: tuple[str, str]) -> None:
    section, key = place
    known = sound().model_dump(mode="json")
    content = "".join(f"{name}: {json.dumps(value)}\n" for name, value in known.items() if name != section)
    own = {name: json.dumps(value) for name, value in known[section].items()}

    def told(own: dict[str, str]) -> str:
        """Returns the error for a project with these lines in the section, which begins at line 1."""
        with tempfile.TemporaryDirectory() as folder, chdir(folder):
            Path("params.yaml").write_text(f"{section}:\n" + "".join(f"  {name}: {value}\n" for name, value in own.items()) + content)
            return error()

    number = list(own).index(key) + 2
    assert re.match(rf"params\.yaml:{number}: {section}\.{key} (is|holds) .*; expected ", told({**own, key: "[[]]"}))
    misspelt = told({f"{key}x" if name == key else name: value for name, value in own.items()})
    assert misspelt.startswith(f'params.yaml:{number}: unknown key "{section}.{key}x". Did you mean "{key}"?'), "rather than that one is missing"


@pytest.mark.parametrize(
    "typed", ["yes", "on", "01", "0o17", "0x1F", "1e3", "1_000", ".5", "1:30", "~", "", "2024-01-31", "!!str 3", ".inf", "null", "True"]
)
def test_a_value_is_read_as_dvc_reads_it(here: SmallProject, typed: str) -> None:
    content = f"a: {typed}\nb: [{typed or '~'}]\n"
    here.write("params.yaml", content)
    assert source.read().value == parse_yaml(content, "params.yaml")


def test_aliases_that_multiply_are_an_error_and_others_are_not(here: SmallProject) -> None:
    bomb = "a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    before = here.read("params.yaml")
    here.write("params.yaml", bomb + before)
    assert error() == "params.yaml: its `*aliases` unfold into more than 100,000 values. Write out what they stand for."
    here.write("params.yaml", "a: &a [*a]\n" + before)
    assert "unfold" in error()
    here.write("params.yaml", before.replace("task:", "task: &task", 1))
    assert params.load().task.labels == tuple(LABELS)


@pytest.mark.parametrize("name", ["../a", "a/b", "..", ".hidden", "a\\b", "/etc", "a b", "-a", "ä"])
@pytest.mark.parametrize("section", ["recipes", "further", "bases", "language_models", "prompts"])
def test_no_name_leads_out_of_its_folder(here: SmallProject, section: str, name: str) -> None:
    """These become the names of folders in models/ and of files in metrics/."""
    value = {"recipes": {"encoder": "vanilla", "method": "tfidf"}, "bases": "somewhere", "language_models": {"source": "somewhere"}}
    value["further"], value["prompts"] = value["recipes"], {"model": "m", "prompt": "folder"}
    here.params(**{section: {name: value[section]}})
    assert re.match(r"params.yaml:\d+: ", error())
