"""What a labeler was made with: the parameters of every stage behind its predictions, as dvc.lock recorded them."""

from functools import cache
from typing import Any

from labelrounds.core import revisions
from labelrounds.core.revisions import Commit


def parameters(commit: Commit | None, labeler: str) -> dict[str, Any]:
    """Returns {dotted key of params.yaml: value} for the stages that lead to metrics/LABELER/test.csv.

    dvc.lock holds what was run, which params.yaml need not. Without one that can be read it is empty.
    """
    return _parameters(revisions.read(commit, "dvc.lock") or "", labeler)


@cache
def _parameters(lock: str, labeler: str) -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        stages = YAML(typ="safe").load(lock)["stages"]
        makers = {out["path"]: name for name, stage in stages.items() for out in stage.get("outs", [])}
        found: dict[str, Any] = {}

        def makers_of(path: str) -> list[str]:
            return [maker for out, maker in makers.items() if path == out or path.startswith(f"{out}/")]

        waiting, seen = makers_of(f"metrics/{labeler}/test.csv"), set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            for file in stages[name].get("params", {}).values():
                found |= _flat(file)
            waiting += [maker for dep in stages[name].get("deps", []) for maker in makers_of(dep["path"])]
    except (YAMLError, TypeError, KeyError, AttributeError):
        return {}
    return found


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Returns `key old -> new` for every parameter that both have, with different values."""
    return [f"{key} {before[key]} -> {after[key]}" for key in sorted(before.keys() & after.keys()) if before[key] != after[key]]
