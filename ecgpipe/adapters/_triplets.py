"""Updates in triplets, `P diag(lambda) Q`, of which some come or go (AdaLoRA, IncreLoRA).

A triplet is a column of P, a singular value, and a row of Q. Singular values start at zero.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ecgpipe.adapter_files import Factors
from ecgpipe.adapters._low_rank import Site, Update
from ecgpipe.model import Classifier

Mask = Float[Tensor, "block rank"]


class Triplets(Update):
    """An update in which `up` is P and `down` is Q."""

    def __init__(self, site: Site, rank: int) -> None:
        super().__init__(site, rank)
        self.singular = nn.Parameter(self.up.new_zeros(site.blocks, self.up.shape[-1]))
        for factor in (self.up, self.down):
            nn.init.normal_(factor, std=0.02)

    def factors(self) -> Factors:
        """Give P with the singular values, and Q."""
        return self.up * self.singular[:, None], self.down

    def merged(self) -> Factors:
        """Give the factors that merging folds in, without triplets that count in no block."""
        some = self.singular.ne(0).any(0)
        up, down = self.factors()
        return up[..., some], down[:, some]

    def counted(self) -> Mask:
        """Mark the triplets that are to be orthogonal."""
        return torch.ones_like(self.singular)

    def disorder(self) -> Float[Tensor, ""]:
        """Tell how far from orthogonal: |P'P - I|^2 + |QQ' - I|^2 (Zhang et al. 2023, Eq. 4)."""
        counted = self.counted()
        pairs = counted[:, :, None] * counted[:, None]
        same = torch.eye(counted.shape[1], dtype=counted.dtype, device=counted.device)
        products = self.up.mT @ self.up, self.down @ self.down.mT
        return torch.stack([((each - same) * pairs).square().sum() for each in products]).sum()


def penalty(found: Sequence[Triplets], weight: float) -> Float[Tensor, ""]:
    """Return what keeps P and Q of all updates orthogonal."""
    return weight * torch.stack([update.disorder() for update in found]).sum()


def describe(model: Classifier) -> dict[str, Any]:
    """State the ranks found, block by block, and how many numbers their triplets hold."""
    found = {
        name.partition(".parametrizations")[0].removesuffix(".update"): module
        for name, module in model.named_modules()
        if isinstance(module, Triplets)
    }
    ranks = {name: update.singular.ne(0).sum(1).tolist() for name, update in found.items()}
    sizes = {name: 1 + u.up.shape[1] + u.down.shape[2] for name, u in found.items()}
    held = sum(sum(ranks[name]) * size for name, size in sizes.items())
    return {"update_parameters": held, "ranks": ranks}


def remember(
    seen: Sequence[Tensor],
    sensitivity: Sequence[Tensor],
    uncertainty: Sequence[Tensor],
    memory: float,
) -> None:
    """Move averages of importances, and of how these vary, towards new ones (Eq. 9 and 10)."""
    new, means, spreads = list(seen), list(sensitivity), list(uncertainty)
    torch._foreach_lerp_(means, new, 1 - memory)
    away = torch._foreach_sub(new, means)
    torch._foreach_abs_(away)
    torch._foreach_lerp_(spreads, list(away), 1 - memory)
