"""What attributions by gradients share."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ecgpipe.logits import logit, settled
from ecgpipe.model import Classifier


@torch.enable_grad()
def gradient(
    network: Classifier, signal: Float[Tensor, "crop lead time"], label: Int[Tensor, " crop"]
) -> Float[Tensor, "crop lead time"]:
    """Differentiate the logit of each crop's label by the samples, in logits per millivolt."""
    given = signal.detach().requires_grad_()
    with settled(network):
        # crops do not see each other, so the gradient of the sum is each one's own
        (found,) = torch.autograd.grad(logit(network, given, label).sum(), given)
    return found
