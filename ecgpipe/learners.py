"""Models that adapt to all patients of a cohort at once, and what they then say of the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.func import functional_call

from ecgpipe import supports
from ecgpipe.cohort import Cohort
from ecgpipe.episodes import Windows
from ecgpipe.features import behind, encode
from ecgpipe.inference import CROPS
from ecgpipe.model import Classifier
from ecgpipe.per_task import Weights
from ecgpipe.personal_settings import Personalization
from ecgpipe.personalization import adapt

AT_ONCE = {"cpu": 8, "cuda": 1024}  # patients: what a cache, or a GPU, holds


@dataclass(frozen=True)
class Learner:
    """What adapts, and windows as it takes them: signals, or tokens of a backbone that does not."""

    model: Classifier
    give: Callable[[Tensor], Tensor]  # rows of the cohort, as the model takes them
    cohort: Cohort

    def labeled(
        self, row: Int[np.ndarray, "patient slot"], weight: Float[Tensor, "patient slot"]
    ) -> Windows:
        """Bring the labeled windows of some patients to the device."""
        index = torch.from_numpy(row).to(weight.device)
        signal = self.give(index.flatten()).unflatten(0, index.shape)
        return Windows(signal, self.cohort.target[index], weight)

    @torch.no_grad()
    def probabilities(
        self, weights: Weights, row: Int[np.ndarray, " some"]
    ) -> Float[Tensor, "some label"]:
        """Return what one patient's weights make of some windows."""
        device = self.cohort.signal.device
        passes = torch.from_numpy(row).to(device).split(CROPS[device.type])
        said = [functional_call(self.model, weights, (self.give(index),)) for index in passes]
        return torch.cat(said).float().sigmoid()


def view(network: Classifier, cohort: Cohort, seconds: float) -> Learner:
    """Choose what adapts: the whole model, or the head alone on tokens computed once."""
    network.eval()
    length = cohort.samples(seconds)
    if any(parameter.requires_grad for parameter in network.backbone.parameters()):
        return Learner(network, lambda row: cohort.beginnings(row, length), cohort)
    encoded = encode(network, cohort, seconds, mixed=False)
    if encoded is None:
        raise ValueError(
            "the tokens of all windows are too many to keep: choose a head that pools them "
            "(`pool` of the head), or an adapter that changes the backbone"
        )
    return Learner(behind(network).eval(), lambda row: encoded.beginnings(row), cohort)


def adapt_to_all(
    learner: Learner,
    windows: pd.DataFrame,
    kind: Int[np.ndarray, " window"],
    drawn: supports.Draw,
    shots: int,
    settings: Personalization,
) -> Float[np.ndarray, "scored label"]:
    """Adapt to every patient and return what is then said of that patient's scored windows.

    A patient without any labeled window keeps the model as it is.
    """
    support = drawn.support(shots)
    weights = supports.balance(windows, kind, support)
    halves = []
    for number in range(settings.pre_steps if settings.pre_finetuning == "split" else 0):
        near, far = supports.halve(windows, kind, support, number)
        halves.append([supports.balance(windows, kind, half) for half in (near, far)])
    said = np.full((len(windows), learner.cohort.target.shape[1]), np.nan, np.float32)
    patient = windows["patient"].to_numpy(str)
    names = np.unique(patient[drawn.scored])
    at_once = AT_ONCE[learner.cohort.signal.device.type]
    for few in np.split(names, range(at_once, len(names), at_once)):
        slots = lay_out(patient, support, few)
        own = _adapt(learner, slots, weights, halves, settings)
        for place, name in enumerate(few):
            rows = np.flatnonzero(drawn.scored & (patient == name))
            of_one = {key: weight[place] for key, weight in own.items()}
            said[rows] = learner.probabilities(of_one, rows).cpu().numpy()
    return said[drawn.scored]


@dataclass(frozen=True)
class Slots:
    """The labeled windows of some patients side by side; a patient with fewer is filled up."""

    row: Int[np.ndarray, "patient slot"]
    there: Bool[np.ndarray, "patient slot"]

    def spread(self, of_row: Float[np.ndarray, " row"]) -> Float[np.ndarray, "patient slot"]:
        """Lay what is told of rows beside each other, 0 where a row only fills up."""
        return np.where(self.there, of_row[self.row], 0.0)


def lay_out(
    patient: Shaped[np.ndarray, " row"],
    chosen: Bool[np.ndarray, " row"],
    names: Shaped[np.ndarray, " patient"],
) -> Slots:
    """Lay the chosen rows of some patients, named in alphabetical order, side by side."""
    rows = np.flatnonzero(chosen & np.isin(patient, names))
    task = np.searchsorted(names, patient[rows])
    slot = pd.Series(task).groupby(task).cumcount().to_numpy()
    row = np.zeros((len(names), slot.max(initial=0) + 1), int)
    there = np.zeros(row.shape, bool)
    row[task, slot], there[task, slot] = rows, True
    return Slots(row, there)


def _adapt(
    learner: Learner,
    slots: Slots,
    weights: Float[np.ndarray, " row"],
    halves: Sequence[Sequence[Float[np.ndarray, " row"]]],
    settings: Personalization,
) -> Weights:
    """Adapt to the patients of some slots."""

    def bring(of_row: Float[np.ndarray, " row"]) -> Float[Tensor, "patient slot"]:
        return torch.from_numpy(slots.spread(of_row)).float().to(learner.cohort.signal.device)

    labeled = learner.labeled(slots.row, bring(weights))
    parted = [(bring(near), bring(far)) for near, far in halves]
    return adapt(learner.model, labeled, parted, settings)
