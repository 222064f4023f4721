"""Robustness: macro AUROC against the signal-to-noise ratio, and what other disturbances cost."""

import math
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ecgpipe.figures import _style
from ecgpipe.render import PLACE, Needs, arm_of, largest_budget, over_seeds, place_labels
from ecgpipe.settings import Condition

NEEDS = ("scores", "conditions")
METRIC = "auroc"
TITLES = {
    "white": "white noise",
    "mix": "all kinds mixed",
    "nstdb/bw": "wander, recorded",
    "nstdb/em": "motion, recorded",
    "nstdb/ma": "muscle, recorded",
}
WIDEST = 4  # panels side by side
CURVE, HEAD, BAR = 1.8, 0.6, 0.075  # inches: a row of curves; axis of the changes; one change


class Block(NamedTuple):
    """What one place shows: a table a noise that has a range of ratios, and all other changes."""

    curves: dict[str, pd.DataFrame]
    changes: pd.DataFrame

    def arms(self) -> set[str]:
        """Name the arms that were scored under a condition."""
        return {arm for lines in (*self.curves.values(), self.changes) for arm in lines["arm"]}

    def heights(self, arms: int) -> list[float]:
        """Give the inches of the curves and of the changes."""
        rows = math.ceil(len(self.curves) / WIDEST)
        others = self.changes["condition"].nunique()
        return [rows * CURVE, HEAD + BAR * others * (arms + 1) if others else 0]


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw each task at its largest budget: means over seeds with the 95 % interval of patients."""
    blocks = read_blocks(needs)
    if not blocks:
        return _style.said("no run was scored under a condition besides clean")
    looks = _style.looks(needs, (arm for block in blocks.values() for arm in block.arms()))
    heights = [sum(block.heights(len(looks))) for block in blocks.values()]
    made = _style.Sheet(figsize=(_style.DOUBLE, sum(heights)), layout="constrained")
    parts = made.subfigures(len(blocks), 1, squeeze=False, height_ratios=heights)
    for part, (name, block) in zip(parts.flat, blocks.items(), strict=True):
        part.suptitle(name, x=0.01, ha="left", fontsize=8, weight="bold")
        _block(part, block, looks)
    _style.legend(made, looks.values())
    return made


def read_blocks(needs: Needs) -> dict[str, Block]:
    """Part each place's conditions into noises of several ratios, and all others."""
    scores = needs.table("scores")
    macro = (scores["metric"] == METRIC) & (scores["label"] == "macro") & scores["shots"].isna()
    scores = largest_budget(scores[macro])
    scores = scores.assign(arm=arm_of(scores))
    blocks = {}
    for place, name in place_labels(needs.study).items():
        own = scores[(scores[PLACE] == list(place)).all(axis=1)]
        disturbed = own.loc[own["condition"] != "clean", "arm"]
        own = own[own["arm"].isin(disturbed)]
        noises = noises_of(needs.conditions or {}, set(own["condition"]))
        curves = {noise: _curve(own, ratios) for noise, ratios in noises.items()}
        drawn = {"clean", *(condition for ratios in noises.values() for condition in ratios)}
        changes = _changes(own[~own["condition"].isin(drawn)])
        if curves or len(changes):
            blocks[name] = Block(curves, changes)
    return blocks


def noises_of(conditions: dict[str, Condition], scored: set[str]) -> dict[str, dict[str, float]]:
    """Name each noise that was added at several ratios, and nothing else, with the ratios in dB."""
    noises: dict[str, dict[str, float]] = {}
    for name, condition in conditions.items():
        noise, snr = condition.noise, condition.snr
        if name in scored and snr is not None and condition == Condition(noise=noise, snr=snr):
            noises.setdefault(str(noise), {})[name] = snr
    return {noise: ratios for noise, ratios in noises.items() if len(set(ratios.values())) > 1}


def _curve(own: pd.DataFrame, ratios: dict[str, float]) -> pd.DataFrame:
    """Average the scores at each ratio; clean signals have an infinite one."""
    ratios = {"clean": np.inf, **ratios}
    means = over_seeds(own[own["condition"].isin(ratios)], apart=("condition",))
    return means.assign(snr=means["condition"].map(ratios))


def _changes(own: pd.DataFrame) -> pd.DataFrame:
    """Average the changes from clean; the condition that costs most comes last."""
    change = {"value": own["change"], "low": own["change_low"], "high": own["change_high"]}
    means = over_seeds(own.assign(**change), apart=("condition",))
    cost = means.groupby("condition")["mean"].transform("mean")
    return means.loc[cost.sort_values(ascending=False, kind="stable").index]


def _block(part: SubFigure, block: Block, looks: dict[str, dict]) -> None:
    """Set the curves above the changes."""
    heights = [height for height in block.heights(len(looks)) if height]
    parts = part.subfigures(len(heights), 1, squeeze=False, height_ratios=heights).ravel()
    if block.curves:
        columns = math.ceil(len(block.curves) / math.ceil(len(block.curves) / WIDEST))
        rows = math.ceil(len(block.curves) / columns)
        panels = parts[0].subplots(rows, columns, squeeze=False, sharey=True)
        for panel, (noise, lines) in zip(panels.flat, block.curves.items(), strict=False):
            panel.set_title(TITLES.get(noise, noise.replace("_", " ")))
            _ratios(panel, lines, looks)
        for panel in panels.flat[len(block.curves) :]:
            panel.remove()
        for panel in panels[:, 0]:
            panel.set_ylabel("macro AUROC")
    if len(block.changes):
        _others(parts[-1].subplots(), block.changes, looks)


def _ratios(panel: Axes, lines: pd.DataFrame, looks: dict[str, dict]) -> None:
    """Draw clean signals at the left, then ever more noise; arms stand beside each other."""
    ratios = sorted(set(lines["snr"]) - {np.inf}, reverse=True)
    step = min(np.abs(np.diff(ratios)))
    clean = ratios[0] + 1.5 * step
    offsets = _style.dodge(len(looks), width=0.4 * step)
    for offset, (arm, look) in zip(offsets, looks.items(), strict=True):
        own = lines[lines["arm"] == arm].sort_values("snr", ascending=False)
        across = own["snr"].replace(np.inf, clean).to_numpy() - offset
        look = {**look, "elinewidth": 0.6, "linewidth": 0.9}
        panel.errorbar(across, own["mean"], _style.bars(own), **look)
    panel.set_xticks([clean, *ratios], ["clean", *(_style.minus(f"{ratio:g}") for ratio in ratios)])
    panel.set_xlim(clean + 0.6 * step, ratios[-1] - 0.6 * step)
    panel.set_xlabel("signal-to-noise ratio (dB)")
    _style.ruled(panel)


def _others(panel: Axes, lines: pd.DataFrame, looks: dict[str, dict]) -> None:
    """Draw what each other condition changes, paired with clean over the same patients."""
    conditions = list(dict.fromkeys(lines["condition"]))
    offsets = _style.dodge(len(looks), width=0.7)
    for offset, (arm, look) in zip(offsets, looks.items(), strict=True):
        own = lines[lines["arm"] == arm].set_index("condition").reindex(conditions)
        down = np.arange(len(conditions)) + offset
        panel.errorbar(own["mean"], down, xerr=_style.bars(own), **_style.dot(look))
    panel.axvline(0, color=_style.GREY, linewidth=0.6)
    panel.set_ylabel("condition")
    panel.set_yticks(range(len(conditions)), conditions)
    panel.set_ylim(len(conditions) - 0.5, -0.5)
    panel.tick_params(axis="y", length=0)
    _style.ruled(panel, axis="x")
    panel.set_xlabel("change of macro AUROC from clean")
