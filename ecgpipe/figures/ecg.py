"""One test record on 12-lead paper, 25 mm/s and 10 mm/mV in true size, and what a model says of it.

The record is the first, by its name, with two true labels or more: no look at the prediction.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgpipe import predictions, records
from ecgpipe.figures import _paper, _style
from ecgpipe.predictions import Predictions
from ecgpipe.render import Needs, largest_budget_runs, place_labels
from ecgpipe.scores import choose_thresholds
from ecgpipe.studies import Run

NEEDS = ("predictions", "records")
BARS, NAMES, HEAD, FOOT, EDGE = 45, 32, 9, 8, 4  # mm: the prediction's bars and names; margins
SHOWN, BAR = 12, 8  # labels; mm for each


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw the last arm's first seed at the first task's largest budget."""
    place, runs = next(iter(largest_budget_runs(needs.predictions).items()))
    run, path = _last_arm(needs, runs)
    said = predictions.read(path)
    table = records.read_table(list(needs.shards))
    row, held = _choose(said.of("test"), table)
    recording = _paper.read(needs.shards[held["shard"]], int(held["row"]))
    tall = BAR * min(SHOWN, len(said.labels))
    width, height = recording.width, max(recording.height, tall)
    page = (width + BARS + NAMES + 3 * EDGE) / _paper.MM, (height + HEAD + FOOT) / _paper.MM
    figure = _style.Sheet(figsize=page)
    look = _style.looks(needs)[run.arm]
    paper = _paper.axes(figure, EDGE, FOOT + height - recording.height, width, recording.height)
    _paper.draw(paper, recording)
    paper.set_title(_paper.heading(held))
    paper.set_xlabel(_paper.SCALE, loc="left")
    bars = _paper.axes(figure, 2 * EDGE + width + NAMES, FOOT + height - tall, BARS, tall)
    _prediction(bars, said, row, look["color"])
    bars.set_title(f"{look['label']}\n{place_labels(needs.study)[place]}", x=-NAMES / BARS)
    return figure


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
