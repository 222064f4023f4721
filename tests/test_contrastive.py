"""Contrastive and clustering objectives against NumPy, from the formulas of their papers."""

import os
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.linalg import norm
from safetensors.torch import load_file

from ecgpipe import fit, registry
from ecgpipe.batches import Montage, Pretext
from ecgpipe.fit_settings import Fit
from ecgpipe.model import Classifier

# views without steps whose pieces differ: two crops of one signal
TOLD = {
    "simclr": {"views": (), "crop": 1.0},
    "byol": {"views": (), "crop": 1.0},
    "moco": {"views": (), "crop": 1.0, "queue": 24},
    "swav": {"views": (), "large": 1.0, "small": 0.5, "smalls": 1, "queue": 24, "prototypes": 8},
    "cmsc": {},
}
SCRIPT = Path(__file__).parent / "parallel_objective.py"


def unit(values):
    return values / norm(values, axis=1, keepdims=True)


def log_softmax(values):
    return values - np.log(np.exp(values).sum(axis=1, keepdims=True))


@pytest.fixture
def pairs():
    """Two sets of unit vectors, as NumPy; the same as those of published reference values."""
    i = np.arange(128.0).reshape(8, 16)
    one = np.sin(0.37 * i + 0.1)
    return unit(one), unit(one + 0.5 * np.cos(0.11 * i))


@pytest.fixture
def make(model):
    """Build an objective on the small backbone."""

    def made(name, **told):
        plugin = registry.load("objectives", name)
        torch.manual_seed(3)
        fresh = Classifier(deepcopy(model.backbone))
        return plugin.Objective(fresh, plugin.Config(**TOLD[name] | told))

    return made


@pytest.fixture
def batch(labeled):
    """A batch of two records a patient, always with the same draws."""

    def fresh(seed=0):
        index = torch.arange(16)
        generator = torch.Generator().manual_seed(seed)
        return Pretext(
            labeled.signal, None, index // 2, index, Montage(50, ("I", "II", "V1")), generator
        )

    return fresh


def state_of(objective):
    return {name: value.clone() for name, value in objective.state_dict().items()}


def unequal(one, other):
    return [name for name in one if not torch.equal(one[name], other[name])]


# --- losses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("temperature", "expected"), [(0.5, 2.0129489385), (0.1, 1.4011611562)])
def test_nt_xent_equals_the_formula_of_chen_et_al(pairs, temperature, expected):
    z = np.concatenate(pairs)
    exponentials = np.exp(z @ z.T / temperature)
    terms = []
    for i in range(16):
        others = [k for k in range(16) if k != i]
        terms.append(-np.log(exponentials[i, (i + 8) % 16] / exponentials[i, others].sum()))
    nt_xent = registry.load("objectives", "simclr").nt_xent
    found = nt_xent(*map(torch.from_numpy, pairs), temperature)
    assert np.mean(terms) == pytest.approx(expected, abs=1e-9)
    assert float(found) == pytest.approx(expected, abs=2e-6)


def test_nt_xent_stays_finite_at_a_temperature_where_exponentials_overflow(pairs):
    nt_xent = registry.load("objectives", "simclr").nt_xent
    one = torch.from_numpy(pairs[0]).float()
    assert float(nt_xent(one, one, 1e-3)) == pytest.approx(0.0, abs=1e-4)


def test_the_byol_loss_of_both_directions_is_minus_four_mean_cosines(pairs):
    one, other = map(torch.from_numpy, pairs)
    disagreement = registry.load("objectives", "byol").disagreement
    found = float(disagreement(one, other) + disagreement(other, one))
    assert found == pytest.approx(-4 * np.mean((pairs[0] * pairs[1]).sum(axis=1)), abs=2e-6)
    assert found == pytest.approx(-3.6150702298, abs=2e-6)


def test_the_moco_loss_equals_the_formula_of_he_et_al(pairs, rng):
    query, key = pairs
    queue, tau = unit(rng.normal(size=(5, 16))), 0.2
    own = np.exp((query * key).sum(axis=1) / tau)
    others = np.exp(query @ queue.T / tau).sum(axis=1)
    info_nce = registry.load("objectives", "moco").info_nce
    found = info_nce(*map(torch.from_numpy, (query, key, query @ queue.T)), tau)
    assert float(found) == pytest.approx(-np.log(own / (own + others)).mean(), abs=2e-6)


def test_every_segment_of_a_patient_attracts_alike(pairs):
    one, other = pairs
    patient = np.array([0, 0, 1, 2, 2, 2, 3, 4])
    logs = log_softmax(one @ other.T / 0.1)
    expected = [-np.mean(logs[i, patient == patient[i]]) for i in range(8)]
    plugin = registry.load("objectives", "cmsc")
    same = torch.from_numpy(patient == patient[:, None])
    found = plugin.attraction(torch.from_numpy(one @ other.T) / 0.1, same)
    assert float(found) == pytest.approx(np.mean(expected), rel=1e-6)


def test_sinkhorn_equals_the_iterations_of_caron_et_al(rng):
    scores = rng.uniform(-1, 1, size=(12, 5))
    shares = np.exp(scores / 0.05).T
    shares /= shares.sum()
    for _ in range(3):
        shares /= shares.sum(axis=1, keepdims=True) * 5
        shares /= shares.sum(axis=0, keepdims=True) * 12
    sinkhorn = registry.load("objectives", "swav").sinkhorn
    found = sinkhorn(torch.from_numpy(scores), torch.ones(12, dtype=bool), 0.05, 3)
    assert np.allclose(found, 12 * shares.T, atol=1e-9)


def test_what_does_not_count_changes_no_cluster_of_the_others(rng):
    scores = torch.from_numpy(rng.uniform(-1, 1, size=(12, 5)))
    sinkhorn = registry.load("objectives", "swav").sinkhorn
    whole = sinkhorn(scores, torch.arange(12) < 8, 0.05, 3)
    assert torch.allclose(whole[:8], sinkhorn(scores[:8], torch.ones(8, dtype=bool), 0.05, 3))


def test_many_iterations_share_samples_evenly_among_prototypes(rng):
    scores = torch.from_numpy(rng.uniform(-1, 1, size=(20, 5)))
    sinkhorn = registry.load("objectives", "swav").sinkhorn
    codes = sinkhorn(scores, torch.ones(20, dtype=bool), 0.05, 500)
    assert torch.allclose(codes.sum(dim=0), torch.full((5,), 4.0, dtype=torch.float64), atol=1e-3)


def test_the_swav_loss_is_the_mean_over_every_code_and_every_other_view(rng):
    codes = [rng.dirichlet(np.ones(5), size=6) for _ in range(2)]
    scores = [rng.uniform(-1, 1, size=(6, 5)) for _ in range(4)]
    terms = [
        -(codes[i] * log_softmax(scores[j] / 0.1)).sum(axis=1).mean()
        for i, j in [(0, 1), (0, 2), (0, 3), (1, 0), (1, 2), (1, 3)]
    ]
    tensors = [list(map(torch.from_numpy, values)) for values in (codes, scores)]
    found = registry.load("objectives", "swav").swapped(*tensors, 0.1)
    assert float(found) == pytest.approx(np.mean(terms), rel=1e-9)


# --- what the objectives make of a batch --------------------------------------------------------


@pytest.mark.parametrize("name", TOLD)
def test_a_loss_follows_from_the_generator_alone(name, make, batch):
    objective = make(name).eval()
    assert torch.equal(objective(batch(1))["loss"], objective(batch(1))["loss"])


def test_the_byol_loss_is_that_of_its_own_predictor_and_target(make, batch):
    objective = make("byol", crop=None).eval()  # both views are the signal itself
    given = batch()
    with torch.no_grad():
        predicted = objective.predictor(objective.embedder(given.signal)).double().numpy()
        target = objective.target(given.signal).double().numpy()
    expected = -4 * np.mean((unit(predicted) * unit(target)).sum(axis=1))
    assert float(objective(given)["loss"].detach()) == pytest.approx(expected, abs=1e-5)


def test_keys_of_a_querys_own_patient_are_no_negatives(make, batch):
    objective = make("moco").eval()
    objective.queue.push(torch.randn(24, 128), torch.full((24,), 7))
    with torch.no_grad():
        losses = [
            float(objective(replace(batch(), patient=torch.full((16,), patient)))["loss"])
            for patient in (7, 8)
        ]
    assert losses[0] == 0.0 and losses[1] > 0.1


def test_the_newest_embeddings_stand_in_front_of_the_queue(make, batch):
    queue = make("moco").queue
    queue.push(torch.ones(16, 128), torch.arange(16))
    queue.push(torch.full((16, 128), 2.0), torch.arange(16, 32))
    assert queue.patient.tolist() == [*range(16, 32), *range(8)]
    assert torch.equal(queue.embedding[:, 0], torch.tensor([2.0] * 16 + [1.0] * 8))


def test_two_crops_are_pieces_of_the_same_signal(batch):
    from ecgpipe.objectives._views import random_crops

    signal, generator = batch().signal, torch.Generator().manual_seed(0)
    pieces = random_crops(signal, 30, generator)
    for i, piece in enumerate(pieces):
        starts = [s for s in range(71) if torch.equal(signal[i, :, s : s + 30], piece)]
        assert len(starts) == 1
    everything = [random_crops(torch.arange(5.0).expand(99, 1, 5), 4, generator)[:, 0, 0]]
    assert set(torch.cat(everything).tolist()) == {0.0, 1.0}  # the last place, too


def test_the_halves_of_a_crop_are_told_apart_by_cmsc(make, batch):
    seen = []
    objective = make("cmsc").eval()
    objective.embedder.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    objective(batch())
    assert torch.equal(torch.cat(seen, dim=-1), batch().signal)


# --- what is kept between steps -----------------------------------------------------------------


@pytest.mark.parametrize("name", TOLD)
def test_judging_an_objective_changes_nothing_that_it_keeps(name, make, batch):
    objective = make(name)
    objective(batch())  # a queue has something in it
    before = state_of(objective)
    objective.eval()(batch(1))
    assert unequal(before, objective.state_dict()) == []


@pytest.mark.parametrize("name", ["byol", "moco"])
def test_no_gradient_reaches_the_average(name, make, batch):
    objective = make(name)
    objective(batch())
    objective(batch())["loss"].backward()
    average = objective.target if name == "byol" else objective.average
    assert all(p.grad is None and not p.requires_grad for p in average.parameters())


@pytest.mark.parametrize(("name", "decay"), [("byol", 0.998), ("moco", 0.999)])
def test_the_average_follows_weights_biases_and_statistics(name, decay, make, batch):
    objective = make(name)
    average = objective.target if name == "byol" else objective.average
    before = state_of(average)
    objective(batch())  # moves the statistics of norms
    with torch.no_grad():
        [p.add_(torch.randn(p.shape)) for p in objective.embedder.parameters()]
    objective.after_step(5, 10)  # half way: byol's decay has risen from 0.996 to 0.998
    new = objective.embedder.state_dict()
    for key, value in average.state_dict().items():
        if value.is_floating_point():
            expected = decay * before[key] + (1 - decay) * new[key]
            assert torch.allclose(value, expected, atol=1e-6), key
    assert unequal({k: v for k, v in before.items() if v.is_floating_point()}, new)


def test_the_decay_rises_on_a_cosine_from_its_first_value_to_one():
    from ecgpipe.objectives._average import rising_decay

    found = [rising_decay(0.996, step, 100) for step in (0, 50, 100)]
    assert found == pytest.approx([0.996, 0.998, 1.0])


def test_prototypes_learn_only_after_their_first_steps(make, batch):
    objective = make("swav", held=0.5)
    gradients = []
    for step in (0, 4, 5):
        objective.after_step(step, 10)
        objective.zero_grad()
        objective(batch())["loss"].backward()
        gradients.append(bool(objective.prototypes.grad.any()))
    assert gradients == [False, False, True]


def test_the_queue_counts_in_the_clusters_only_from_its_share_of_the_steps_on(make, batch):
    objective = make("swav", queue_from=0.5)
    objective(batch(1))
    objective.eval()
    objective.after_step(4, 10)
    before = objective(batch())["loss"]
    objective.queue.embedding.neg_()
    assert torch.equal(before, objective(batch())["loss"])
    objective.after_step(5, 10)
    assert not torch.equal(before, objective(batch())["loss"])


# --- fitting ------------------------------------------------------------------------------------


def work_of(objective, batch, validate):
    """State what the loop is to fit."""
    return fit.Work(
        loss=objective,
        model=Classifier(objective.embedder.backbone),
        make_batch=lambda step, generator: (batch(step),),
        name_records=lambda step: [],
        validate=validate,
        measure="valid_loss_negated",
        example=torch.zeros(1, 3, 50),
        samples=16,
        identity="one",
    )


class Interrupted(Exception):
    """Stands in for a kill."""


@pytest.mark.parametrize("name", TOLD)
def test_a_resumed_pretraining_equals_an_uninterrupted_one(
    name, make, batch, tmp_path, monkeypatch
):
    monkeypatch.setattr(fit, "SAVE_SECONDS", 0.0)
    settings = Fit(steps=6, validate_every=3, batch=16, rate=1e-2, mixed=False)

    def train(folder, scores):
        objective = make(name)

        def validate(network):
            if (score := next(scores, None)) is None:
                raise Interrupted
            return score

        work = work_of(objective, batch, validate)
        fit.fit(work, settings, seed=0, state=tmp_path / folder)
        return state_of(objective)

    whole = train("whole", iter([1.0, 2.0]))
    with pytest.raises(Interrupted):
        train("cut", iter([1.0]))
    assert unequal(whole, train("cut", iter([2.0]))) == []


@pytest.mark.parametrize("name", TOLD)
def test_the_loss_falls(name, make, batch, tmp_path):
    objective = make(name)
    if name == "moco":  # negatives from the start, so that losses compare
        objective.queue.push(torch.randn(24, 128), torch.full((24,), 99))
    work = work_of(objective, batch, lambda network: 0.0)
    settings = Fit(steps=40, validate_every=10, batch=16, rate=3e-3, mixed=False)
    history, _ = fit.fit(work, settings, seed=0, state=tmp_path)
    assert history[-1]["loss"] < history[0]["loss"] - 0.05


def test_two_processes_fit_every_objective_as_one_does(tmp_path):
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parent.parent)}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for out, launcher in (("one", []), ("two", torchrun)):
        command = [sys.executable, *launcher, str(SCRIPT), str(tmp_path / out), *TOLD]
        subprocess.run(command, check=True, env=env, capture_output=True)
    one, two = load_file(tmp_path / "one"), load_file(tmp_path / "two")
    apart = {key: float((one[key] - two[key]).abs().max()) for key in one}
    assert len(one) > 500 and max(apart.values()) < 1e-6, apart
