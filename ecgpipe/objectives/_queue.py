"""Embeddings of earlier batches, newest first."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

NOBODY = -1  # the patient of a place not yet filled


class Queue(nn.Module):
    """The last `size` embeddings (or groups of them) and whose they are.

    They are part of the state that a fit resumes from.
    """

    embedding: Float[Tensor, "size ..."]
    patient: Int[Tensor, " size"]

    def __init__(self, size: int, *shape: int) -> None:
        super().__init__()
        self.register_buffer("embedding", torch.zeros(size, *shape))
        self.register_buffer("patient", torch.full((size,), NOBODY))

    @property
    def filled(self) -> Bool[Tensor, " size"]:
        """Tell which places hold an embedding."""
        return self.patient != NOBODY

    @torch.no_grad()
    def push(self, embedding: Float[Tensor, "batch ..."], patient: Int[Tensor, " batch"]) -> None:
        """Put a batch in front; what no longer fits falls off the end."""
        size = len(self.patient)
        self.embedding.copy_(torch.cat([embedding.float(), self.embedding])[:size])
        self.patient.copy_(torch.cat([patient, self.patient])[:size])
