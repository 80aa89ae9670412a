"""The prompt: a folder in git with the labelling guideline as a Jinja file, turned into questions about a text.

`prompt.jinja` has two blocks. `system` is the guideline, said once. `user` is one text; it is rendered for each
worked example, whose answer follows it, and last for the text to label. Both see `labels` (the task's),
`form` (`scores` or `json`: how the answer is read) and, in `user`, `text`. A multi-label task that is scored asks
one yes/no question per label: `user` then also sees `label`, and may be asked of a text again and again.
`examples.csv` beside it holds the examples of `examples: fixed`.
"""

import contextlib
import functools
import json
import re
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelrounds.core import tables
from labelrounds.core.errors import UserError, at
from labelrounds.core.task import Task
from labelrounds.pool.identity import text_id

FILE, EXAMPLES = "prompt.jinja", "examples.csv"
SCORES, JSON = "scores", "json"
YES, NO = "yes", "no"
SECONDS = 5.0  # to fill in a block
LONGEST = 1_000_000  # characters of a block

Message = dict[str, str]


@dataclass(frozen=True)
class Example:
    """A text whose labels are known, to be shown with its answer."""

    id: str
    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Question:
    """What is asked in one go. answers : the words among which it is chosen; empty where a JSON schema says that"""

    messages: tuple[Message, ...]
    answers: tuple[str, ...]


class Prompt:
    """The template with the task that it labels for."""

    def __init__(self, source: str, task: Task, form: str, max_characters: int, name: str | Path) -> None:
        """Compiles the Jinja `source`; a mistake in it is a UserError with its line. `name` is what an error calls it."""
        jinja2 = _jinja()
        self.source, self.task, self.form, self.max_characters, self.name = source, task, form, max_characters, name
        # No loader: a guideline that is spread over files would change without its stage noticing.
        environment = _sandbox()(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise UserError(f"{at(name, error.lineno)}: not a Jinja template: {error.message}. Correct that line.") from None
        for block in ("system", "user"):
            if block not in self._template.blocks:
                raise UserError(
                    f"{at(name)}: there is no block `{block}`. Expected {{% block {block} %}} … {{% endblock %}}: see studies/llm/README.md."
                )
        if text_id("a") not in self._render("user", text=text_id("a"), label=task.labels[0]):
            raise UserError(f"{at(name)}: the block `user` does not show the text. Write {{{{ text }}}} where it should stand.")

    def questions(self, text: str, examples: tuple[Example, ...] = ()) -> list[Question]:
        """Returns what is asked about one text: one question, or one per label where yes and no are scored."""
        if self.form == SCORES and self.task.multi_label:
            return [
                Question(self._messages(text, [(e.text, YES if label in e.labels else NO) for e in examples], label), (YES, NO))
                for label in self.task.labels
            ]
        shown = [(e.text, self.answer(e.labels)) for e in examples]
        return [Question(self._messages(text, shown, None), self.task.labels if self.form == SCORES else ())]

    def answer(self, labels: tuple[str, ...]) -> str:
        """Returns the answer that is right for `labels`, in the form that is asked for."""
        if self.form == SCORES:
            return labels[0]
        found = {label: label in labels for label in self.task.labels} if self.task.multi_label else {"label": labels[0]}
        return json.dumps(found, ensure_ascii=False)

    def schema(self) -> dict[str, Any]:
        """Returns the JSON schema of an answer: the label as one of the task's, or a boolean per label."""
        if self.task.multi_label:
            properties: dict[str, Any] = {label: {"type": "boolean"} for label in self.task.labels}
        else:
            properties = {"label": {"type": "string", "enum": list(self.task.labels)}}
        return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}

    def _messages(self, text: str, shown: list[tuple[str, str]], label: str | None) -> tuple[Message, ...]:
        asked = {} if label is None else {"label": label}
        guideline = self._render("system", **asked)
        messages = [{"role": "system", "content": guideline}] if guideline else []
        for known, answer in shown:
            messages += [
                {"role": "user", "content": self._render("user", text=self._cut(known), **asked)},
                {"role": "assistant", "content": answer},
            ]
        return (*messages, {"role": "user", "content": self._render("user", text=self._cut(text), **asked)})

    def _cut(self, text: str) -> str:
        return text if len(text) <= self.max_characters else text[: self.max_characters] + " …"

    def _render(self, block: str, **values: Any) -> str:
        known = {"labels": list(self.task.labels), "form": self.form, "multi_label": self.task.multi_label, **values}
        try:
            # https://jinja.palletsprojects.com/en/stable/api/#jinja2.Template.blocks
            with _at_most(SECONDS):
                rendered = "".join(self._template.blocks[block](self._template.new_context(known))).strip()
            if len(rendered) > LONGEST:
                raise OverflowError(f"the block is {len(rendered):,} characters long, more than {LONGEST:,}")
            return rendered
        except Exception as error:  # whatever the expressions of a template can raise
            hint = "Known here: text, labels, form, multi_label, and label where yes and no are asked."
            raise UserError(f"{at(self.name, self._line_of(error))}: {error}. {hint}") from None

    def _line_of(self, error: Exception) -> int | None:
        """Returns the template's line from which an error came."""
        trace, line = error.__traceback__, None
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == "<template>":
                line = self._template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return line


@contextlib.contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Raises a TimeoutError in the block after so many seconds; only the main thread of a process can be stopped so."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: Any) -> None:
        raise TimeoutError(f"it takes longer than {seconds:g} seconds to fill in. Are loops nested in it?")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@functools.cache
def _sandbox() -> Any:
    """Returns Jinja's sandbox, without products and powers that fill the memory before a time limit can stop them."""

    class Sandbox(_jinja().sandbox.SandboxedEnvironment):
        intercepted_binops = frozenset(["*", "**"])

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            sizes = [len(side) if isinstance(side, (str, list, tuple)) else abs(side) for side in (left, right)]
            if (operator == "**" and sizes[0] > 1 and sizes[1] > 64) or sizes[0] * sizes[1] > LONGEST**2:
                raise OverflowError(f"{left!r:.20} {operator} {right!r:.20} is too large")
            if not all(isinstance(side, (int, float)) for side in (left, right)) and sizes[0] * sizes[1] > LONGEST:
                raise OverflowError(f"{operator} makes more than {LONGEST:,} characters")
            return super().call_binop(context, operator, left, right)

    return Sandbox


def _jinja() -> Any:
    try:
        import jinja2
        import jinja2.sandbox
    except ImportError:
        raise missing_extra("Jinja2") from None
    return jinja2


def missing_extra(library: str) -> UserError:
    """Returns the error for a library of the extra `llm` that is not installed."""
    return UserError(f'asking language models needs {library}, which is not installed. Type: pip install "labelrounds[llm]"')


def read(folder: str | Path, task: Task, form: str, max_characters: int) -> Prompt:
    """Returns the prompt in `folder`; none there is a UserError."""
    path = Path(folder) / FILE
    if not path.is_file():
        raise UserError(
            f"{at(path)}: no such file. A prompt is a folder with the guideline in {FILE} (prompts in params.yaml; see studies/llm/README.md)."
        )
    try:
        source = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{at(path)}: not UTF-8 text. Save it as UTF-8.") from None
    if form == SCORES and task.multi_label and not re.search(r"\blabel\b", source):
        raise UserError(f"{at(path)}: it never says which label is asked about. A multi-label task asks yes or no per label: write {{{{ label }}}}.")
    return Prompt(source, task, form, max_characters, path)


def fixed_examples(folder: str | Path, task: Task) -> list[Example]:
    """Returns the examples of examples.csv: columns `text` and `label` (or `labels`, joined by `;`)."""
    path = Path(folder) / EXAMPLES
    if not path.is_file():
        raise UserError(f"{at(path)}: no such file. `examples: fixed` reads the texts to show from it: columns text and {task.column}.")
    found = []
    for row in tables.rows(path):
        for column in ("text", task.column):
            if not row.cells.get(column, "").strip():
                raise UserError(f"{row.where}: the column `{column}` is empty or not there. Expected the columns text and {task.column}.")
        found.append(Example(text_id(row.cells["text"]), row.cells["text"], task.parse(row.cells[task.column], row.where)))
    return found
