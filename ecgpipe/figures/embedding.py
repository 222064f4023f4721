"""Maps of test records as frozen encoders see them: t-SNE (van der Maaten and Hinton 2008).

A map may part what lies together and the other way round. So the share of a record's neighbours
that carry its label, counted before the map is drawn, is told under it.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits  # comes with scikit-learn

from ecgpipe import predictions, studies
from ecgpipe.figures import _style
from ecgpipe.render import Needs, distinct, largest_budget_runs, place_labels

NEEDS = ("predictions",)
LABELS = 8  # of a task, at most: more colours are not told apart
SHOWN, FEWEST = 2000, 50  # records: a sample of more; of fewer only principal components
COMPONENTS, NEIGHBOURS, SEED = 50, 10, 0
COLOURS = (*_style.COLOURS, _style.GREY)
COLUMNS, SIDE = 4, 1.75  # panels in a row; inches


class Records(NamedTuple):
    """Test records with exactly one label, as one encoder sees them."""

    embedding: Float[np.ndarray, "record pooled"]
    label: Int[np.ndarray, " record"]
    labels: tuple[str, ...]


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw a panel a pretraining, on the first task of few labels that has frozen encoders."""
    name, encoded = choose(needs)
    if not encoded:
        return _style.said(f"no frozen encoder on a task of at most {LABELS} labels")
    names = distinct(list(dict.fromkeys(run.pretraining for run in studies.runs(needs.study))))
    rows = math.ceil(len(encoded) / COLUMNS)
    columns = math.ceil(len(encoded) / rows)
    figure, panels = _style.grid(rows, columns, height=SIDE + 0.4, width=columns * SIDE)
    for panel, (pretraining, shown) in zip(panels.flat, encoded.items(), strict=False):
        _panel(panel, shown)
        panel.set_title(names[pretraining], weight="normal")
    for panel in panels.flat[len(encoded) :]:
        panel.remove()
    figure.suptitle(name, x=0.01, ha="left", fontsize=8, weight="bold")
    _style.legend(figure, _looks(shown))
    return figure


def choose(needs: Needs) -> tuple[str, dict[str, Records]]:
    """Read the first place that can be mapped: its name, and its records by pretraining."""
    for place, runs in largest_budget_runs(needs.predictions).items():
        encoded: dict[str, Records] = {}
        for run, path in sorted(runs, key=lambda pair: pair[0].seed):
            if run.pretraining not in encoded and (found := read_records(path)):
                encoded[run.pretraining] = found
        if encoded:
            return place_labels(needs.study)[place], encoded
    return "", {}


def read_records(path: Path) -> Records | None:
    """Read the records to show; None if they were not embedded, or are too few, or labels many."""
    test = predictions.read(path).of("test")
    embedding = predictions.read_embedding(path) if len(test.labels) <= LABELS else None
    single = np.flatnonzero(test.target.sum(axis=1) == 1)
    if embedding is None or len(single) <= NEIGHBOURS:
        return None
    drawn = np.random.default_rng(SEED).permutation(single)[:SHOWN]
    label = test.target[drawn].argmax(axis=1)
    return Records(embedding[drawn].astype(np.float64), label, test.labels)


def reduce(embedding: Float[np.ndarray, "record pooled"]) -> Float[np.ndarray, "record component"]:
    """Take the first principal components, each feature counted in its own deviations."""
    spread = embedding.std(axis=0)
    scaled = (embedding - embedding.mean(axis=0)) / np.where(spread > 0, spread, 1)
    left, sizes, _ = np.linalg.svd(scaled, full_matrices=False)
    return (left * sizes)[:, :COMPONENTS]


def share_alike(
    reduced: Float[np.ndarray, "record component"], label: Int[np.ndarray, " record"]
) -> float:
    """Average over labels the share of neighbours that carry the same one."""
    nearest = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(reduced)
    neighbours = nearest.kneighbors(return_distance=False)  # without the record itself
    alike = (label[neighbours] == label[:, None]).mean(axis=1)
    return float(np.mean([alike[label == each].mean() for each in np.unique(label)]))


def _panel(panel: Axes, shown: Records) -> None:
    """Draw one map; records come in random order, so that no label hides another."""
    with threadpool_limits(1):  # more threads would add up in another order: other bytes
        reduced = reduce(shown.embedding)
        plain = len(reduced) < FEWEST or not reduced.any()  # too few, or all the same
        places = reduced if plain else TSNE(random_state=SEED).fit_transform(reduced)
        alike = share_alike(reduced, shown.label)
    colours = np.array(COLOURS)[shown.label]
    across, down = places[:, 0], places[:, 1]
    panel.scatter(across, down, s=3, c=colours, linewidths=0, alpha=0.7, rasterized=True)
    panel.set_box_aspect(1)
    panel.set(xticks=[], yticks=[])
    panel.yaxis.set_visible(False)
    panel.spines[["left", "bottom"]].set_color(_style.FAINT)
    kind = "principal components" if plain else "t-SNE"
    panel.set_xlabel(f"{kind}; {100 * alike:.0f} % of neighbours alike")


def _looks(shown: Records) -> list[dict]:
    """Name the labels for the legend, and how many records carry each."""
    counts = np.bincount(shown.label, minlength=len(shown.labels))
    return [
        {"label": f"{label} ({count})", "color": colour, "marker": "o", "linestyle": "none"}
        for label, count, colour in zip(shown.labels, counts, COLOURS, strict=False)
    ]
