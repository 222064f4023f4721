import numpy as np
import pandas as pd
import pytest
import torch

from ecgpipe.batches import Montage
from ecgpipe.cohort import Cohort, Sampler, are_listed, derive, mean_over_crops, read_parts


@pytest.fixture
def cohort():
    """Signals that count samples, so that a crop shows where it was cut."""
    return cohort_of([100] * 8)


def cohort_of(samples):
    signal = torch.arange(100, dtype=torch.int16).expand(len(samples), 2, 100).clone()
    table = pd.DataFrame({"record": [str(i) for i in range(len(samples))], "samples": samples})
    patient = torch.arange(len(samples))
    return Cohort(table, signal, torch.zeros(len(samples), 1), patient, Montage(10, ("I",)))


def starts_of(crops):
    """Where each crop was cut."""
    return (crops[..., 0, 0] / 1e-3).round().int().tolist()


def test_a_random_crop_is_a_run_of_the_signal_in_millivolts(cohort):
    generator = torch.Generator().manual_seed(0)
    crops = cohort.random_crops(torch.arange(8), 30, generator) / 1e-3
    assert torch.allclose(crops.diff(dim=-1), torch.ones(8, 2, 29), atol=1e-3)
    assert len(crops[:, 0, 0].round().unique()) > 1


def test_every_place_of_a_crop_can_be_drawn(cohort):
    generator = torch.Generator().manual_seed(0)
    crops = cohort.random_crops(torch.zeros(500, dtype=torch.long), 98, generator)
    assert set(starts_of(crops)) == {0, 1, 2}


def test_crops_of_whole_signals_are_where_they_are_drawn(cohort):
    crops = cohort.random_crops(torch.arange(8), 30, torch.Generator().manual_seed(3))
    drawn = torch.randint(0, 71, (8, 1, 1), generator=torch.Generator().manual_seed(3))
    assert starts_of(crops) == drawn.flatten().tolist()


def test_crops_lie_within_what_was_recorded_evenly():
    index = torch.arange(3).repeat_interleave(7000)
    cohort, generator = cohort_of([100, 33, 20]), torch.Generator().manual_seed(0)
    starts = np.reshape(starts_of(cohort.random_crops(index, 30, generator)), (3, -1))
    assert starts.max(axis=1).tolist() == [70, 3, 0]
    expected = np.array([18, 18, 18, 17]) / 71  # of the 71 places of a whole signal
    np.testing.assert_allclose(np.bincount(starts[1]) / 7000, expected, atol=0.02)


def test_tiles_reach_both_ends_of_a_signal(cohort):
    assert starts_of(cohort.tiles(slice(0, 2), 30, 25)) == 2 * [0, 25, 50, 70]


def test_tiles_end_where_a_recording_does():
    cohort = cohort_of([100, 60, 30, 7])
    assert starts_of(cohort.tiles(slice(0, 4), 30, 25)) == [0, 25, 50, 70, 0, 25, 30, 0, 0]
    assert cohort.crops(30, 25).tolist() == [4, 3, 1, 1]
    tiles = cohort.tiles(slice(1, 3), 30, 25) / 1e-3
    assert torch.allclose(tiles.diff(dim=-1), torch.ones(4, 2, 29), atol=1e-3)


def test_a_record_of_ten_seconds_has_seven_crops_of_two_and_a_half(cohort):
    tiles = cohort.tiles(slice(0, 1), cohort.samples(2.5), cohort.samples(1.25))
    assert len(tiles) >= 7 and cohort.samples(1e9) == 100


def test_the_mean_over_crops_leaves_out_those_there_are_not():
    values = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    found = mean_over_crops(values, np.array([3, 1, 2]))
    expected = [values[:3].mean(0), values[3], values[4:].mean(0)]
    torch.testing.assert_close(found, torch.stack(expected))


def test_records_of_one_length_have_the_plain_mean_bit_for_bit():
    values = torch.rand(5 * 7, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(mean_over_crops(values, np.full(5, 7)), values.view(5, 7, 4).mean(1))


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
