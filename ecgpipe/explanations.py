"""What is explained: signals and the labels that they carry, each with its regions.

The logit explained is the mean over crops that lie side by side, as long as in training. So the
relevance of a signal is that of its crops put together, each over their number; where the last two
overlap, both count.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor

from ecgpipe import attention, cohort, provenance, records, regions
from ecgpipe.cohort import Cohort, TaskRows, mean_over_crops
from ecgpipe.expected_regions import expected
from ecgpipe.logits import per_pass
from ecgpipe.model import Classifier, build_backbone
from ecgpipe.regions import REGIONS
from ecgpipe.removal import drops

COLUMNS = ["record", "patient", "label", "probability", "attribution", "null", "region"]
COLUMNS += ["area", "mass", "pointing", "rank_accuracy", "drop"]
ROW = ["dataset", "record", "start"]  # whose signal a row of a shard is

Attribute = Callable[[Classifier, Tensor, Tensor], Float[Tensor, "crop lead time"]]
Measured = dict[str, Float[Tensor, "row region"]]


@dataclass(frozen=True)
class Questions:
    """Why does this signal carry this label? One row a question."""

    cohort: Cohort  # a signal that carries two labels is there twice
    label: Int[Tensor, " row"]  # place among the network's
    region: Int8[Tensor, "row lead time"]
    length: int  # of a crop, samples

    def relevance(
        self, network: Classifier, attribute: Attribute
    ) -> Float[Tensor, "row lead time"]:
        """Attribute every signal's logit to its samples."""
        found = []
        for some, which, start in self._passes():
            crops = self.cohort.tiles(some, self.length, self.length)
            relevance = attribute(network, crops, self.label[some][which])
            found.append(put_together(relevance, which, start, self.cohort.signal[some].shape))
        return torch.cat(found)

    def removal(self, network: Classifier) -> Measured:
        """Take each region out of each signal, and say how far the signal's logit falls."""
        found, fs = [], self.cohort.montage.fs
        crops = self.cohort.crops(self.length, self.length)
        for some, which, start in self._passes():
            signal = self.cohort.tiles(some, self.length, self.length)
            region = self.region[some].unfold(-1, self.length, 1)[which, :, start]
            label = self.label[some][which]
            fall = drops(network, signal, label, region, len(REGIONS), fs)
            found.append(mean_over_crops(fall, crops[some]))
        area = attention.area(self.region)
        return {"area": area, "drop": torch.cat(found).masked_fill(area == 0, torch.nan)}

    def _passes(self) -> Iterator[tuple[slice, Int[Tensor, " crop"], Int[Tensor, " crop"]]]:
        """Go through the rows, as many at once as memory allows; say where their crops lie."""
        most = int(self.cohort.crops(self.length, self.length).max())
        rows = max(1, per_pass(self.length, self.label.device) // most)
        for first in range(0, len(self.label), rows):
            some = slice(first, first + rows)
            which, start = self.cohort.places(some, self.length, self.length)
            yield some, which, start


def put_together(
    relevance: Float[Tensor, "crop lead length"],
    which: Int[Tensor, " crop"],
    start: Int[Tensor, " crop"],
    shape: torch.Size,
) -> Float[Tensor, "row lead time"]:
    """Add crops up where they lie in the signals they were cut from, each over their number."""
    device = relevance.device
    lead = torch.arange(shape[1], device=device)[:, None]
    time = start[:, None, None] + torch.arange(relevance.shape[2], device=device)
    whole = relevance.new_zeros(shape)
    whole.index_put_((which[:, None, None], lead, time), relevance, accumulate=True)
    return whole / which.bincount()[:, None, None]


def ask(rows: TaskRows, labels: tuple[str, ...], most: int) -> pd.DataFrame:
    """List test signals and labels they carry that have a region declared: one line each.

    `most` signals, at most, are chosen by a hash of whose they are: for every network the same.

    Raises:
        ValueError: if network and task share no such label, or no test signal carries one.

    """
    shared = [name for name in rows.labels if name in labels and expected(name)]
    if not shared:
        raise ValueError(
            f"nothing to explain: of the labels {', '.join(rows.labels)} none is both known to "
            "the network and declared in ecgpipe/vocabularies/regions.csv"
        )
    carried = rows.target[:, [rows.labels.index(name) for name in shared]]
    there = np.flatnonzero(carried.any(axis=1) & (rows.part == "test"))
    if not len(there):
        raise ValueError(f"no test record carries any of {', '.join(shared)}; look at the split")
    names = rows.table[ROW].iloc[there].astype(str).agg("/".join, axis=1)
    chosen = there[np.argsort([provenance.digest(name) for name in names])][:most]
    row, label = np.nonzero(carried[chosen])
    asked = rows.table.iloc[chosen[row]].reset_index(drop=True)
    return asked.assign(label=np.array(shared)[label])


def load(
    asked: pd.DataFrame,
    labels: tuple[str, ...],
    seconds: float,
    shards: list[Path],
    waves: list[Path],
    device: torch.device,
) -> Questions:
    """Bring signals and regions to the device; crops have these seconds.

    `waves` are files with the boundaries of each shard's waves; `labels` are the network's.
    """
    if len(waves) != len(shards):
        raise ValueError(
            f"{len(waves)} files of waves for {len(shards)} shards; give one a shard, in order"
        )
    of = cohort.load(shards, asked, None, device)
    return Questions(
        cohort=of,
        label=torch.tensor([labels.index(name) for name in asked["label"]], device=device),
        region=torch.from_numpy(read_regions(asked, waves, *of.signal.shape[1:])).to(device),
        length=of.samples(seconds),
    )


def read_regions(
    asked: pd.DataFrame, waves: list[Path], leads: int, time: int
) -> Int8[np.ndarray, "row lead time"]:
    """Read the waves of the signals asked about, and code the regions they make."""
    place = asked[["shard", "row"]].assign(number=np.arange(len(asked)))
    found = []
    for shard, path in enumerate(waves):
        here = pd.DataFrame(records.read_waves(path))
        own = place[place["shard"] == shard]
        found.append(here.merge(own[["row", "number"]], left_on=0, right_on="row"))
    numbered = pd.concat(found)[["number", 1, 2, 3, 4, 5]].to_numpy(np.int32)
    return regions.code(numbered, asked["samples"].to_numpy(), leads, time)


def untrained(network: Classifier, metadata: dict[str, Any], seed: int) -> Classifier:
    """Build the same network with weights newly drawn (the test of Adebayo et al. 2018)."""
    torch.manual_seed(seed)
    backbone = build_backbone(metadata["backbone"], len(metadata["leads"]), "a random null")
    return Classifier(backbone, network.labels, network.head_config)


def lines(asked: pd.DataFrame, attribution: str, null: str, measured: Measured) -> pd.DataFrame:
    """Lay out what was measured: one line a question and region."""
    about = asked.assign(patient=asked["dataset"] + ":" + asked["patient"])
    repeated = about.loc[about.index.repeat(len(REGIONS))].reset_index(drop=True)
    told = {"attribution": attribution, "null": null, "region": REGIONS * len(asked)}
    values = {name: each.flatten().double().cpu().numpy() for name, each in measured.items()}
    return repeated.assign(**told, **values).reindex(columns=COLUMNS)
