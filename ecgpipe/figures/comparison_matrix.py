"""Comparison matrix (Ismail-Fawaz et al. 2023): every arm against every other, over all blocks."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from ecgpipe.figures import _style
from ecgpipe.render import Needs

NEEDS = ("comparisons",)
METRIC = "auroc"
SIDE, EDGE = 0.62, 1.1  # inches: of a cell; labels and caption of a matrix
FITS = 10  # letters of a label below a cell
BETTER, WORSE = to_rgb("#0072B2"), to_rgb("#D55E00")
FLIPPED = {"win": "loss", "tie": "tie", "loss": "win"}


@_style.styled
def draw(needs: Needs) -> Figure:
    """Write mean difference and wins, ties, losses of the row's arm; colour says who is ahead.

    Arms that share no block, such as those of different tasks, have matrices of their own.
    """
    comparisons = needs.table("comparisons")
    own = comparisons[(comparisons["metric"] == METRIC) & (comparisons["condition"] == "clean")]
    if own.empty:
        return _style.said("no two arms share a task, split and budget:\nnothing to compare")
    pairs = both_ways(own)
    looks = _style.looks(needs, pairs["arm_a"])
    groups = part(list(looks), pairs)
    sizes = [len(group) for group in groups]
    side, height = SIDE * max(sizes), sum(SIDE * size + EDGE for size in sizes)
    size = {"height": height / len(groups), "width": max(_style.SINGLE, side + 1.5)}
    figure, panels = _style.grid(len(groups), 1, **size, height_ratios=sizes)
    largest = pairs.groupby(["arm_a", "arm_b"])["difference"].mean().abs().max()
    for panel, group in zip(panels.flat, groups, strict=True):
        arms = {arm: looks[arm]["label"].replace(" + ", "\n+ ") for arm in group}
        _matrix(panel, pairs[pairs["arm_a"].isin(group)], arms, largest)
    return figure


def part(arms: list[str], pairs: pd.DataFrame) -> list[list[str]]:
    """Part the arms into groups, each compared with the others of its group or a third of it."""
    groups: list[set[str]] = []
    for pair in zip(pairs["arm_a"], pairs["arm_b"], strict=True):
        touched = [group for group in groups if not group.isdisjoint(pair)]
        groups = [group for group in groups if group.isdisjoint(pair)] + [set(pair).union(*touched)]
    ordered = [[arm for arm in arms if arm in group] for group in groups]
    return sorted(ordered, key=lambda group: arms.index(group[0]))


def both_ways(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Add every comparison seen from the other arm, unless it is there."""
    turned = comparisons.assign(
        arm_a=comparisons["arm_b"],
        arm_b=comparisons["arm_a"],
        difference=-comparisons["difference"],
        verdict=comparisons["verdict"].map(FLIPPED),
    )
    block = ["task", "split", "budget", "scored_on", "arm_a", "arm_b"]
    return pd.concat([comparisons, turned], ignore_index=True).drop_duplicates(block)


def _matrix(panel: Axes, pairs: pd.DataFrame, arms: dict[str, str], largest: float) -> None:
    """Draw a group of arms and their labels; the `largest` difference of all has full colour."""
    colours = np.ones((len(arms), len(arms), 3))
    for row, a in enumerate(arms):
        for column, b in enumerate(arms):
            own = pairs[(pairs["arm_a"] == a) & (pairs["arm_b"] == b)]
            if own.empty:
                continue
            mean = own["difference"].mean()
            strength = 0.75 * abs(mean) / largest if largest > 0 else 0
            colours[row, column] = _mix(BETTER if mean > 0 else WORSE, strength)
            counts = [int((own["verdict"] == verdict).sum()) for verdict in FLIPPED]
            panel.text(column, row - 0.14, signed(mean), ha="center", va="center", weight="bold")
            panel.text(column, row + 0.2, "/".join(map(str, counts)), ha="center", va="center")
    panel.imshow(colours)
    panel.set_anchor("W")
    longest = max(len(line) for label in arms.values() for line in label.split("\n"))
    panel.set_xticks(range(len(arms)), arms.values(), rotation=90 if longest > FITS else 0)
    panel.set_yticks(range(len(arms)), arms.values())
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    blocks = pairs.groupby(["arm_a", "arm_b"]).size().max()
    panel.set_xlabel(
        "difference in macro AUROC, row minus column,\n"
        "and wins/ties/losses of the row (Holm, 5 %)\n"
        f"in {blocks} block{'s' * int(blocks > 1)} of task and budget"
    )
    panel.set_ylabel("arm")


def signed(difference: float) -> str:
    """Write a difference with its sign, as printed."""
    return _style.minus(f"{difference:+.3f}")


def _mix(colour: tuple[float, float, float], strength: float) -> np.ndarray:
    """Thin a colour with white."""
    return 1 - strength * (1 - np.array(colour))
