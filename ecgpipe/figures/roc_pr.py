"""ROC and precision-recall curves: the mean over all labels, and the most prevalent labels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from sklearn.metrics import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from ecgpipe import predictions
from ecgpipe.figures import _style
from ecgpipe.predictions import Predictions
from ecgpipe.render import Needs, largest_budget_runs, place_labels

NEEDS = ("predictions",)
LABELS = 4  # shown of each task, besides the mean over all
ALONG = np.linspace(0, 1, 201)  # false positive rate, or recall


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw two rows a task at the largest budget; a curve is the mean over seeds."""
    looks, names = _style.looks(needs), place_labels(needs.study)
    places = largest_budget_runs(needs.predictions)
    figure, panels = _style.grid(2 * len(places), 1 + LABELS, height=1.7, sharex=True, sharey=True)
    for row, (place, runs) in enumerate(places.items()):
        tests = {arm: [_test(path) for run, path in runs if run.arm == arm] for arm in looks}
        tests = {arm: seeds for arm, seeds in tests.items() if seeds}
        _rows(panels[2 * row : 2 * row + 2], tests, looks)
        panels[2 * row, 0].set_ylabel(f"{names[place]}\ntrue positive rate")
        panels[2 * row + 1, 0].set_ylabel(f"{names[place]}\nprecision")
    _style.legend(figure, looks.values(), markers=False)
    return figure


def roc_along(
    target: Bool[np.ndarray, " record"], probability: Float[np.ndarray, " record"]
) -> Float[np.ndarray, " along"]:
    """Give the true positive rate along the false positive rate."""
    false, true, _ = roc_curve(target, probability, drop_intermediate=False)
    return np.interp(ALONG, false, true)


def precision_along(
    target: Bool[np.ndarray, " record"], probability: Float[np.ndarray, " record"]
) -> Float[np.ndarray, " along"]:
    """Give the precision where each recall is first reached, in steps as average precision."""
    precision, recall, _ = precision_recall_curve(target, probability)
    precision, recall = precision[-2::-1], recall[-2::-1]  # from the highest threshold down
    return precision[np.searchsorted(recall, ALONG)]


ROWS = (
    ("AUROC", "false positive rate", roc_along, roc_auc_score),
    ("AP", "recall", precision_along, average_precision_score),
)


def _test(path: Path) -> Predictions:
    return predictions.read(path).of("test")


def _rows(panels: np.ndarray, tests: dict[str, list[Predictions]], looks: dict) -> None:
    """Draw a task's ROC curves above its precision-recall curves."""
    first = next(iter(tests.values()))[0]
    positives = first.target.sum(axis=0)
    defined = np.flatnonzero((positives > 0) & (positives < len(first.target)))
    prevalent = defined[np.argsort(-positives[defined], kind="stable")][:LABELS]
    for row, (area, xlabel, curve, score) in zip(panels, ROWS, strict=True):
        macro = [_mean(score, seeds, defined) for seeds in tests.values()]
        ends = " to ".join(dict.fromkeys(f"{end:.2f}" for end in (min(macro), max(macro))))
        titles = [f"macro of {len(defined)}\n{area} {ends}"]
        titles += [f"{first.labels[label]}\nn = {positives[label]}" for label in prevalent]
        groups = [defined, *prevalent[:, None]]
        for panel, title, labels in zip(row, titles, groups, strict=False):
            panel.set_title(title, fontsize=7)
            panel.set_xlabel(xlabel)
            panel.tick_params(labelbottom=True)
            panel.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
            panel.set(xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
            for arm, seeds in tests.items():
                drawn = {**_style.line(looks[arm]), "linewidth": 0.9}
                panel.plot(ALONG, _mean(curve, seeds, labels), **drawn)
        for panel in row[len(groups) :]:
            panel.set_axis_off()


def _mean(
    function: Callable[..., Any], seeds: list[Predictions], labels: np.ndarray
) -> Float[np.ndarray, "*along"]:
    """Average what a function gives for each seed and label."""
    given = [
        function(seed.target[:, label], seed.probability[:, label].astype(np.float64))
        for seed in seeds
        for label in labels
    ]
    return np.asarray(np.mean(given, axis=0))
