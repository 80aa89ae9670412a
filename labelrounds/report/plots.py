"""Plots as inline SVG: numbers in, a string for an HTML page out; the same numbers give the same bytes.

The colours are the page's own (`currentColor` and CSS variables), so one drawing serves light and dark. Text stays
text: it can be searched and read aloud, and labels in any script appear in the reader's fonts.
"""

import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from labelrounds.core import files

# matplotlib knows no CSS: each of these stands for one of the page's colours until the drawing is done.
INK, ACCENT, SECOND, FAINT = "#010101", "#010102", "#010103", "#010104"
COLOURS = {INK: "currentColor", ACCENT: "var(--accent)", SECOND: "var(--second)", FAINT: "var(--line)"}
CELLS = 3000  # of a heat map: more would make the page heavy, and the smallest are hardly visible
Interval = tuple[float, float]


def width(label: str) -> int:
    """Returns how many columns of a fixed-width font a label takes: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in label)


def short(label: str, limit: int = 26) -> str:
    """Returns a label that fits beside an axis."""
    if width(label) <= limit:
        return label
    while width(label) > limit - 1:
        label = label[:-1]
    return f"{label}…"


@contextmanager
def _style(name: str) -> Iterator[None]:
    """Sets matplotlib's own defaults, whatever the user's matplotlibrc says, and ours over them."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.fonttype": "none",
                "svg.hashsalt": name,  # ids of their own for each plot: several stand in one page
                "font.family": "DejaVu Sans",  # comes with matplotlib
                "font.size": 10,
                "text.parse_math": False,
                "text.color": INK,
                "axes.edgecolor": FAINT,
                "axes.labelcolor": INK,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.axisbelow": True,
                "grid.color": FAINT,
                "grid.linewidth": 0.7,
                "xtick.color": FAINT,
                "ytick.color": FAINT,
                "xtick.labelcolor": INK,
                "ytick.labelcolor": INK,
                "legend.frameon": False,
            }
        )
        yield


def _drawn(name: str, said: str, size: tuple[float, float], left: float, bottom: float, draw: Callable[[Any], None], top: float = 0.1) -> str:
    """Returns the SVG of one plot.

    said : what the plot shows, in words; size : width and height; left, bottom, top : margins. All in inches.
    """
    import matplotlib.style  # noqa: F401 - the defaults are read from there
    from matplotlib.figure import Figure

    with _style(name):
        figure = Figure(figsize=size, facecolor="none")
        place = (left / size[0], bottom / size[1], (size[0] - left - 0.15) / size[0], (size[1] - bottom - top) / size[1])
        axes = figure.add_axes(place, facecolor="none")
        draw(axes)
        with io.StringIO() as file, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph", UserWarning)  # the browser's fonts draw the text
            figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
            drawing = file.getvalue()
    return _inline(drawing, said, size)


def _inline(drawing: str, said: str, size: tuple[float, float]) -> str:
    """Returns matplotlib's file as an element of an HTML page: the page's colours, no head, no needless ids."""
    inner = drawing[drawing.index(">", drawing.index("<svg")) + 1 : drawing.rindex("</svg>")]
    inner = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", inner, flags=re.DOTALL)
    inner = inner.replace("xlink:href", "href")
    used = set(re.findall(r'(?:url\(|href=")#([^)"]+)', inner))
    inner = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", inner)
    inner = re.sub(r"font: [^;\"]*", lambda found: f"font-size: {re.findall(r'[0-9.]+px', found[0])[0]}", inner)
    for ours, theirs in COLOURS.items():
        inner = inner.replace(ours, theirs)
    inner = re.sub(r"\s*\n\s*", "\n", inner).strip()
    wide, high = (round(inches * 72, 2) for inches in size)
    return f'<svg class="plot" viewBox="0 0 {wide:g} {high:g}" role="img" aria-label="{escape(said)}" style="--width: {wide:g}px">\n{inner}\n</svg>'


def dots(name: str, said: str, rows: Sequence[tuple[str, float, Interval | None]], axis: str) -> str:
    """Returns a plot of one value per row, with its interval, from the first row at the top; values lie in [0, 1]."""
    names = [short(label) for label, _, _ in rows]
    left = 0.25 + 0.078 * max(map(width, names))
    size = (5.0, 0.75 + 0.3 * len(rows))

    def draw(axes):
        for number, (_, value, interval) in enumerate(rows):
            if interval:
                axes.plot(interval, [number, number], color=ACCENT, linewidth=2, solid_capstyle="butt", alpha=0.55)
            axes.plot([value], [number], "o", color=ACCENT, markersize=6, clip_on=False)
        axes.set_yticks(range(len(rows)), names)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xlabel(axis)
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)

    return _drawn(name, said, size, left, 0.55, draw)


def course(name: str, said: str, ticks: Sequence[str], values: Sequence[float], intervals: Sequence[Interval | None], axis: str, below: str) -> str:
    """Returns a plot of a value over the rounds, with its intervals; `below` says what the ticks are."""

    def draw(axes):
        places = range(len(values))
        for place, interval in zip(places, intervals, strict=True):
            if interval:
                axes.plot([place, place], interval, color=ACCENT, linewidth=2, solid_capstyle="butt", alpha=0.55)
        axes.plot(places, values, "o-", color=ACCENT, markersize=6, linewidth=1.3)
        step = -(-len(values) // 10)  # more ticks would overlap
        kept = list(range(len(values) - 1, -1, -step))
        axes.set_xticks(kept, [ticks[place] for place in kept])
        axes.set_xlim(-0.5, len(values) - 0.5)
        low = min([*values, *(interval[0] for interval in intervals if interval)])
        high = max([*values, *(interval[1] for interval in intervals if interval)])
        axes.set_ylim(max(low - 0.05, -0.02), min(high + 0.05, 1.02))
        axes.set_ylabel(axis)
        axes.set_xlabel(below)
        axes.grid(axis="y")

    return _drawn(name, said, (5.0, 2.9), 0.75, 0.75, draw)


def reliability(name: str, said: str, series: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> str:
    """Returns a reliability diagram: for each series, (mean confidence, share that is right) of every bin; the last one is the main one."""

    def draw(axes):
        axes.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 4)), alpha=0.5, label="confidence = share that is right")
        for number, (title, points) in enumerate(series):
            main = number == len(series) - 1
            x, y = zip(*points, strict=True) if points else ((), ())
            axes.plot(
                x,
                y,
                "o-" if main else "s--",
                color=ACCENT if main else SECOND,
                markersize=5 if main else 4,
                linewidth=1.5 if main else 1,
                label=title,
                clip_on=False,
            )
        axes.set_xlim(0, 1.02)
        axes.set_ylim(0, 1.02)
        axes.set_aspect("equal")
        axes.set_xlabel("mean confidence of a bin")
        axes.set_ylabel("share that is right")
        axes.grid()
        axes.legend(loc="upper left", fontsize=8.5, borderaxespad=0.1)

    return _drawn(name, said, (4.6, 4.4), 0.65, 0.6, draw)


def heat(name: str, said: str, labels: Sequence[str], counts: np.ndarray) -> tuple[str, int]:
    """Returns a heat map of a confusion matrix, gold from top to bottom, and how many of its smallest cells were left out.

    counts : int array of shape (n_labels, n_labels), gold by predicted; each row is shaded by its shares
    """
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cells = sorted(zip(*np.nonzero(counts), strict=True), key=lambda cell: (-shares[cell], cell))
    k = len(labels)
    names = [f"{short(label, 30)}  {number}" for number, label in enumerate(labels, 1)]
    side = 0.115 * k if k > 24 else 0.2 * k
    left = 0.2 + 0.055 * max(map(width, names)) if k > 24 else 0.2 + 0.07 * max(map(width, names))

    def draw(axes):
        for right, colour in ((True, ACCENT), (False, SECOND)):
            some = [cell for cell in cells[:CELLS] if (cell[0] == cell[1]) == right]
            # Four shades tell more than a hundred do, and each is written once.
            for low, high, alpha in ((0, 0.1, 0.25), (0.1, 0.3, 0.5), (0.3, 0.6, 0.75), (0.6, 1.01, 1.0)):
                squares = [Rectangle((column, row), 1, 1) for row, column in some if low <= shares[row, column] < high]
                if squares:
                    axes.add_collection(PatchCollection(squares, facecolor=colour, alpha=alpha, linewidth=0))
        step = 1 if k <= 24 else 5
        axes.set_yticks(np.arange(k) + 0.5, names, fontsize=9 if k <= 24 else 7)
        axes.set_xticks([number - 0.5 for number in range(step, k + 1, step)], [str(number) for number in range(step, k + 1, step)], fontsize=8)
        axes.tick_params(length=0)
        axes.set_xlim(0, k)
        axes.set_ylim(k, 0)
        axes.set_xlabel("predicted (number of the label)", fontsize=9)
        for edge in axes.spines.values():
            edge.set_visible(True)

    return _drawn(name, said, (left + side + 0.15, side + 0.65), left, 0.5, draw, 0.15), max(len(cells) - CELLS, 0)


def learning_curve(path: Path, rows: Sequence[tuple[Any, ...]], n_test: int) -> None:
    """Writes the curve of macro-F1 by labels, a line per recipe with a band of one deviation over its seeds.

    rows : those of `curve.SUMMARY`; a recipe that needs no labels is a level line, one at a single size a diamond over the lines
    """
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(row[1] for row in rows))
    with pyplot.rc_context({"svg.hashsalt": "labelrounds", "svg.fonttype": "none", "font.size": 10}):
        figure, axes = pyplot.subplots(figsize=(7.5, 4.5), layout="constrained")
        for name in names:
            line = [row for row in rows if row[1] == name and row[0]]
            sizes, means = [row[0] for row in line], [row[3] for row in line]
            level = any(row[1] == name and not row[0] for row in rows)
            deviations = [row[4] for row in line if row[4] is not None] if not level else []
            if len(line) == 1:  # a band and a line need two sizes
                axes.errorbar(sizes, means, deviations or None, label=name, fmt="D", markersize=6, markeredgecolor="white", capsize=3, zorder=3)
                continue
            drawn = axes.plot(sizes, means, label=name, linestyle="--" if level else "-", marker=None if level else "o", markersize=3.5)
            if len(deviations) == len(line):
                bottom, top = np.array(means) - deviations, np.array(means) + deviations
                axes.fill_between(sizes, bottom, top, color=drawn[0].get_color(), alpha=0.15, linewidth=0)
        ticks = sorted({row[0] for row in rows if row[0]})
        axes.set_xscale("log")
        axes.set_xticks(ticks, [str(size) for size in ticks])
        axes.minorticks_off()
        axes.set_xlabel("labels to train on")
        axes.set_ylabel(f"macro-F1 on {n_test} test texts")
        axes.grid(alpha=0.3)
        axes.legend(frameon=False, ncols=2)
        made = io.StringIO()
        figure.savefig(made, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    with files.atomic(path) as file:
        file.write(made.getvalue())
