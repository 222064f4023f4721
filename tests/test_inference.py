"""What a model makes of whole signals: probabilities, with embeddings beside them."""

import pandas as pd
import pytest
import torch

from ecgpipe import inference
from ecgpipe.batches import Montage
from ecgpipe.cohort import Cohort


@pytest.fixture
def cohort():
    """Five seconds each of two records; the later one was recorded for three."""
    generator = torch.Generator().manual_seed(0)
    signal = torch.randint(-500, 500, (2, 3, 250), generator=generator, dtype=torch.int16)
    signal[1, :, 150:] = 0
    table = pd.DataFrame({"record": ["a", "b"], "samples": [250, 150]})
    return Cohort(table, signal, torch.zeros(2, 3), torch.arange(2), Montage(50, ("I", "II", "V1")))


def test_probabilities_are_the_same_with_embeddings_beside_them(model, cohort):
    said, _ = inference.probabilities_and_embeddings(model, cohort, 2.0, 1.0)
    assert torch.equal(said, inference.probabilities(model, cohort, 2.0, 1.0))


def test_an_embedding_averages_the_maximum_and_mean_of_tokens_over_crops(model, cohort):
    _, embedded = inference.probabilities_and_embeddings(model, cohort, 2.0, 1.0)
    signal = cohort.signal.float() / 1000
    for record, starts in enumerate([(0, 50, 100, 150), (0, 50)]):
        crops = torch.stack([signal[record, :, start : start + 100] for start in starts])
        with torch.no_grad():
            tokens = model.eval().backbone(crops)
        expected = torch.cat([tokens.amax(dim=1), tokens.mean(dim=1)], dim=1).mean(dim=0)
        torch.testing.assert_close(embedded[record], expected, rtol=1e-4, atol=1e-5)
