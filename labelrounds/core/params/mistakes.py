"""How a mistake in params.yaml is told: the first that pydantic finds, as one sentence with its line."""

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from labelrounds.core.errors import did_you_mean
from labelrounds.core.params.source import Source

Model = TypeVar("Model", bound=BaseModel)

KINDS = {
    "object": "a section of `key: value` lines",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text (in quotes if it looks like a number)",
}
LISTS = {
    "string": "a list of texts such as [one, two]",
    "integer": "a list of whole numbers such as [50, 100]",
    "number": "a list of numbers such as [1.0, 10.0]",
}
ITEMS = {"string": "text", "integer": "whole numbers, 0 or more", "number": "numbers"}


def checked(kind: type[Model], value: Any, source: Source, *keys: str) -> Model:
    """Returns the value that stands at `keys` as this model; a UserError about the first mistake in it."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        # A misspelt key is a missing one, too: that it is unknown says more.
        first = min(error.errors(include_url=False), key=lambda mistake: mistake["type"] != "extra_forbidden")
        raise source.wrong((*keys, *first["loc"]), told(kind, source, keys, first)) from None


def told(kind: type[BaseModel], source: Source, keys: tuple[str, ...], mistake: Any) -> str:
    """Returns what was found in the section at `keys`, and what was expected there. mistake : as pydantic describes it"""
    place, found = mistake["loc"], mistake["input"]
    *parents, name = [*map(str, (*keys, *place))] or ["the file"]
    if mistake["type"] == "string_pattern_mismatch":  # the one pattern is that of names
        return f'the name "{found}" in {parents[-2]} becomes a folder and a file: use letters, digits, "-" and "_".'
    if mistake["type"] == "invalid_key" or name == "[key]":
        return f"the key {found} is {shown(found)}; expected text. Put it in quotes."
    path = ".".join((*parents, name))
    if mistake["type"] == "extra_forbidden":
        known = described(kind, place[:-1])["properties"]
        return f'unknown key "{path}".{did_you_mean(name, known)} Known here: {", ".join(known)}.'
    wanted = described(kind, place)
    words = wanted.get("enum")
    if mistake["type"] == "missing":
        return f'the key "{path}" is missing. Expected {expected(wanted)}.'
    if place and isinstance(place[-1], int):
        typed = source.typed(*keys, *place) if wanted["type"] == "string" else ""
        hint = f' Put it in quotes: "{typed}".' if typed else ""
        return f"{'.'.join(parents)} holds {'an empty item' if found is None else shown(found)}; expected {ITEMS[wanted['type']]}.{hint}"
    if words and isinstance(found, str):
        return f'{path} is "{found}".{did_you_mean(found, words)} Expected {expected(wanted)}.'
    return f"{path} is {shown(found)}; expected {expected(wanted)}."


def described(kind: type[BaseModel], place: tuple[Any, ...]) -> dict[str, Any]:
    """Returns the JSON schema of what belongs at `place` in a model."""
    whole = here = kind.model_json_schema()
    for key in place:
        if isinstance(key, int):
            here = here["items"]
        elif "properties" in here:
            here = here["properties"][key]
        else:  # by names that people choose
            [here] = here["patternProperties"].values() if "patternProperties" in here else [here["additionalProperties"]]
        here = here.get("anyOf", [here])[0]  # `X | None`
        here = whole["$defs"][here["$ref"].rpartition("/")[2]] if "$ref" in here else here
    return here


def expected(schema: dict[str, Any]) -> str:
    """Returns in words what a JSON schema wants."""
    if "enum" in schema:
        return f"one of: {', '.join(schema['enum'])}"
    if schema["type"] == "array":
        return LISTS[schema["items"]["type"]]
    low, high = (schema.get(end) for end in ("minimum", "maximum"))
    return KINDS[schema["type"]] + ("" if low is None else f", {number(low)} or more" if high is None else f" from {number(low)} to {number(high)}")


def number(found: float) -> str:
    return str(found) if isinstance(found, int) else f"{found:g}"


def shown(found: Any) -> str:
    """Returns a value as a message calls it."""
    if isinstance(found, str):
        return f'the text "{found}"'
    names = {type(None): "empty", dict: "a section", list: "a list"}
    return names.get(type(found)) or f"the {type(found).__name__} {found}"
