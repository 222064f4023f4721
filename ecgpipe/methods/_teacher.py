"""A teacher that is the slow average of its student, and how its say rises."""

import copy
import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe.model import Classifier
from ecgpipe.states import follow


class Teacher(nn.Module):
    """An average of a model's weights and statistics of norms; nothing in it learns from a loss.

    It is always as in prediction: without dropout, its norms use the statistics they have averaged.
    """

    say: Tensor  # what the loss of learning from it is to be multiplied with

    def __init__(self, model: Classifier, rise: float) -> None:
        super().__init__()
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.rise = rise  # share of the steps in which its say rises
        self.register_buffer("say", torch.tensor(risen(0, 1, rise)))
        self.eval()

    def train(self, mode: bool = True) -> "Teacher":
        """Stay as in prediction, whatever the mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, signal: Float[Tensor, "batch lead time"]) -> Float[Tensor, "batch label"]:
        """Return the probability of every label."""
        return self.model(signal).float().sigmoid()

    def follow(self, student: Classifier, decay: float, step: int, steps: int) -> None:
        """Move towards the student, at first by more than the decay says; let the say rise."""
        follow(self.model, student, min(decay, 1 - 1 / (step + 1)))
        self.say.fill_(risen(step, steps, self.rise))


def risen(step: int, steps: int, share: float) -> float:
    """Return a weight that rises from e^-5 to 1 in a share of the steps (Laine & Aila 2017)."""
    left = max(0.0, 1 - step / (share * steps)) if share else 0.0
    return math.exp(-5 * left**2)
