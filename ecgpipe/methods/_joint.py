"""What the joint-norm methods share: both halves of a batch, and the loss behind the stem."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.modules.batchnorm import _BatchNorm

from ecgpipe.batches import Labeled, Unlabeled
from ecgpipe.methods._views import given
from ecgpipe.model import Backbone, Classifier


def refuse_still_norms(backbone: Backbone, method: str) -> None:
    """Raise if no batch norm uses the statistics of batches: unlabeled records had no say."""
    norms = [module for module in backbone.modules() if isinstance(module, _BatchNorm)]
    if not any(p.requires_grad for norm in norms for p in norm.parameters()):
        raise ValueError(
            f"{method}: of the backbone's {len(norms)} batch norms none learns, so unlabeled "
            "records would change nothing; choose a backbone that has some, and an adapter that "
            "trains their shifts (gated_lora, bias, norm, full)"
        )


def both(
    labeled: Labeled, unlabeled: Unlabeled | None, method: str
) -> Float[Tensor, "batch lead time"]:
    """Put labeled records and weak views of unlabeled ones, however many, behind each other."""
    return torch.cat([labeled.signal, given(unlabeled, method).weak])


def supervise(model: Classifier, stemmed: Tensor, labeled: Labeled) -> dict[str, Tensor]:
    """Return the loss of labeled records of which the stem's output is given."""
    assert model.head is not None, "a classifier without labels has no loss"
    tokens = model.backbone.trunk(stemmed)
    logit = model.head(tokens, model.backbone.recorded(labeled.signal, tokens.shape[1]))
    loss = binary_cross_entropy_with_logits(logit, labeled.target)
    return {"loss": loss, "supervised": loss}


def batch_norms(module: nn.Module) -> list[_BatchNorm]:
    """List the norms that use the statistics of batches now."""
    return [norm for norm in module.modules() if isinstance(norm, _BatchNorm) and norm.training]
