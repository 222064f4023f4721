"""Critical difference (Demsar 2006, Benavoli et al. 2016): mean ranks; a bar joins equal arms."""

import itertools

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.stats import friedmanchisquare, rankdata, wilcoxon

from ecgpipe.figures import _style
from ecgpipe.render import PLACE, Needs, own_scores

NEEDS = ("scores",)
METRIC = "auroc"
FEWEST = 3  # arms, and blocks, without which ranks say nothing
ALPHA = 0.05


@_style.styled
def draw(needs: Needs) -> Figure:
    """Rank the arms in every task, budget and seed that all of them ran; rare arms are left out."""
    scores = own_scores(needs.table("scores"), [METRIC])
    scores = scores[scores["label"] == "macro"]
    blocks = complete(
        scores.pivot_table(index=[*PLACE, "budget", "seed"], columns="arm", values="value")
    )
    count, arms = blocks.shape
    rare = scores["arm"].nunique() - arms
    if arms < FEWEST or count < FEWEST:
        return _style.said(
            f"{arms} arm{'s' * (arms != 1)} in {count} block{'s' * (count != 1)} of task, budget "
            f"and seed:\nranks need at least {FEWEST} of each."
        )
    looks = _style.looks(needs)
    values = blocks[[arm for arm in looks if arm in blocks]]
    ranks = pd.Series(rankdata(-values, axis=1).mean(axis=0), values.columns).sort_values()
    same = indistinct(values[ranks.index].to_numpy())
    bars = cliques(same)
    height = 0.75 + 0.16 * len(bars) + 0.2 * ((arms + 1) // 2)
    figure, panels = _style.grid(1, 1, height=height, width=_style.DOUBLE)
    _axis(panels[0, 0], ranks, bars, looks)
    friedman = friedmanchisquare(*values.to_numpy().T).pvalue
    smallest = 2.0 ** (1 - count)
    panels[0, 0].set_xlabel(
        f"mean rank over {count} blocks of task, budget and seed (1 is best; "
        f"Friedman p {'< 0.001' if friedman < 0.001 else f'= {friedman:.3f}'})\n"
        f"a bar joins arms that Wilcoxon tests with Holm's correction do not tell apart at 5 %"
        + (f"\n({count} blocks are too few for any pair to differ)" if smallest > ALPHA else "")
        + (f"\n({rare} arms that ran in fewer blocks are left out)" if rare else "")
    )
    return figure


def complete(blocks: pd.DataFrame) -> pd.DataFrame:
    """Take as many arms, columns, as have blocks enough in common, and the blocks they all ran."""
    often = blocks.notna().sum()
    parts = [blocks.loc[:, often >= least].dropna() for least in sorted(set(often))]
    return next((part for part in parts if len(part) >= FEWEST), parts[0])


def indistinct(values: Float[np.ndarray, "block arm"]) -> Bool[np.ndarray, "arm arm"]:
    """Say which pairs of arms a Wilcoxon signed-rank test with Holm's correction does not part."""
    arms = values.shape[1]
    pairs = list(itertools.combinations(range(arms), 2))
    p = np.array([_p(values[:, a], values[:, b]) for a, b in pairs])
    same = np.ones((arms, arms), bool)
    for step, place in enumerate(np.argsort(p, kind="stable")):
        if p[place] * (len(pairs) - step) > ALPHA:
            break
        a, b = pairs[place]
        same[a, b] = same[b, a] = False
    return same


def cliques(same: Bool[np.ndarray, "arm arm"]) -> list[tuple[int, int]]:
    """Give the longest runs of neighbours in rank that are all alike, as first and last place."""
    bars: list[tuple[int, int]] = []
    for first in range(len(same)):
        last = first
        while last + 1 < len(same) and same[first : last + 2, first : last + 2].all():
            last += 1
        if last > first and (not bars or last > bars[-1][1]):
            bars.append((first, last))
    return bars


def _p(a: Float[np.ndarray, " block"], b: Float[np.ndarray, " block"]) -> float:
    return 1.0 if (a == b).all() else float(wilcoxon(a, b).pvalue)


def _axis(panel: Axes, ranks: pd.Series, bars: list[tuple[int, int]], looks: dict) -> None:
    """Draw ranks along the top, names at both sides, bars between."""
    arms, half = len(ranks), (len(ranks) + 1) // 2
    out = 0.02 * (arms - 1)  # how far the lines reach beyond the axis
    floor = 0.5 + 0.35 * len(bars)
    for place, (arm, rank) in enumerate(ranks.items()):
        left = place < half
        depth = floor + 0.55 * (place if left else arms - 1 - place)
        side = 1 - out if left else arms + out
        colour = looks[arm]["color"]
        panel.plot(
            [rank, rank, side], [0, depth, depth], color=colour, linewidth=0.9, clip_on=False
        )
        panel.plot(rank, 0, marker=looks[arm]["marker"], color=colour, clip_on=False, zorder=3)
        text = (
            f"{looks[arm]['label']}  {rank:.2f}" if left else f"{rank:.2f}  {looks[arm]['label']}"
        )
        panel.text(
            side + (-out if left else out) / 2,
            depth,
            text,
            va="center",
            ha="right" if left else "left",
        )
    for level, (first, last) in enumerate(bars):
        ends = ranks.iloc[[first, last]] + [-out / 2, out / 2]
        panel.plot(ends, [0.3 + 0.35 * level] * 2, color="black", linewidth=2.5, clip_on=False)
    panel.set(xlim=(1, arms), ylim=(floor + 0.55 * half, 0), xticks=range(1, arms + 1))
    panel.xaxis.set_ticks_position("top")
    panel.spines[["left", "bottom"]].set_visible(False)
    panel.spines["top"].set_visible(True)
    panel.yaxis.set_visible(False)
