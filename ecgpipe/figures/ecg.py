"""One test record on 12-lead paper, 25 mm/s and 10 mm/mV in true size, and what a model says of it.

The record is the first, by its name, with two true labels or more: no look at the prediction.
"""

import math
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgpipe import predictions, records
from ecgpipe.figures import _style
from ecgpipe.predictions import Predictions
from ecgpipe.render import Needs, largest_budget_runs, place_labels
from ecgpipe.scores import choose_thresholds
from ecgpipe.settings import Run

NEEDS = ("predictions", "records")
ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
RHYTHM = "II"
SPEED, GAIN = 25, 10  # mm/s, mm/mV
LONGEST = 10  # seconds on one page
PULSE = ((0, 0), (1, 0), (1, GAIN), (6, GAIN), (6, 0), (7, 0))  # mm: 1 mV for 0.2 s
START = 10  # mm, where signals begin, after the pulse
PITCH = 30  # mm from row to row
BARS, NAMES, HEAD, FOOT, EDGE = 45, 32, 9, 8, 4  # mm: the prediction's bars and names; margins
SHOWN, BAR = 12, 8  # labels; mm for each
FINE, COARSE = "#fae1e1", "#efb5b5"
MM = 25.4  # in an inch
# keeps a lead's name legible where a tall wave runs through it
PLATE = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw the last arm's first seed at the first task's largest budget."""
    place, runs = next(iter(largest_budget_runs(needs).items()))
    run, path = _last_arm(needs, runs)
    said = predictions.read(path)
    table = records.read_table(list(needs.shards))
    row, held = _choose(said.of("test"), table)
    signal, fs, leads = _signal(needs.shards[held["shard"]], int(held["row"]))
    width, height = _width(signal.shape[1] / fs), 4 * PITCH
    figure = _style.Sheet(
        figsize=((width + BARS + NAMES + 3 * EDGE) / MM, (height + HEAD + FOOT) / MM),
    )
    look = _style.looks(needs)[run.arm]
    paper = _axes(figure, EDGE, FOOT, width, height)
    _paper(paper, signal, fs, leads)
    paper.set_title(_heading(held))
    tall = BAR * min(SHOWN, len(said.labels))
    bars = _axes(figure, 2 * EDGE + width + NAMES, FOOT + height - tall, BARS, tall)
    _prediction(bars, said, row, look["color"])
    bars.set_title(f"{look['label']}\n{place_labels(needs.study)[place]}", x=-NAMES / BARS)
    return figure


def _width(seconds: float) -> int:
    """Give the paper's width in millimetres, up to a coarse line of the grid."""
    return 5 * math.ceil((START + SPEED * seconds + 5) / 5)


def _axes(figure: Figure, *millimetres: int) -> Axes:
    """Place a panel by its left, bottom, width and height in millimetres."""
    page = MM * np.tile(figure.get_size_inches(), 2)
    return figure.add_axes(tuple(np.array(millimetres) / page))


def _last_arm(needs: Needs, runs: list[tuple[Run, Path]]) -> tuple[Run, Path]:
    """Take the arm that the study names last."""
    arms = [arm for arm in _style.looks(needs) if arm in {run.arm for run, _ in runs}]
    return min((pair for pair in runs if pair[0].arm == arms[-1]), key=lambda pair: pair[0].seed)


def _choose(test: Predictions, table: pd.DataFrame) -> tuple[int, pd.Series]:
    """Give a test record's row among the predictions and its line in the shards."""
    named = table.assign(patient=table["dataset"] + ":" + table["patient"])
    held = {key: place for place, key in enumerate(_keys(named))}
    rows = pd.DataFrame({name: getattr(test, name) for name in ("record", "patient", "start")})
    rows["few"] = -np.minimum(test.target.sum(axis=1), 2)
    rows = rows[[key in held for key in _keys(rows)]]
    if rows.empty:
        raise ValueError(f"none of {len(test.record)} predicted test records is in the --shards")
    chosen = rows.sort_values(["few", "record", "start"], kind="stable").iloc[0]
    return int(chosen.name), table.iloc[held[(chosen.record, chosen.patient, chosen.start)]]


def _keys(frame: pd.DataFrame) -> list[tuple[str, str, float]]:
    return list(zip(frame["record"], frame["patient"], frame["start"], strict=True))


def _signal(shard: Path, row: int) -> tuple[Float[np.ndarray, "lead time"], int, tuple[str, ...]]:
    """Read a record in millivolts, each lead about its median."""
    attributes = records.read_attributes(shard)
    fs = attributes["fs"]
    millivolts = records.read_signals(shard)[row, :, : LONGEST * fs] / 1000
    return millivolts - np.median(millivolts, axis=1, keepdims=True), fs, attributes["leads"]


def _heading(held: pd.Series) -> str:
    age = "" if np.isnan(held["age"]) else f", {held['age']:.0f} years"
    sex = f", {held['sex']}" if held["sex"] else ""
    return f"{held['dataset']} {held['record']}{age}{sex}"


def _paper(
    panel: Axes, signal: Float[np.ndarray, "lead time"], fs: int, leads: tuple[str, ...]
) -> None:
    """Draw the grid, three rows of four leads, and the rhythm strip; one unit is one millimetre."""
    width, height = _width(signal.shape[1] / fs), 4 * PITCH
    for step, colour, thick in ((1, FINE, 0.25), (5, COARSE, 0.45)):
        panel.vlines(np.arange(0, width + 1, step), 0, height, color=colour, linewidth=thick)
        panel.hlines(np.arange(0, height + 1, step), 0, width, color=colour, linewidth=thick)
    panel.set(xlim=(0, width), ylim=(0, height), xticks=[])
    panel.set_xlabel(f"{SPEED} mm/s, {GAIN} mm/mV; the pulse is 1 mV for 0.2 s", loc="left")
    panel.yaxis.set_visible(False)
    panel.spines[:].set_visible(False)
    rhythm = RHYTHM if RHYTHM in leads else leads[0]
    for place, names in enumerate((*ROWS, (rhythm,))):
        base = height - PITCH * (place + 0.5)
        panel.plot(*(np.array(PULSE) + [2, base]).T, color="black", linewidth=0.7)
        ends = np.linspace(0, signal.shape[1], len(names) + 1).round().astype(int)
        for name, first, last in zip(names, ends, ends[1:], strict=False):
            left = START + SPEED * first / fs
            panel.text(
                left + 1,
                base + PITCH / 2 - 3,
                name,
                weight="bold",
                va="center",
                bbox=PLATE,
                zorder=3,
            )
            panel.vlines(left, base - 3, base + 3, color="black", linewidth=0.5)
            if name in leads:
                across = START + SPEED * np.arange(first, last) / fs
                along = base + GAIN * signal[leads.index(name), first:last]
                panel.plot(across, along, color="black", linewidth=0.7, solid_joinstyle="round")


def _prediction(panel: Axes, said: Predictions, row: int, colour: str) -> None:
    """Draw the true and the most probable labels as bars against their thresholds."""
    valid, test = said.of("valid"), said.of("test")
    thresholds = choose_thresholds(valid.target, valid.probability)
    target, probability = test.target[row], test.probability[row]
    ranked = np.lexsort((-probability, ~target))[:SHOWN]  # true ones first, then by probability
    shown = ranked[np.argsort(probability[ranked], kind="stable")]
    colours = [colour if target[label] else _style.FAINT for label in shown]
    panel.barh(range(len(shown)), probability[shown], color=colours, height=0.6)
    below, above = np.arange(len(shown)) - 0.4, np.arange(len(shown)) + 0.4
    panel.vlines(thresholds[shown], below, above, color="black", linewidth=1.2)
    panel.set_yticks(range(len(shown)), [said.labels[label] for label in shown])
    for text, label in zip(panel.get_yticklabels(), shown, strict=True):
        text.set_fontweight("bold" if target[label] else "normal")
    panel.tick_params(axis="y", length=0)
    panel.set(xlim=(0, 1), ylim=(-0.5, len(shown) - 0.5))
    panel.set_xticks((0, 0.5, 1), ["0", "0.5", "1"])
    panel.set_xlabel("probability\nbold, coloured: true label\nline: threshold, from valid")
