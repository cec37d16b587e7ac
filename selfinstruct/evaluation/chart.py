"""The paper's figure of ratings: a stacked bar for each model, from satisfying to invalid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from selfinstruct.errors import InputError
from selfinstruct.evaluation.ratings import LEVELS
from selfinstruct.places import local
from selfinstruct.storage.files import unwritable

COLOURS = {"A": "#2a7f62", "B": "#a3c585", "C": "#f0c27b", "D": "#c8553d"}
ON_COLOURS = {"A": "white", "B": "black", "C": "black", "D": "white"}
NARROW = 0.015
"""A part this narrow, of the longest bar, has no room for its number."""

ENDINGS = (".png", ".svg", ".pdf")


def check_chart(path: Path | None) -> None:
    """InputError for a file that no chart can be written to."""
    if path is not None and path.suffix.lower() not in ENDINGS:
        raise InputError(f"--chart: {path}: must end in {', '.join(ENDINGS)}")


def draw_chart(counts: Mapping[str, Mapping[str, float]], path: Path) -> None:
    """Draw counts of each model's levels (means over raters, where there were several), in the order given.

    Raises:
        InputError: the file cannot be written.
        FailureError: the disk is full.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.6 + 0.5 * len(counts)), dpi=150, layout="constrained")
    axes = figure.subplots()
    names = [name.replace("$", r"\$") for name in counts]  # or it would be read as a formula
    rows = range(len(names))
    most = max((sum(each.values()) for each in counts.values()), default=0)
    left = [0.0] * len(names)
    for level, meaning in LEVELS.items():
        widths = [float(each[level]) for each in counts.values()]
        bars = axes.barh(rows, widths, left=left, color=COLOURS[level], label=f"{level}: {meaning}", height=0.72)
        shown = [f"{round(width, 1):g}" if width > NARROW * most else "" for width in widths]
        axes.bar_label(bars, shown, label_type="center", color=ON_COLOURS[level])
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set_yticks(rows, names)
    axes.invert_yaxis()
    axes.set_xlim(0, most or 1)
    axes.set_xlabel("responses")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    try:
        local(path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(local(path), metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
    except OSError as error:
        raise unwritable(path, error) from error
