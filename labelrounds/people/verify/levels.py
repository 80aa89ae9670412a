"""How much of two runs is the same, stage by stage.

    bytes         every out has the same md5
    decisions     all labels, ids, counts, the queue and the gate are equal; scores lie within a tolerance
    conclusions   decisions differ because models do; what every labeler is worth does not: the paired 95 % interval of the difference of
                  macro-F1 on the test set holds zero and is narrower than a stated width
    different     none of these

A model decides nothing by itself: it gets the level of the worst stage that reads it.
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labelrounds.core import screen, tables
from labelrounds.core.errors import UserError
from labelrounds.people.verify import contents, runs
from labelrounds.people.verify.runs import Stage, within

BYTES, DECISIONS, CONCLUSIONS, DIFFERENT = "bytes", "decisions", "conclusions", "different"
ORDER = (BYTES, DECISIONS, CONCLUSIONS, DIFFERENT)  # the best first
WORDS = {BYTES: "same bytes", DECISIONS: "same decisions", CONCLUSIONS: "same conclusions", DIFFERENT: "different"}
MODELS = "models/"
TESTED = "/test.csv"
MISSING = object()


@dataclass(frozen=True)
class Told:
    """What is said of a stage. changed : those of its inputs that were not the same in both runs; why : what keeps it from a better level"""

    stage: str
    level: str
    changed: list[str]
    why: str = ""


@dataclass(frozen=True)
class Found:
    """tolerance : of scores; width : of the interval of a conclusion, in macro-F1"""

    stages: list[Told]
    tolerance: float
    width: float

    @property
    def level(self) -> str:
        return worst(told.level for told in self.stages)

    @property
    def first(self) -> Told | None:
        """The first stage that departs, in the order of the run."""
        return next((told for told in self.stages if told.level != BYTES), None)

    def reaches(self, level: str) -> bool:
        return ORDER.index(self.level) <= ORDER.index(level)


@dataclass(frozen=True)
class Run:
    """A run: what its dvc.lock say, and the folder that holds its files, as far as these are at hand; None where none are."""

    stages: dict[str, Stage]
    folder: Path | None

    def has(self, path: str) -> bool:
        return self.folder is not None and (self.folder / path).exists()


def worst(levels: Any) -> str:
    return max(levels, key=ORDER.index, default=BYTES)


def tolerance_of(folder: Path | None) -> float:
    """Returns how far two scores may lie apart: the standard error of a share that is measured on the n validation texts, at most 1/(2√n).

    Scores are calibrated on these texts, so closer ones cannot be told apart by what they were made from.
    """
    valid = None if folder is None else folder / "data/split/valid.csv"
    n = sum(1 for _ in tables.rows(valid)) if valid is not None and valid.is_file() else 0
    return 0.5 / math.sqrt(n) if n else 0.0


def compared(first: Run, second: Run, order: list[str], width: float, seed: int) -> Found:
    """Returns the level of every stage that either run has. order : of the stages, as they ran; the others come last"""
    names = list(dict.fromkeys([*order, *first.stages, *second.stages]))
    tolerance = tolerance_of(first.folder)
    conclusions = dict(measured(first, second, width, seed))
    told: dict[str, Told] = {}
    waiting = []
    for name in names:
        changed = changed_inputs(name, first.stages, second.stages)
        differing = differing_outs(name, first.stages, second.stages)
        if not differing:
            told[name] = Told(name, BYTES, changed)
        elif name not in first.stages or name not in second.stages:
            told[name] = Told(name, DIFFERENT, changed, "it ran in one run only")
        elif all(path.startswith(MODELS) for path in differing):
            waiting.append(name)
        else:
            told[name] = judged(name, differing, changed, first, second, tolerance, conclusions)
    for name in reversed(waiting):  # an encoder waits for the labelers that begin at it
        readers = [reader for reader in names if reads(reader, name, first.stages)]
        level = worst([DECISIONS, *(told[reader].level for reader in readers if reader in told)])
        changed = changed_inputs(name, first.stages, second.stages)
        told[name] = Told(name, level, changed, f"{others(name, first, second)}; the level of {', '.join(readers) or 'no stage: none reads it'}")
    return Found([told[name] for name in names], tolerance, width)


def others(name: str, first: Run, second: Run) -> str:
    """Returns the files of a model that differ, or its folder where these are not at hand."""
    differing = differing_outs(name, first.stages, second.stages)
    return screen.few([file for path in differing for file in (differing_files(path, first, second) or [path])])


def differing_files(path: str, first: Run, second: Run) -> list[str]:
    """Returns the files of an out that differ; none where one run's are not at hand."""
    if first.folder is None or second.folder is None or not (first.has(path) and second.has(path)):
        return []
    return runs.differing_files(path, first.folder, second.folder)


def departing(differing: list[str], first: Run, second: Run, tolerance: float) -> Iterator[str]:
    """Yields, in words, the decisions that are not the same in outs that differ, and the outs of which nobody can tell."""
    for path in differing:
        if first.folder is None or second.folder is None or not (first.has(path) and second.has(path)):
            yield f"{path} is not in the cache as it was, so its decisions cannot be compared (`dvc fetch --all-commits` brings it)"
            continue
        for file in runs.differing_files(path, first.folder, second.folder):
            why = contents.first_decision_that_differs(first.folder / file, second.folder / file, tolerance)
            if why is not None:
                yield f"{file}, {why}"


def judged(
    name: str, differing: list[str], changed: list[str], first: Run, second: Run, tolerance: float, conclusions: dict[str, tuple[bool, str]]
) -> Told:
    """Returns the level of a stage whose outs differ in bytes, and are no models alone."""
    why = next(departing(differing, first, second, tolerance), None)
    if why is None:
        return Told(name, DECISIONS, changed, f"scores lie within {tolerance:.3f}" if tolerance else "only digests and weights differ")
    own = [conclusions[path] for path in conclusions if any(within(path, out) for out in differing)]
    if not own and by_models(name, first.stages, second.stages):
        own = list(conclusions.values())
    level = CONCLUSIONS if own and all(held for held, _ in own) else DIFFERENT
    said = next((words for held, words in own if not held), own[0][1] if own else "")
    return Told(name, level, changed, f"{why}{f'; {said}' if said else ''}")


def measured(first: Run, second: Run, width: float, seed: int) -> Iterator[tuple[str, tuple[bool, str]]]:
    """Yields (metrics/NAME/test.csv, (whether the conclusion about NAME holds, in words)) of every labeler that both runs measured.

    The difference is that of the first run to the second, which it is compared with.
    """
    from labelrounds.people import compare

    if first.folder is None or second.folder is None:
        return
    for path in sorted(first.folder.glob("metrics/*" + TESTED)):
        file, name = path.relative_to(first.folder).as_posix(), path.parent.name
        if not (second.folder / file).is_file():
            continue
        try:
            with contextlib.chdir(first.folder):
                one = compare.read_side(None, name)
            with contextlib.chdir(second.folder):
                other = compare.read_side(None, name)
            found = compare.compare(other, one, seed)
        except UserError as error:
            yield file, (False, error.message)
            continue
        low, high = found.macro.ci95 or (-1.0, 1.0)
        same_texts = one.gold == other.gold
        said = f"macro-F1 of {name} {found.macro.after:.3f} and {found.macro.before:.3f}, difference {low:+.3f} to {high:+.3f}"
        holds = same_texts and low <= 0 <= high and high - low <= width
        problem = "" if holds else " (other test texts)" if not same_texts else f" (wider than {width:g})" if low <= 0 <= high else " (without zero)"
        yield file, (holds, said + problem)


def differing_outs(name: str, first: dict[str, Stage], second: dict[str, Stage]) -> list[str]:
    """Returns the outs of a stage that do not have the same digest in both runs."""
    one, two = (run[name].outs if name in run else {} for run in (first, second))
    return [path for path in dict.fromkeys([*one, *two]) if one.get(path) != two.get(path)]


def changed_inputs(name: str, first: dict[str, Stage], second: dict[str, Stage]) -> list[str]:
    """Returns what of a stage's deps, parameters and command was not the same in both runs."""
    if name not in first or name not in second:
        return []
    one, two = first[name], second[name]
    changed = [path for path in dict.fromkeys([*one.deps, *two.deps]) if one.deps.get(path) != two.deps.get(path)]
    for file in dict.fromkeys([*one.params, *two.params]):
        given, other = (dict(leaves(side.params.get(file, {}))) for side in (one, two))
        changed += [key for key in dict.fromkeys([*given, *other]) if given.get(key, MISSING) != other.get(key, MISSING)]
    return changed + (["its command"] if one.cmd != two.cmd else [])


def leaves(section: dict[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Yields (finetune.learning_rate, value) of every parameter of a section, and of the sections in it."""
    for key, value in section.items():
        name = f"{place}{key}"
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{name}.")
        else:
            yield name, value


def reads(reader: str, maker: str, stages: dict[str, Stage]) -> bool:
    """Says whether a stage reads what another makes."""
    return reader in stages and maker in stages and any(within(dep, out) for dep in stages[reader].deps for out in stages[maker].outs)


def by_models(name: str, first: dict[str, Stage], second: dict[str, Stage]) -> bool:
    """Says whether a model that differs is behind a stage, whatever stages stand between."""
    behind, waiting = set(), [name]
    while waiting:
        here = waiting.pop()
        makers = [maker for maker in first if maker not in behind and reads(here, maker, first)]
        behind |= set(makers)
        waiting += makers
    return any(path.startswith(MODELS) for maker in behind for path in differing_outs(maker, first, second))


def table(found: Found) -> str:
    """Returns one line per stage: what is the same, whether its inputs were, and what keeps it from more."""
    rows = [(one.stage, WORDS[one.level], "not the same" if one.changed else "the same", one.why) for one in found.stages]
    return screen.table(["stage", "result", "inputs", ""], rows)


def summary(found: Found) -> str:
    """Returns what the whole amounts to, with the first stage that departs and what it had read."""
    first = found.first
    if first is None:
        return f"Same bytes: all outs, metrics and plots of {len(found.stages)} stage{'' if len(found.stages) == 1 else 's'}."
    begins = f"Altogether: {WORDS[found.level]}. The first stage that departs is {first.stage}"
    if first.changed:
        return f"{begins}; its inputs were not the same: {', '.join(first.changed)}. Look there first."
    return (
        f"{begins}, from the same inputs: the machine computes otherwise (processor, threads, libraries: `labelrounds machine`), or the stage "
        "lacks a seed, or takes a time, a path or a set's order into its outs."
    )


def as_dict(found: Found, level: str) -> dict[str, Any]:
    """Returns everything as JSON takes it."""
    return {
        "level": found.level,
        "asked": level,
        "reached": found.reaches(level),
        "first": None if found.first is None else found.first.stage,
        "tolerance": round(found.tolerance, 6),
        "width": found.width,
        "stages": [{**asdict(told), "inputs": "not the same" if told.changed else "the same"} for told in found.stages],
    }
