"""The loop: resuming, schedules, averages, errors."""

from copy import deepcopy
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from ecgpipe import fit, registry, schedules, states
from ecgpipe.batches import Labeled
from ecgpipe.fit_settings import Fit

SETTINGS = Fit(steps=12, validate_every=4, batch=16, rate=1e-2)


class Interrupted(Exception):
    """Stands in for a kill."""


@pytest.fixture
def make_work(model, labeled):
    """Build the same work again and again, each time from the same first weights."""

    def make(validate=None, labeled=labeled, dropout=0.5):
        plugin = registry.load("methods", "supervised")
        network = deepcopy(model)
        for module in network.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = dropout

        def make_batch(step, generator):
            noise = torch.randn(labeled.signal.shape, generator=generator)
            return Labeled(labeled.signal + noise, labeled.target), None

        return fit.Work(
            loss=plugin.Method(network, plugin.Config()),
            model=network,
            make_batch=make_batch,
            name_records=lambda step: [f"record-{step}"],
            validate=validate or (lambda network: 0.0),
            measure="valid_auroc",
            example=labeled.signal[:1],
            samples=16,
            identity="one",
        )

    return make


def weights(work):
    return torch.cat(
        [p.flatten() for p in work.model.state_dict().values() if p.is_floating_point()]
    )


@pytest.mark.parametrize(
    "settings", [SETTINGS, Fit(**{**vars(SETTINGS), "ema": 0.9, "head_steps": 6})]
)
def test_a_resumed_fit_equals_an_uninterrupted_one_bit_for_bit(
    settings, make_work, tmp_path, monkeypatch
):
    monkeypatch.setattr(fit, "SAVE_SECONDS", 0.0)
    rising = iter(range(100))
    whole = make_work(lambda network: float(next(rising)))
    fit.fit(whole, settings, seed=3, state=tmp_path / "whole")

    scores = iter([0, 1])

    def fail_after_two(network):
        try:
            return float(next(scores))
        except StopIteration:
            raise Interrupted from None

    with pytest.raises(Interrupted):
        fit.fit(make_work(fail_after_two), settings, seed=3, state=tmp_path / "cut")
    resumed = make_work(lambda network: 2.0)
    history, _ = fit.fit(resumed, settings, seed=3, state=tmp_path / "cut")
    assert [row["step"] for row in history] == [4, 8, 12]
    assert torch.equal(weights(whole), weights(resumed))


def test_a_state_of_other_settings_is_not_resumed(make_work, tmp_path, monkeypatch):
    monkeypatch.setattr(fit, "SAVE_SECONDS", 0.0)
    fit.fit(make_work(), SETTINGS, seed=3, state=tmp_path)
    other = make_work()
    object.__setattr__(other, "identity", "two")
    loop = fit.Loop(other, SETTINGS, 3, tmp_path)
    loop.resume()
    assert loop.progress.step == 0


def test_the_best_weights_are_kept_not_the_last(make_work, tmp_path):
    seen = []

    def validate(network):
        seen.append(weights(work).clone())
        return [1.0, 3.0, 2.0][len(seen) - 1]

    work = make_work(validate)
    fit.fit(work, SETTINGS, seed=3, state=tmp_path)
    assert torch.equal(weights(work), seen[1])


def test_patience_ends_a_fit_that_does_not_improve(make_work, tmp_path):
    settings = Fit(**{**vars(SETTINGS), "patience": 2, "steps": 100})
    history, cost = fit.fit(make_work(), settings, seed=3, state=tmp_path)
    assert len(history) == 3 and cost["steps"] == 12


def test_a_nan_stops_the_run_and_names_the_records(make_work, labeled, tmp_path):
    labeled.signal[3, 0, 50] = float("nan")
    with pytest.raises(ValueError, match="loss of step 0 is not a finite number.*record-0"):
        fit.fit(make_work(), SETTINGS, seed=3, state=tmp_path)


def test_a_score_that_is_no_number_stops_the_run(make_work, tmp_path):
    with pytest.raises(ValueError, match="valid_auroc is nan at step 4: the valid part needs"):
        fit.fit(make_work(lambda _: float("nan")), SETTINGS, seed=3, state=tmp_path)


def test_a_module_that_a_loss_names_twice_is_kept_once(model):
    class Twice(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model, self.backbone = model, model.backbone

    names = states.distinct(Twice().state_dict())
    assert names and not any(name.startswith("backbone") for name in names)


def test_no_steps_leave_the_weights_alone(make_work, tmp_path):
    work = make_work()
    before = weights(work).clone()
    history, cost = fit.fit(work, Fit(steps=0, validate_every=1), seed=3, state=tmp_path)
    assert torch.equal(weights(work), before) and history == [] and cost["steps"] == 0


def test_the_head_learns_alone_at_first(make_work, tmp_path):
    settings = Fit(**{**vars(SETTINGS), "head_steps": 12})
    work = make_work()
    before = deepcopy(work.model.backbone.state_dict())
    fit.fit(work, settings, seed=3, state=tmp_path)
    after = work.model.backbone.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_rates_fall_towards_the_input_and_norms_are_not_decayed(make_work):
    work = make_work()
    groups = schedules.parameter_groups(work.model, work.loss, Fit(1, 1, rate=0.1, rate_decay=0.01))
    rates = {id(p): g["peak"] for g in groups for p in g["params"]}
    first = next(iter(work.model.backbone.layers()[0].parameters()))
    assert rates[id(first)] == pytest.approx(0.001)
    assert all(rates[id(p)] == pytest.approx(0.1) for p in work.model.head.parameters())
    assert all(g["weight_decay"] == 0 for g in groups if g["params"][0].dim() == 1)


def test_one_cycle_rises_to_the_full_rate_and_falls_to_none():
    settings = Fit(steps=101, validate_every=1)
    factors = [schedules.rate_factor(settings, step) for step in range(101)]
    assert factors[0] == pytest.approx(0.04) and factors[30] == pytest.approx(1.0)
    assert factors[100] == pytest.approx(1e-5) and factors.index(max(factors)) == 30


def test_cosine_warms_up_and_constant_stays():
    cosine = Fit(steps=100, validate_every=1, schedule="cosine", warmup=0.1)
    assert schedules.rate_factor(cosine, 0) < 0.1 < schedules.rate_factor(cosine, 50)
    assert schedules.rate_factor(cosine, 99) == pytest.approx(0.0, abs=1e-9)
    assert schedules.rate_factor(Fit(100, 1, schedule="constant"), 99) == 1.0


def test_an_average_of_weights_follows_by_its_decay():
    average, model = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    before = average.weight.detach().clone()
    states.follow(average, model, 0.75)
    assert torch.allclose(average.weight, 0.75 * before + 0.25 * model.weight)


def test_the_last_weights_are_kept_where_a_fit_says_so(make_work, tmp_path):
    falling = iter([3.0, 2.0, 1.0])
    seen = []

    def judge(network):
        seen.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
        return next(falling)

    settings = Fit(**{**vars(SETTINGS), "keep": "last"})
    work = make_work(judge)
    _, cost = fit.fit(work, settings, seed=3, state=tmp_path / "last")
    assert cost["best_step"] == 12 and cost["best_score"] == 1.0
    assert torch.equal(torch.cat([p.detach().flatten() for p in work.model.parameters()]), seen[-1])


def test_hooks_are_called_around_every_update_with_the_steps_own_randomness(make_work, tmp_path):
    told = []
    hooks = fit.Hooks(
        before_step=lambda generator: told.append(generator.initial_seed()),
        penalty=lambda: torch.tensor(2.0),
        after_step=lambda step, steps: told.append((step, steps)),
    )
    work = replace(make_work(), hooks=hooks)
    history, _ = fit.fit(work, SETTINGS, seed=3, state=tmp_path / "hooked")
    assert told[1::2] == [(step, 12) for step in range(1, 13)] and len(set(told[::2])) == 12
    assert history[0]["loss"] == pytest.approx(history[0]["supervised"] + 2)


def test_a_linear_schedule_rises_and_falls_in_even_steps():
    linear = Fit(steps=101, validate_every=1, schedule="linear", warmup=0.2)
    factors = [schedules.rate_factor(linear, step) for step in range(101)]
    assert factors[20] == 1 and factors[60] == pytest.approx(0.5) and factors[100] == 0
    assert all(later > earlier for earlier, later in pairwise(factors[:21]))
