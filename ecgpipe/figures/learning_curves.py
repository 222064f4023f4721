"""Learning curves: AUROC on valid and the loss against steps; seeds thin, their mean thick."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgpipe import studies
from ecgpipe.figures import _style
from ecgpipe.render import Needs, arm_of, budget_label, largest_budget

NEEDS = ("histories",)
SHOWN = {"valid_auroc": "macro AUROC, valid", "loss": "training loss"}


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw finetuning at the largest budget; rounds follow each other."""
    histories = needs.table("histories")
    histories = histories[histories["stage"] == "finetune"]
    histories = largest_budget(histories.assign(scored_on=histories["task"]))
    histories = histories.assign(arm=arm_of(histories), along=_along(histories))
    learnt = set(zip(histories["task"], histories["split"], strict=True))
    asked = dict.fromkeys((run.task, run.split) for run in studies.runs(needs.study))
    places = [place for place in asked if place in learnt]
    if not places:
        return _style.said("no arm was finetuned step by step")
    looks = _style.looks(needs, histories["arm"])
    columns = min(3, len(places))
    blocks = -(-len(places) // columns)
    wide = _style.SINGLE if columns == 1 else _style.DOUBLE
    figure, panels = _style.grid(2 * blocks, columns, height=1.5, width=wide)
    pairs = panels.reshape(blocks, 2, columns).swapaxes(1, 2).reshape(-1, 2)
    several = len({split for _, split in places}) > 1
    for pair, (task, split) in zip(pairs, places, strict=False):
        own = histories[(histories["task"] == task) & (histories["split"] == split)]
        name = f"{task}, {split}" if several else task
        pair[0].set_title(f"{name}, {budget_label(own['budget'].iloc[0])}")
        pair[-1].set_xlabel("steps")
        pair[0].sharex(pair[-1])
        pair[0].tick_params(labelbottom=False)
        for panel, measure in zip(pair, SHOWN, strict=True):
            _panel(panel, own, measure, looks)
    for row, label in zip(panels, [*SHOWN.values()] * blocks, strict=True):
        row[0].set_ylabel(label)
    for panel in pairs[len(places) :].flat:
        panel.remove()
    _style.legend(figure, looks.values(), markers=False)
    return figure


def _panel(panel: Axes, own: pd.DataFrame, measure: str, looks: dict[str, dict]) -> None:
    """Draw one measure; the mean stops where the first seed stopped."""
    for arm, look in looks.items():
        for _, lines in own[own["arm"] == arm].groupby("round"):
            seeds = lines.pivot(index="along", columns="seed", values=measure)
            panel.plot(seeds, color=look["color"], linewidth=0.4, alpha=0.5)
            panel.plot(seeds.dropna().mean(axis=1), **_style.line(look))
    if measure == "loss" and own[measure].min() > 0:
        panel.set_yscale("log")  # losses of different methods are not of one size
    else:
        panel.locator_params(nbins=5)
    _style.ruled(panel)


def _along(histories: pd.DataFrame) -> pd.Series:
    """Count steps through the rounds of a run."""
    run = ["pretraining", "recipe", "task", "split", "budget", "seed"]
    ends = histories.groupby([*run, "round"])["step"].max()
    before = ends.groupby(run).cumsum() - ends
    keys = pd.MultiIndex.from_frame(histories[[*run, "round"]])
    return histories["step"] + before.reindex(keys).to_numpy()
