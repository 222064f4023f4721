"""The linear probe in closed form, against scikit-learn; how sure a difference of two probes is."""

from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from ecgpipe.batches import Montage

PATIENTS, EACH = 40, 3  # and their records


@pytest.fixture
def features(rng):
    """Embeddings, targets that depend on them, and the patient of each record."""
    patient = np.repeat(np.arange(PATIENTS), EACH)
    embedding = 5 + rng.normal(size=(len(patient), 6)) * [1, 10, 0.1, 1, 1, 1]
    target = embedding[:, :2] - 5 + rng.normal(size=(len(patient), 2)) > 0
    return embedding, target.astype(float), patient


def make_cohort(labeled, seed):
    """Records whose labels show as offsets of single leads, three of each patient."""
    from ecgpipe.cohort import Cohort

    generator = torch.Generator().manual_seed(seed)
    target = (torch.rand(PATIENTS * EACH, 3, generator=generator) < 0.4).float()
    noise = torch.randn(len(target), 3, 100, generator=generator)
    shift = torch.randn(len(target), 3, 1, generator=generator)
    signal = (1000 * (noise + shift + target[:, :, None])).to(torch.int16)
    patient = torch.arange(len(target)) // EACH
    table = pd.DataFrame({"record": np.arange(len(target)), "samples": 100})
    return Cohort(table, signal, target, patient, Montage(50, ("I", "II", "V1")))


@pytest.fixture
def cohorts(labeled):
    return make_cohort(labeled, 0), make_cohort(labeled, 1)


def by_scikit_learn(embedding, target, judged, penalty):
    scaler = StandardScaler().fit(embedding)
    fitted = Ridge(alpha=penalty * len(embedding)).fit(scaler.transform(embedding), target)
    return fitted.predict(scaler.transform(judged))


def tensors(*arrays):
    return [torch.from_numpy(array) for array in arrays]


def test_it_says_what_ridge_regression_of_scikit_learn_says(features, rng):
    from ecgpipe.probing import ridge

    embedding, target, _ = features
    judged, penalties = rng.normal(size=(7, 6)), np.array([0.001, 1.0, 30.0])
    said = ridge(*tensors(embedding, target, judged, penalties))
    for own, penalty in zip(said, penalties, strict=True):
        expected = by_scikit_learn(embedding, target, judged, penalty)
        np.testing.assert_allclose(own, expected, rtol=1e-9, atol=1e-12)


def test_a_feature_that_never_changes_says_nothing(features):
    from ecgpipe.probing import ridge

    embedding, target, _ = features
    constant = np.column_stack([embedding, np.full(len(embedding), 0.1)])
    judged = constant + np.eye(7)[6]  # only the constant one differs there
    with_it = ridge(*tensors(constant, target, constant, np.array([0.01])))
    without = ridge(*tensors(embedding, target, embedding, np.array([0.01])))
    torch.testing.assert_close(with_it, without)
    assert ridge(*tensors(constant, target, judged, np.array([0.01]))).isfinite().all()


def test_some_patients_learned_from_choose_the_penalty_that_errs_least(features):
    from ecgpipe.probing import INNER, PENALTIES, choose_penalty

    embedding, target, patient = features
    inner = patient % INNER == 0
    parts = embedding[~inner], target[~inner], embedding[inner]
    errors = [((by_scikit_learn(*parts, p) - target[inner]) ** 2).mean() for p in PENALTIES]
    chosen = choose_penalty(*tensors(embedding, target, patient))
    assert chosen.item() == PENALTIES[np.argmin(errors)]


def test_an_encoder_is_scored_by_what_its_pooled_tokens_tell_of_other_patients(model, cohorts):
    from ecgpipe.probing import Probe, choose_penalty

    learned, judged = cohorts
    model.eval()
    with torch.no_grad():
        tokens = [model.backbone(cohort.signal.float() / 1000) for cohort in cohorts]
    embedded = [torch.cat([t.amax(dim=1), t.mean(dim=1)], dim=1).double() for t in tokens]
    penalty = choose_penalty(embedded[0], learned.target.double(), learned.patient).item()
    first, other = (each.numpy() for each in embedded)
    said = by_scikit_learn(first, learned.target.numpy(), other, penalty)
    expected = roc_auc_score(judged.target.numpy(), said, average=None)
    scored = Probe(learned, judged, seconds=2.0)(model)
    np.testing.assert_allclose(scored.value, [expected.mean(), *expected], atol=1e-4)


def test_a_gain_is_as_uncertain_as_a_bootstrap_of_patients_shows_it(rng):
    from ecgpipe import registry, scores
    from ecgpipe.probing import gain

    patient = np.repeat(np.arange(PATIENTS), EACH)
    target = rng.random((len(patient), 1)) < 0.4
    one, other = (target + rng.normal(size=target.shape) * noise for noise in (1.0, 1.2))
    auroc, weight = registry.load("metrics", "auroc"), scores.resample_patients(patient)
    samples = [scores.Sample(target, said, np.zeros(1)) for said in (one, other)]
    measured = [
        scores.Measured(scores.estimate(auroc, s), scores.replicate(auroc, s, weight))
        for s in samples
    ]
    differences = []
    for _ in range(400):
        drawn = rng.integers(PATIENTS, size=PATIENTS)
        row = (EACH * drawn[:, None] + np.arange(EACH)).ravel()
        first, second = (roc_auc_score(target[row], said[row]) for said in (one, other))
        differences.append(first - second)
    difference, error = gain(*measured)
    assert difference == roc_auc_score(target, one) - roc_auc_score(target, other)
    assert error == pytest.approx(np.std(differences), rel=0.15)


def test_an_encoder_gains_nothing_over_itself_for_sure(model, cohorts):
    from ecgpipe.probing import Probe, gain

    probe = Probe(*cohorts, seconds=2.0)
    assert gain(probe(model), probe(deepcopy(model))) == (0.0, 0.0)


def test_probing_leaves_the_encoder_as_it_was(model, cohorts):
    from ecgpipe.probing import Probe

    before = deepcopy(model.train().state_dict())
    Probe(*cohorts, seconds=2.0)(model)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_without_labels_that_differ_between_records_nothing_is_probed(cohorts):
    from dataclasses import replace

    from ecgpipe.probing import Probe

    learned, judged = cohorts
    everyone = replace(judged, target=torch.ones_like(judged.target))
    with pytest.raises(ValueError, match="none of 3 labels is carried by some of the 120 held-out"):
        Probe(learned, everyone, seconds=2.0)
