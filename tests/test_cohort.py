import numpy as np
import pandas as pd
import pytest
import torch

from ecgpipe.batches import Montage
from ecgpipe.cohort import Cohort, Sampler, are_listed, derive, read_parts


@pytest.fixture
def cohort():
    """Signals that count samples, so that a crop shows where it was cut."""
    signal = torch.arange(100, dtype=torch.int16).expand(8, 2, 100).clone()
    table = pd.DataFrame({"record": [str(i) for i in range(8)]})
    return Cohort(table, signal, torch.zeros(8, 1), torch.arange(8), Montage(10, ("I",)))


def test_a_random_crop_is_a_run_of_the_signal_in_millivolts(cohort):
    generator = torch.Generator().manual_seed(0)
    crops = cohort.random_crops(torch.arange(8), 30, generator) / 1e-3
    assert torch.allclose(crops.diff(dim=-1), torch.ones(8, 2, 29), atol=1e-3)
    assert len(crops[:, 0, 0].round().unique()) > 1


def test_every_place_of_a_crop_can_be_drawn(cohort):
    generator = torch.Generator().manual_seed(0)
    starts = cohort.random_crops(torch.zeros(500, dtype=torch.long), 98, generator)[:, 0, 0]
    assert set((starts / 1e-3).round().int().tolist()) == {0, 1, 2}


def test_tiles_reach_both_ends_of_a_signal(cohort):
    tiles = cohort.tiles(slice(0, 2), 30, 25) / 1e-3
    assert tiles[0, :, 0, 0].round().tolist() == [0, 25, 50, 70]


def test_a_record_of_ten_seconds_has_seven_crops_of_two_and_a_half(cohort):
    tiles = cohort.tiles(slice(0, 1), cohort.samples(2.5), cohort.samples(1.25))
    assert tiles.shape[1] >= 7 and cohort.samples(1e9) == 100


def test_a_sampler_shows_every_record_once_an_epoch():
    sampler = Sampler(count=10, batch=4, seed=0)
    seen = torch.cat([sampler.indices(step) for step in range(5)])
    assert sorted(seen[:10].tolist()) == list(range(10)) == sorted(seen[10:].tolist())


def test_a_step_has_the_same_batch_whatever_came_before():
    through = Sampler(count=7, batch=20, seed=1)
    straight = Sampler(count=7, batch=20, seed=1)
    batches = [through.indices(step) for step in range(9)]
    assert torch.equal(straight.indices(8), batches[8]) and len(batches[8]) == 20


def test_a_sampler_without_records_is_refused():
    with pytest.raises(ValueError, match="no records"):
        Sampler(count=0, batch=4, seed=0)


def test_derived_seeds_differ_and_repeat():
    seeds = [derive(a, b) for a in range(20) for b in range(20)]
    assert len(set(seeds)) == 400 and seeds[5] == derive(0, 5)


def test_a_patient_without_a_part_is_an_error(tmp_path):
    path = tmp_path / "standard.csv"
    path.write_text("patient,part\n1,train\n")
    table = pd.DataFrame({"dataset": ["d", "d"], "patient": ["1", "2"]})
    with pytest.raises(ValueError, match="1 patients have records but no part.*d:2"):
        read_parts(table, {"d": path})
    assert read_parts(table[:1], {"d": path}).tolist() == ["train"]


def test_parts_keep_the_order_of_the_table(tmp_path):
    path = tmp_path / "standard.csv"
    path.write_text("patient,part\n1,train\n2,test\n3,valid\n")
    table = pd.DataFrame({"dataset": "d", "patient": ["3", "1", "2", "1"]}, index=[9, 4, 5, 1])
    parts = read_parts(table, {"d": path})
    assert isinstance(parts, np.ndarray)
    assert parts.tolist() == ["valid", "train", "test", "train"]


def test_a_patient_or_record_called_na_is_not_lost(tmp_path):
    (tmp_path / "standard.csv").write_text("patient,part\nNA,train\nnull,test\n")
    (tmp_path / "draw.csv").write_text("dataset,record,patient\nd,NA,NA\n")
    table = pd.DataFrame({"dataset": "d", "patient": ["NA", "null"], "record": ["NA", "nan"]})
    assert read_parts(table, {"d": tmp_path / "standard.csv"}).tolist() == ["train", "test"]
    assert are_listed(table, tmp_path / "draw.csv").tolist() == [True, False]
