"""Chains of pretrainings: what a frozen encoder scores after every stage, beside equal steps."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from ecgpipe import convergence, transfer
from ecgpipe.figures import _style
from ecgpipe.render import (
    PLACE,
    Needs,
    budget_label,
    distinct,
    largest_budget,
    over_seeds,
    own_scores,
    place_labels,
)

NEEDS = ("scores", "costs", "histories")
METRIC = "auroc"
GROUP = [*PLACE, "recipe"]
SEARCH = ["pretraining", "split", "seed"]
LINK = ["step", "place", "pretext", "kept", "standard_error", "valid_probe"]
WIDEST = 2  # panels side by side
APART = 0.025  # of the axis: how far from each other points at the same steps stand
UNTRAINED: dict[str, Any] = {"label": "untrained", "color": _style.GREY, "linestyle": (0, (4, 1.5))}
EARLIER: dict[str, Any] = {"color": "black", "markerfacecolor": "white", "linestyle": "none"}
KEPT: dict[str, Any] = {"color": "black", "linestyle": "none"}
TRIED: dict[str, Any] = {"color": _style.GREY, "markerfacecolor": "white", "linestyle": "none"}
EDGE = 0.7  # points, of a marker: thin enough to see that it is hollow
JOINED = 0.9  # points, a line between stages
Panel = tuple[str, Callable[[Axes], None]]  # a title, and what draws below it


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw a panel a task and recipe that freezes encoders, and one for each search of a chain.

    Steps are those that shaped the encoder, of all stages together; a line joins stages that go on
    from one another, in the colour of the last, and those before it are hollow. Of a search every
    link that was tried is drawn, with the standard error of its gain; what was kept is black and
    joined.
    """
    points = read_points(needs)
    links = read_links(needs.table("histories"))
    if points["before"].isna().all() and links.empty:
        return _style.said("no pretraining goes on from another")
    looks = _style.looks(needs, points["end"])
    markers = dict(zip(links["pretext"].unique(), _style.MARKERS * 9, strict=False))
    panels = [*_stages(needs, points, looks), *_searches(links, markers)]
    columns = min(WIDEST, len(panels))
    width = _style.SINGLE if columns == 1 else _style.DOUBLE
    made, axes = _style.grid(-(-len(panels) // columns), columns, height=2.2, width=width)
    for panel, (title, fill) in zip(axes.flat, panels, strict=False):
        fill(panel)
        panel.set(title=title, xlabel="pretraining steps")
        panel.xaxis.set_major_formatter(EngFormatter())
        _style.ruled(panel)
    for panel in axes.flat[len(panels) :]:
        panel.remove()
    shown = [{**look, "linestyle": "none"} for arm, look in looks.items() if arm in trained(points)]
    earlier = bool((points["arm"] != points["end"]).any())
    shown += [{**EARLIER, "label": "earlier stage", "marker": "o"}] * earlier
    shown += [{**UNTRAINED, "marker": None}] * (len(trained(points)) < len(looks))
    shown += [
        {**KEPT, "label": f"search: {name}", "marker": marker} for name, marker in markers.items()
    ]
    shown += [{**TRIED, "label": "search: tried, not kept", "marker": "o"}] * bool(markers)
    _style.legend(made, shown)
    return made


def read_points(needs: Needs) -> pd.DataFrame:
    """Score every frozen encoder on its own task: a line an arm and place, with its `steps`.

    `before` names the nearest trained stage that it goes on from and that was scored alike, `end`
    the arm that its chain ends with; a stage that several go on from is an end itself.
    """
    costs = needs.table("costs")
    scores = own_scores(needs.table("scores"), [METRIC])
    frozen = scores["arm"].isin(transfer.frozen(costs)) & (scores["label"] == "macro")
    own = scores[frozen & (scores["scored_on"] == scores["task"])]
    means = largest_budget(over_seeds(own, apart=("pretraining", "recipe")))
    stages = stages_of(costs)
    chains = [stages[place] for place in means[["pretraining", "split"]].itertuples(index=False)]
    means = means.assign(steps=[sum(steps for _, steps in chain) for chain in chains])
    groups = means[means["steps"] > 0].groupby(GROUP)["pretraining"].agg(set)
    here = [groups.get(group, set()) for group in means[GROUP].itertuples(index=False, name=None)]
    before = [
        next((name for name, _ in chain[1:] if name in scored), None)
        for chain, scored in zip(chains, here, strict=True)
    ]
    means = means.assign(before=before)
    return means.assign(end=ends(means))


def ends(points: pd.DataFrame) -> list[str]:
    """Name the arm that the chain of each arm ends with, where one stage alone follows another."""
    keys = list(points[[*GROUP, "pretraining"]].itertuples(index=False, name=None))
    starts = [(*key[:-1], name) for key, name in zip(keys, points["before"], strict=True)]
    follows = {
        start: key for start, key in zip(starts, keys, strict=True) if starts.count(start) == 1
    }
    arms = dict(zip(keys, points["arm"], strict=True))
    found = []
    for key in keys:
        while key in follows:
            key = follows[key]
        found.append(arms[key])
    return found


def stages_of(costs: pd.DataFrame) -> dict[tuple[str, str], list[tuple[str, float]]]:
    """List the stages that shaped each pretraining's encoder, the last first, with their steps.

    A key is (pretraining, split). Of the links that a search tried only those kept shaped anything.
    """
    columns = ["pretraining", "split", "steps", "kept_steps"]
    own = costs[costs["stage"] == "pretrain"].reindex(columns=columns)
    own["steps"] = own["kept_steps"].fillna(own["steps"])
    steps = own.groupby(["pretraining", "split"])["steps"].median()
    chains = convergence.chains(costs)
    return {
        (name, split): [(stage, float(steps[stage, split])) for stage in chains[name]]
        for name, split in steps.index
    }


def read_links(histories: pd.DataFrame) -> pd.DataFrame:
    """Read the links that searches for a chain tried; `steps` are those of the chain with it."""
    links = histories.reindex(columns=[*SEARCH, *LINK]).dropna(subset="pretext")
    links = links.sort_values([*SEARCH, "step"], ignore_index=True)
    own = links.groupby(SEARCH)["step"].diff().fillna(0.0)
    ends = (own * links["kept"]).groupby([links[name] for name in (*SEARCH, "place")]).sum()
    before = ends.groupby(SEARCH).cumsum() - ends
    places = pd.MultiIndex.from_frame(links[[*SEARCH, "place"]])
    return links.assign(steps=own + before.reindex(places).to_numpy())


def trained(points: pd.DataFrame) -> set[str]:
    """Name the arms at the ends of chains whose encoder was trained."""
    return set(points.loc[points["steps"] > 0, "end"])


def set_apart(steps: pd.Series) -> pd.Series:
    """Move points at about the same steps to stand side by side."""
    return steps.max() * _style.spread(steps / steps.max(), APART)


def _stages(needs: Needs, points: pd.DataFrame, looks: dict[str, dict]) -> Iterator[Panel]:
    """Give a panel for each task and recipe."""
    names = place_labels(needs.study)
    recipes = distinct(list(points["recipe"].unique()))
    for (*place, recipe), own in points.groupby(GROUP, sort=False):
        words = [names[tuple(place)], budget_label(own["budget"].iloc[0])]
        words += [recipes[recipe]] if len(recipes) > 1 else []
        yield ", ".join(words), partial(_stage_panel, own=own, looks=looks)


def _stage_panel(panel: Axes, own: pd.DataFrame, looks: dict[str, dict]) -> None:
    """Draw encoders at their steps with the interval of patients, and join those of a chain."""
    for mean in own.loc[own["steps"] == 0, "mean"]:
        panel.axhline(mean, **UNTRAINED, linewidth=JOINED)
    own = own[own["steps"] > 0].set_index("pretraining")
    own = own.assign(across=set_apart(own["steps"]))
    for name, line in own.iterrows():
        look, at = looks[line["end"]], own.loc[[name]]
        filled = "white" if line["arm"] != line["end"] else look["color"]
        dot = {**_style.dot(look), "markerfacecolor": filled, "markeredgewidth": EDGE}
        panel.errorbar(at["across"], at["mean"], _style.bars(at), **dot)
        if line["before"] is not None:
            both = own.loc[[line["before"], name]]
            panel.plot(both["across"], both["mean"], color=look["color"], linewidth=JOINED)
    panel.set_xlim(left=0)
    panel.set_ylabel("macro AUROC, test")


def _searches(links: pd.DataFrame, markers: dict[str, str]) -> Iterator[Panel]:
    """Give a panel for each search, a seed by itself: seeds may choose other chains."""
    names = distinct(list(links["pretraining"].unique()))
    several = {name: links[name].nunique() > 1 for name in ("split", "seed")}
    for (pretraining, split, seed), own in links.groupby(SEARCH, sort=False):
        words = [f"search for {names[pretraining]}"]
        words += [split] if several["split"] else []
        words += [f"seed {seed}"] if several["seed"] else []
        yield ", ".join(words), partial(_search_panel, own=own, markers=markers)


def _search_panel(panel: Axes, own: pd.DataFrame, markers: dict[str, str]) -> None:
    """Draw every link at the steps of the chain it would have made."""
    own = own.assign(across=set_apart(own["steps"]))
    kept = own[own["kept"] == 1].set_index("place")[["across", "valid_probe"]]
    for _, link in own.iterrows():
        at, look = link[["across", "valid_probe"]], KEPT if link["kept"] else TRIED
        if link["place"]:
            ends = pd.DataFrame([kept.loc[link["place"] - 1], at])
            width = JOINED if link["kept"] else JOINED / 2
            panel.plot(*ends.to_numpy().T, color=look["color"], linewidth=width, zorder=1)
        look = {**look, "marker": markers[link["pretext"]], "elinewidth": 0.8}
        panel.errorbar(at["across"], at["valid_probe"], link["standard_error"], **look)
    panel.set_ylabel("macro AUROC of the probe,\nheld-out train patients")
