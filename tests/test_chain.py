"""Greedy chaining of pretexts: on a planted backbone, and as a pretraining of made-up records."""

import json
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from ecgpipe.batches import Montage
from ecgpipe.fit_settings import Fit
from tests.conftest import FIT, LABELS

SHOWN = {"byol": [0], "simclr": [1, 2], "cmsc": []}  # leads that a planted pretext brings out
STEPS = {"byol": 10, "simclr": 30, "cmsc": 20}
PRETEXTS = tuple({"name": name, "fit": {"steps": steps}} for name, steps in STEPS.items())
SETTINGS = Fit(steps=5, validate_every=5, crop=2.0, rate=0.01)


class Interrupted(Exception):
    """Stands in for a kill."""


@pytest.fixture
def network():
    """An encoder that shows no lead, until a pretext brings it out."""
    from ecgpipe.model import Backbone, Classifier

    class Leads(Backbone):
        dim = 3

        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.zeros(3))

        def forward(self, signal):
            return signal.mT * self.scale

    return Classifier(Leads(), LABELS)


@pytest.fixture
def planted():
    """Patients each of whose labels shows in one lead, and pretexts that bring leads out."""
    from ecgpipe.cohort import Cohort
    from ecgpipe.outcomes import Progress, cost
    from ecgpipe.pretraining import Learnt, Material

    def cohort(seed):
        generator = torch.Generator().manual_seed(seed)
        target = (torch.rand(90, 3, generator=generator) < 0.5).float()
        signal = torch.randn(90, 3, 100, generator=generator) + target[:, :, None]
        table = pd.DataFrame({"record": np.arange(90), "samples": 100})
        montage = Montage(50, ("I", "II", "V1"))
        signal = (1000 * signal).to(torch.int16)
        return Cohort(table, signal, target, torch.arange(90) // 2, montage)

    class Planted(Material):
        fitted: list = []  # pretexts, steps, and the leads that were shown before
        last: int | None = None  # fits, after which it is killed

        def learn(self, network, objective, settings, seed, state):
            if self.last == len(self.fitted):
                raise Interrupted
            assert self.labels == () and not self.learned.target.numel()
            scale, name = network.backbone.scale.data, objective["name"]
            self.fitted.append((name, settings.steps, scale.nonzero().flatten().tolist()))
            scale[SHOWN[name]] = 1.0
            took = Progress(settings.steps, fit_seconds=settings.steps / 10, flops=settings.steps)
            spent = cost(took, network, [], torch.zeros(1, 3, 100), 64)
            return Learnt(network, [{"loss": 0.5}], spent, "valid_loss_negated", ())

    Planted.fitted = []
    return Planted(cohort(0), cohort(1), LABELS, {"name": "full"}, "same")


@pytest.fixture
def search(network, planted, tmp_path):
    """Search a chain from the network as it is."""
    from ecgpipe.objectives import chain

    def run(folder="state", **told):
        config = chain.Config(**{"pretexts": PRETEXTS} | told)
        given = (config, planted, SETTINGS, 0, tmp_path / folder)
        return chain.search(deepcopy(network), *given)

    return run


def leads(learnt):
    return learnt.network.backbone.scale.nonzero().flatten().tolist()


def test_the_pretext_that_helps_most_comes_first_and_what_helps_nothing_is_left_out(search):
    learnt = search()
    assert learnt.told == {"chain": ["simclr", "byol"]} and leads(learnt) == [0, 1, 2]
    assert learnt.network.head is None
    assert [(one["objective"], one["steps"]) for one in learnt.seen] == [
        ("simclr", 30),
        ("byol", 10),
    ]
    assert all(one["labels"] == [] and one["probed"] == list(LABELS) for one in learnt.seen)


def test_every_link_goes_on_from_the_chain_and_none_is_tried_twice(search, planted):
    search()
    first = [("byol", 10, []), ("simclr", 30, []), ("cmsc", 20, [])]
    after_simclr = [("byol", 10, [1, 2]), ("cmsc", 20, [1, 2])]
    assert planted.fitted == [*first, *after_simclr, ("cmsc", 20, [0, 1, 2])]


def test_the_history_tells_every_link_and_what_all_of_them_took_so_far(search):
    table = pd.DataFrame(search().history)
    assert table["pretext"].tolist() == ["start", *STEPS, "byol", "cmsc", "cmsc"]
    assert table["place"].tolist() == [0, 1, 1, 1, 2, 2, 3]
    assert table["kept"].tolist() == [True, False, True, False, True, False, False]
    assert table["step"].tolist() == [0, 10, 40, 60, 70, 90, 110]
    assert table["flops"].tolist() == table["step"].tolist()
    np.testing.assert_allclose(table["seconds"], table["step"] / 10)
    probed, before = table["valid_probe"], [0, 0, 0, 2, 2, 4]  # lines that each was tried from
    np.testing.assert_allclose(table["gain"][1:], probed[1:].to_numpy() - probed[before].to_numpy())
    assert probed[0] == 0.5 and table["gain"][6] == 0


def test_the_cost_is_that_of_every_link_kept_or_not(search):
    learnt = search()
    cost = learnt.cost
    assert cost["steps"] == 110 and cost["links"] == 6 and cost["kept_steps"] == 40
    assert cost["flops_per_step"] == 1 and cost["seconds_per_step"] == pytest.approx(0.1)
    assert cost["seconds"] == pytest.approx(11 + cost["validation_seconds"])
    assert cost["best_score"] == learnt.history[4]["valid_probe"] and cost["best_step"] == 70


def test_where_no_pretext_helps_the_network_stays_as_it_is(search, planted):
    learnt = search(pretexts=PRETEXTS[2:])
    assert learnt.told == {"chain": []} and learnt.seen == () and leads(learnt) == []
    assert learnt.cost["steps"] == 20 and learnt.cost["kept_steps"] == 0


def test_a_chain_is_as_long_as_it_may_be(search, planted):
    assert search(most=1).told == {"chain": ["simclr"]} and len(planted.fitted) == 3


def test_a_gain_must_exceed_so_many_standard_errors(search):
    assert search(standard_errors=1000.0).told == {"chain": []}


@pytest.mark.parametrize("last", [1, 3, 5])
def test_a_search_that_was_broken_off_goes_on_at_its_link(last, search, planted):
    whole = search("whole")
    planted.fitted.clear()
    type(planted).last = last
    with pytest.raises(Interrupted):
        search("cut")
    type(planted).last = None
    planted.fitted.clear()
    again = search("cut")
    assert len(planted.fitted) == 6 - last
    assert again.told == whole.told and leads(again) == leads(whole)
    pd.testing.assert_frame_equal(pd.DataFrame(again.history), pd.DataFrame(whole.history))


def test_links_of_other_settings_are_not_taken_over(search, planted, tmp_path):
    from ecgpipe.objectives import chain

    search()
    planted.fitted.clear()
    other = replace(planted, identity="other")
    config = chain.Config(PRETEXTS)
    chain.search(deepcopy(search().network), config, other, SETTINGS, 0, tmp_path / "state")
    assert len(planted.fitted) == 3


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"pretexts": ()}, "expected the names of objectives"),
        ({"pretexts": ({"name": "byol"}, {"name": "byol"})}, "each once"),
        ({"pretexts": ({"name": "chain"},)}, "expected the names of objectives"),
        ({"most": 0}, "most 0 must be 1 or more"),
        ({"held_out": 1.0}, "held_out 1.0 lie between 0 and 1"),
        ({"pretexts": ({"name": "byol", "fit": {"steps": 0}},)}, "a link takes steps"),
        ({"pretexts": ({"name": "byol", "fit": {"ema": 0.9}},)}, "its own weights are judged"),
        ({"pretexts": ({"name": "byol", "depth": 3},)}, "unknown key depth"),
        ({"pretexts": ({"name": "supervised"},)}, "needs labels"),
    ],
)
def test_what_cannot_be_chained_is_refused_before_anything_is_fitted(
    told, message, search, planted
):
    with pytest.raises(ValueError, match=message):
        search(**told)
    assert not planted.fitted


# --- as a pretraining ---------------------------------------------------------------------------

CHAIN = {"name": "chain", "pretexts": [], "standard_errors": 0.0, "held_out": 0.4}
CHAIN["pretexts"] = [
    {"name": "simclr", "views": ["noise"], "hidden": 16},
    {"name": "byol", "views": ["noise"], "hidden": 16, "fit": {"steps": 8, "rate": 0.005}},
]
TOLD = {"datasets": None, "tasks": ["t"], "objective": CHAIN}
TOLD["fit"] = FIT | {"batch": 8, "steps": 12, "validate_every": 4}


def test_a_pretraining_that_chains_leaves_history_cost_and_what_was_seen(stages):
    from ecgpipe import model

    out = stages.pretrain("chain/checkpoint.safetensors", **TOLD)
    network, metadata = model.load(out)
    history = pd.read_csv(out.with_name("history.csv"))
    kept = history["pretext"][history["kept"] == 1].tolist()
    assert metadata["chain"] == kept[1:] and network.labels == ()
    assert [one["objective"] for one in metadata["seen"]] == kept[1:]
    cost = json.loads(out.with_name("cost.json").read_text())
    assert cost["steps"] == history["step"].iloc[-1] in (20, 28, 32)
    assert history["flops"].iloc[-1] == pytest.approx(cost["steps"] * cost["flops_per_step"])
    assert not out.with_suffix(".state").exists()


def test_a_finetuning_goes_on_from_a_chain_as_from_any_other(stages):
    out = stages.pretrain("chain.safetensors", **TOLD)
    stages.finetune("full/checkpoint.safetensors", out)


def test_a_killed_chain_goes_on_at_its_step_and_ends_with_the_same_bytes(stages, monkeypatch):
    from safetensors.torch import load_file

    from ecgpipe import fit

    monkeypatch.setattr(fit, "SAVE_SECONDS", 0.0)
    whole = stages.pretrain("whole/checkpoint.safetensors", **TOLD)
    keep, kept = fit.Loop.keep, []

    def keep_then_die(loop):
        keep(loop)
        kept.append(loop.progress.step)
        if len(kept) in (2, 4):  # within the first link, and within the second
            raise Interrupted

    with monkeypatch.context() as patched:
        patched.setattr(fit.Loop, "keep", keep_then_die)
        for _ in range(2):
            with pytest.raises(Interrupted):
                stages.pretrain("cut/checkpoint.safetensors", **TOLD)
    again = stages.pretrain("cut/checkpoint.safetensors", **TOLD)
    assert kept == [4, 8, 12, 4]
    one, other = load_file(whole), load_file(again)
    assert all(torch.equal(one[name], other[name]) for name in one)
    tables = [pd.read_csv(path.with_name("history.csv")) for path in (whole, again)]
    pd.testing.assert_frame_equal(*(table.drop(columns="seconds") for table in tables))


def test_a_chain_without_labels_to_probe_by_is_refused(stages):
    with pytest.raises(ValueError, match="nothing can be probed; name `tasks`"):
        stages.pretrain("chain.safetensors", **TOLD | {"datasets": ["made"], "tasks": None})


def test_nobody_of_valid_or_test_learns_or_judges(stages):
    from ecgpipe.cohort import read_task
    from ecgpipe.pretraining import gather
    from ecgpipe.settings import Pretraining, Task, build

    made = stages.made
    told = {"preparation": "made", "backbone": {"name": "xresnet1d"}, "tasks": ["t"]}
    told = build(Pretraining, told | {"objective": CHAIN, "fit": FIT}, "tests")
    rows = read_task(build(Task, made["task"], "tests"), made["shards"], made["splits"])
    material = gather(told, rows, torch.device("cpu"), "")
    learned, judged = (set(c.table["patient"]) for c in (material.learned, material.judged))
    train = set(rows.table["patient"][rows.part == "train"])
    assert learned | judged == train and not learned & judged
    assert 0.2 < len(judged) / len(train) < 0.6
