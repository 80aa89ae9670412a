"""What a stage's script imports, read from the source: the code that its result depends on."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
IS_DEMO = (ROOT / "data/dvc.yaml").is_file()  # `labelrounds init` removes it


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
    # Importing a.b.c also runs the __init__ of a and of a.b.
    names |= {".".join(name.split(".")[:n]) for name in names for n in range(1, name.count(".") + 1)}
    return frozenset(found for name in names if (found := module_path(name)) and found.parts[0] in ("labelrounds", "stages") and found != path)


def code_of(script: Path) -> set[Path]:
    """Returns the script and every module of ours that it reaches, but for the packages' docstrings."""
    reached, waiting = set(), [script]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += imports(path)
    return reached - {Path("labelrounds/__init__.py"), Path("stages/__init__.py")}
