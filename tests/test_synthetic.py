"""The synthetic cohort keeps what it promises: leads, labels, rates, widths, boundaries, bytes."""

import hashlib

import numpy as np
import pytest


@pytest.fixture(scope="module")
def cohort():
    from ecgpipe.datasets import _cohort

    return _cohort.draw_cohort(120, seed=3)


@pytest.fixture(scope="module")
def signals(cohort):
    from ecgpipe.datasets import _cohort

    return _cohort.record_cohort(cohort, fs=100.0, seed=3)


@pytest.fixture(scope="module")
def clean(cohort):
    """The eight independent leads without noise, at 500 Hz."""
    from ecgpipe.datasets import _cohort

    return _cohort.render(cohort, fs=500.0, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from ecgpipe.datasets import synthetic

    path = tmp_path_factory.mktemp("synthetic")
    synthetic.write_cohort(path, 30, seed=3)
    return path


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def has(cohort, label):
    return cohort.labels[label].to_numpy(bool)


def intervals(cohort, row):
    peaks = cohort.waves.query("kind == 'QRS' and row == @row")["peak"]
    return np.diff(peaks.to_numpy())


def qrs_seconds(cohort, clean, row):
    """Measure the widest first ordinary QRS by the steepness of the leads, as a person would."""
    beat = cohort.waves.query("kind == 'QRS' and beat == 0 and row == @row").iloc[1]
    start, stop = np.array([beat["onset"] - 0.05, beat["offset"] + 0.05]) * 500
    piece = clean[row, :, int(start) : int(stop)]
    slope = np.linalg.norm(np.diff(piece), axis=0)
    steep = np.flatnonzero(slope > 0.07 * slope.max())
    return (steep[-1] - steep[0]) / 500


def test_the_leads_obey_einthoven_and_goldberger(signals):
    one, two, three, right, left, foot = np.moveaxis(signals[:, :6], 1, 0)
    for derived, expected in (
        (three, two - one),
        (right, -(one + two) / 2),
        (left, (one - three) / 2),
        (foot, (two + three) / 2),
    ):
        assert np.abs(derived - expected).max() < 0.002


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    from ecgpipe.datasets import synthetic

    synthetic.write_cohort(tmp_path, 30, seed=3)
    assert digests(tmp_path) == digests(folder)


def test_another_seed_gives_other_signals(cohort, signals):
    from ecgpipe.datasets import _cohort

    assert not np.array_equal(_cohort.record_cohort(cohort, fs=100.0, seed=4), signals)


def test_every_label_has_twenty_five_patients():
    from ecgpipe.datasets import _cohort, synthetic

    cohort = _cohort.draw_cohort(synthetic.COHORT, seed=synthetic.SEED)
    patients = cohort.labels.groupby(cohort.visits.patient).any().sum()
    assert patients.min() >= 25, patients
    assert 0.05 < (cohort.labels.sum(axis=1) > 1).mean() < 0.5


def test_rate_labels_follow_the_true_beats(cohort):
    rate = np.array([60 / intervals(cohort, row).mean() for row in range(len(cohort.labels))])
    sinus = ~has(cohort, "AFIB") & ~has(cohort, "AFLT")
    np.testing.assert_array_equal(has(cohort, "SBRAD"), sinus & (rate < 60))
    np.testing.assert_array_equal(has(cohort, "STACH"), sinus & (rate > 100))


def test_fibrillation_is_irregular_and_has_no_p(cohort):
    def irregularity(rows):
        beats = [intervals(cohort, row) for row in np.flatnonzero(rows)]
        return np.array([gaps.std() / gaps.mean() for gaps in beats])

    fibrillating = irregularity(has(cohort, "AFIB"))
    assert np.median(fibrillating) > 0.12
    assert np.median(irregularity(has(cohort, "NORM"))) < 0.06
    with_p = cohort.waves.query("kind == 'P'")["row"].unique()
    assert not has(cohort, "AFIB")[with_p].any()


@pytest.mark.parametrize(
    "label, least, most", [("RBBB", 0.12, 0.2), ("LBBB", 0.12, 0.2), ("NORM", 0.06, 0.11)]
)
def test_the_qrs_is_as_wide_as_its_label_says(cohort, clean, label, least, most):
    ordinary = has(cohort, label) & ~has(cohort, "PVC") & ~has(cohort, "PAC")
    width = [qrs_seconds(cohort, clean, row) for row in np.flatnonzero(ordinary)]
    waves = cohort.waves.query("kind == 'QRS' and beat == 0")
    waves = waves[has(cohort, label)[waves["row"]]]
    assert least < np.median(width) < most
    assert (waves["offset"] - waves["onset"]).between(least, most).all()


def test_blocks_look_right_in_v1(cohort, clean):
    def areas(label):  # of V1 in the last third of the QRS
        beats = cohort.waves.query("kind == 'QRS' and beat == 0").groupby("row").nth(1)
        beats = beats[has(cohort, label)[beats["row"]]]
        ends = zip(beats["row"], beats["offset"], strict=True)
        return np.array(
            [clean[row, 2, int(500 * (end - 0.05)) : int(500 * end)].mean() for row, end in ends]
        )

    assert (areas("RBBB") > 0).mean() > 0.9
    assert (areas("LBBB") < 0).mean() > 0.9


def test_low_voltage_stays_below_half_a_millivolt(cohort):
    low = has(cohort, "LVOLT")
    assert low.any()
    assert cohort.hearts.limb[low].max() < 0.5 < cohort.hearts.limb[~low].min()


def test_r_grows_from_v1_to_v5(cohort, clean):
    normal = clean[has(cohort, "NORM")]
    tallest = np.median(np.quantile(normal[:, 2:], 0.995, axis=-1), axis=0)
    assert tallest[0] < tallest[1] < tallest[2] < tallest[3]
    assert 0.1 < tallest[0] < 0.6
    assert 0.8 < tallest[4] < 2.5


def test_records_of_a_patient_look_alike(cohort, clean):
    spread = np.log(clean.std(axis=-1))
    patient = cohort.visits.patient
    within = np.mean(
        [
            spread[patient == one].var(axis=0)
            for one in np.unique(patient)
            if sum(patient == one) > 1
        ]
    )
    assert within < 0.4 * spread.var(axis=0).mean()


def test_the_boundaries_hold_the_energy(cohort, clean):
    rows = np.flatnonzero(has(cohort, "NORM"))
    inside = np.zeros((len(clean), clean.shape[-1]), dtype=bool)
    for wave in cohort.waves.query("row in @rows").itertuples():
        inside[wave.row, int(500 * wave.onset) : int(500 * wave.offset) + 1] = True
    energy = (clean[rows, :, 750:4250] ** 2).sum(axis=1)  # away from the ends, where waves are cut
    assert (energy * inside[rows, 750:4250]).sum() > 0.97 * energy.sum()
    assert inside[rows, 750:4250].mean() < 0.7


def test_what_is_written_is_read_back(folder):
    from ecgpipe.datasets import _cohort, synthetic

    records = synthetic.records(folder)
    cohort = _cohort.draw_cohort(30, seed=3)
    drawn = _cohort.record_cohort(cohort, fs=100.0, seed=3)
    read = synthetic.read(folder, records[5], "100hz")
    assert (read.fs, read.leads) == (100.0, synthetic.LEADS)
    np.testing.assert_allclose(read.millivolts, drawn[5], atol=1e-3)
    assert set(records[5].statements) == set(cohort.labels.columns[cohort.labels.loc[5]])
    assert len(records[5].waves) == (cohort.waves["row"] == 5).sum()


def test_the_listing_names_every_file(folder):
    from ecgpipe.datasets import synthetic

    lines = (folder / "RECORDS").read_text().splitlines()
    wanted = [name for source in synthetic.SOURCES for name in synthetic.files(source, [], lines)]
    assert sorted(wanted) == sorted(digests(folder))
