"""Where two arms look in one record, on 12-lead paper, 25 mm/s and 10 mm/mV in true size.

The arms are the first that was explained and, of the others, the one that scores best there. Of the
examples that were kept, it is the one to whose label the two give the highest probability on
average; it is no sample of all. The attribution is the study's first.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Float16, Int8
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.ndimage import uniform_filter1d

from ecgpipe import enrichment, examples, records
from ecgpipe.expected_regions import expected
from ecgpipe.figures import _paper, _style
from ecgpipe.figures._paper import Piece, Recording
from ecgpipe.records import WAVES
from ecgpipe.regions import REGIONS
from ecgpipe.render import Needs, largest_budget_runs, own_scores, place_labels
from ecgpipe.studies import Run

NEEDS = ("scores", "attributions", "records")
METRIC = "auroc"
RELEVANT, DECLARED, WAVE = _style.COLOURS[0], _style.COLOURS[1], "#999999"
SMOOTH = 0.04  # seconds, a millimetre of the paper, over which relevance is averaged
MOST = 0.99  # of the samples have less relevance than what is drawn darkest
REACH, BELOW = 12, 13.2  # mm from 0 mV to the colours' ends, and to the bars of the regions
BAR = 1.8  # points
TOP, HEAD, FOOT, EDGE = 4, 9, 13, 4  # mm: the page's heading, an arm's title, the key, margins


class Example(NamedTuple):
    """A label of a record whose relevance was kept."""

    label: str
    record: str
    row: int  # of its shard
    patient: str  # with the dataset, `dataset:patient`


class Look(NamedTuple):
    """What a network says of an example, and where it looks."""

    attribution: str
    probability: float
    relevance: Float16[np.ndarray, "lead time"]
    region: Int8[np.ndarray, "lead time"]


@_style.styled
def draw(needs: Needs) -> Figure:
    """Draw one arm below the other; the strength of the colour is the absolute relevance."""
    if not needs.attributions:
        return _style.said("no grid of the study names an explanation")
    place, runs = next(iter(largest_budget_runs(needs.attributions).items()))
    runs = choose_arms(needs, runs)
    example = choose_example([path for _, path in runs])
    held = find(example, needs.shards)
    recording = _paper.read(needs.shards[held["shard"]], int(held["row"]))
    sheet = recording.height + HEAD
    page = recording.width + 2 * EDGE, TOP + len(runs) * sheet + FOOT
    figure = _style.Sheet(figsize=(page[0] / _paper.MM, page[1] / _paper.MM))
    names = _style.looks(needs)
    for number, (run, path) in enumerate(runs, start=1):
        bottom = page[1] - TOP - number * sheet
        panel = _paper.axes(figure, EDGE, bottom, recording.width, recording.height)
        _paper.draw(panel, recording)
        look = read_look(path, example)
        _overlay(panel, recording, look, expected(example.label))
        said = f"{example.label} with probability {look.probability:.2f}"
        panel.set_title(f"{names[run.arm]['label']}: {said}")
    panel.set_xlabel(_paper.SCALE, loc="left")
    heading = f"{_paper.heading(held)}, {place_labels(needs.study)[place]}"
    figure.text(EDGE / page[0], 1 - 2 / page[1], heading, va="top", size=8)
    _key(figure, example.label, look.attribution)
    return figure


def choose_arms(needs: Needs, runs: list[tuple[Run, Path]]) -> list[tuple[Run, Path]]:
    """Choose the first arm and the best of the others, each by its first seed."""
    of_arm: dict[str, tuple[Run, Path]] = {}
    for run, path in runs:
        of_arm.setdefault(run.arm, (run, path))
    one, scores = runs[0][0], own_scores(needs.table("scores"), [METRIC])
    at = ["task", "split", "scored_on", "budget"]
    here = (scores[at] == [getattr(one, name) for name in at]).all(axis=1)
    means = scores[here & (scores["label"] == "macro")].groupby("arm")["value"].mean()
    first, *others = of_arm
    best = sorted(others, key=lambda arm: means.get(arm, 0.0))[-1:]
    return [of_arm[arm] for arm in (first, *best)]


def choose_example(paths: list[Path]) -> Example:
    """Choose, of the examples that all runs keep, the one whose label they find likeliest."""
    common = set.intersection(*(set(index_examples(path)) for path in paths))
    if not common:
        raise ValueError(f"{paths[0]} and {paths[-1]} keep no example in common; explain again")
    lines = pd.concat([enrichment.read(path) for path in paths])
    sure = lines.groupby(["label", "record"])["probability"].mean()
    label, record, row = max(sorted(common), key=lambda key: sure[key[:2]])
    patient = lines.loc[lines["record"] == record, "patient"].iloc[0]
    return Example(label, record, row, patient)


def index_examples(path: Path) -> dict[tuple[str, str, int], int]:
    """Say where the examples of the first attribution lie in the file beside a CSV."""
    kept = examples.read(path.with_suffix(".h5"))
    keys = zip(kept.label.tolist(), kept.record.tolist(), kept.row.tolist(), strict=True)
    first = kept.attribution == kept.attribution[:1]
    return {key: place for place, key in enumerate(keys) if first[place]}


def find(example: Example, shards: tuple[Path, ...]) -> pd.Series:
    """Find the record's line in the shards."""
    table = records.read_table(list(shards))
    whose = table["dataset"] + ":" + table["patient"]
    same = (table["record"] == example.record) & (table["row"] == example.row)
    if not (found := table[same & (whose == example.patient)]).shape[0]:
        raise ValueError(f"record {example.record} of {example.patient} is not in the --shards")
    return found.iloc[0]


def read_look(path: Path, example: Example) -> Look:
    """Read what a run says of an example."""
    kept, place = examples.read(path.with_suffix(".h5")), index_examples(path)[example[:3]]
    lines = enrichment.read(path)
    own = lines[(lines["record"] == example.record) & (lines["label"] == example.label)]
    return Look(
        str(kept.attribution[place]),
        float(own["probability"].iloc[0]),
        kept.relevance[place],
        kept.region[place],
    )


def _overlay(panel: Axes, recording: Recording, look: Look, declared: tuple[str, ...]) -> None:
    """Colour every lead by its relevance, and mark its regions."""
    time = recording.signal.shape[1]
    relevance, region = look.relevance[:, :time], look.region[:, :time]
    if relevance.shape != recording.signal.shape:
        raise ValueError(
            f"relevance is of {look.relevance.shape} leads and samples, the record has "
            f"{recording.signal.shape}: arms of one figure need one preparation"
        )
    width = 2 * round(SMOOTH * recording.fs / 2) + 1  # odd, to stay in place
    strength = uniform_filter1d(np.abs(relevance.astype(np.float32)), width)
    darkest = np.quantile(strength, MOST) or strength.max() or 1.0
    for piece in _paper.pieces(recording):
        lead = recording.leads.index(piece.lead)
        _colour(panel, piece, np.minimum(strength[lead, piece.samples] / darkest, 1))
        _mark(panel, piece, region[lead, piece.samples], declared)


def _colour(panel: Axes, piece: Piece, strength: Float[np.ndarray, " time"]) -> None:
    """Lay colour behind a lead, the denser the more relevant."""
    colours = np.empty((1, len(strength), 4))
    colours[..., :3], colours[..., 3] = to_rgb(RELEVANT), strength
    left, right = ends(piece)[[0, -1]]
    extent = (left, right, piece.base - REACH, piece.base + REACH)
    panel.imshow(colours, extent=extent, aspect="auto", interpolation="nearest", zorder=1.5)


def _mark(
    panel: Axes, piece: Piece, region: Int8[np.ndarray, " time"], declared: tuple[str, ...]
) -> None:
    """Draw a bar below each wave, and in another colour below each region expected of the label."""
    begins = np.concatenate([[0], np.flatnonzero(np.diff(region)) + 1, [len(region)]])
    at = ends(piece)[begins]
    for left, right, code in zip(at, at[1:], region[begins[:-1]], strict=False):
        name = REGIONS[code] if code >= 0 else ""
        if name in declared or name in WAVES:
            colour = DECLARED if name in declared else WAVE
            panel.hlines(piece.base - BELOW, left, right, color=colour, linewidth=BAR)


def ends(piece: Piece) -> Float[np.ndarray, " end"]:
    """Give the millimetres at which each sample of a piece begins, and the last one ends."""
    step = piece.across[1] - piece.across[0]
    return np.append(piece.across, piece.across[-1] + step) - step / 2


def _key(figure: Figure, label: str, attribution: str) -> None:
    """Say below the sheets what colours and bars mean."""
    width, height = _paper.MM * figure.get_size_inches()
    declared = f"expected of {label}: {', '.join(expected(label))}"
    bars = {"waves: P, QRS, T": WAVE, declared: DECLARED}
    handles = [Line2D([], [], color=colour, linewidth=BAR, label=of) for of, colour in bars.items()]
    corner = EDGE / width, 2 / height
    figure.legend(handles=handles, loc="lower left", bbox_to_anchor=corner, borderpad=0, ncols=2)
    panel = _paper.axes(figure, round(width) - 90, 6, 75, 3)
    ramp = LinearSegmentedColormap.from_list("relevance", ["white", RELEVANT])
    panel.imshow(np.linspace(0, 1, 256)[None], cmap=ramp, aspect="auto", extent=(0, 1, 0, 1))
    panel.set_xticks((0, 1), ["none", f"the highest {100 * (1 - MOST):.0f} %"])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
    panel.set_title(f"relevance by {attribution.replace('_', ' ')}", loc="center")
