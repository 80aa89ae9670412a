"""What a stage's script imports, read from the source: the folders of code that its result depends on."""

import ast
from functools import cache
from pathlib import Path

from labelrounds.core import registry

ROOT = Path(__file__).parent.parent
IS_DEMO = (ROOT / "data/dvc.yaml").is_file()  # `labelrounds init` removes it

# From the roof to the ground: imports go down only.
FLOORS = ["people", "report", "methods", "llm", "labelers", "models", "measures", "rounds", "pool", "core"]
# These modules find others by name: who imports one may run any module of its folder that defines the entry function.
REGISTRIES = {"labelrounds/labelers/contract.py": registry.KINDS, "labelrounds/methods/jobs.py": registry.METHODS}


def module_path(name: str) -> Path | None:
    """Returns the file of one of our modules, relative to the root; None for anybody else's."""
    path = Path(*name.split("."))
    for found in (path.with_suffix(".py"), path / "__init__.py"):
        if (ROOT / found).is_file():
            return found
    return None


@cache
def imports(path: Path) -> frozenset[Path]:
    """Returns our modules that a file imports anywhere, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    ours = {module_path(name) for name in names} - {None, path}
    return frozenset(found for found in ours if found and found.parts[0] in ("labelrounds", "stages"))


def code_of(script: Path) -> set[Path]:
    """Returns the script and every module of ours that it may run, those that are found by name too."""
    reached, waiting = set(), [script]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += imports(path)
            if folder := REGISTRIES.get(path.as_posix()):
                waiting += [Path("labelrounds", folder, f"{name.replace('-', '_')}.py") for name in registry.names(folder)]
    return reached


def floor_of(path: Path) -> str | None:
    """Returns the floor on which a module stands; None outside of labelrounds/."""
    return path.parts[1] if path.parts[0] == "labelrounds" and len(path.parts) > 2 else None


def folders_of(script: Path) -> set[str]:
    """Returns the folders of labelrounds/ that a script stands on, its own aside."""
    floors = {floor for path in code_of(script) if path != script and (floor := floor_of(path))}
    return {f"labelrounds/{floor}" for floor in floors}


def counts() -> dict[str, int]:
    """Returns how many lines the pipeline has, by what they belong to."""

    def lines(*found: Path) -> int:
        return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in found)

    stages = list((ROOT / "stages").glob("*.py"))
    return {
        "dvc.yaml": lines(ROOT / "dvc.yaml"),
        "studies/*/dvc.yaml": lines(*(ROOT / "studies").glob("*/dvc.yaml")),
        "dvc.lock": lines(ROOT / "dvc.lock") if (ROOT / "dvc.lock").is_file() else 0,
        "all stages": lines(*stages),
        "the longest stage": max(map(lines, stages)),
        "README.md": lines(ROOT / "README.md"),
    }


if __name__ == "__main__":  # python -m tests.graph
    for what, count in counts().items():
        print(f"{count:6} lines: {what}")
