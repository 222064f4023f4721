"""The synthetic long recordings keep what they promise: rhythms, beats, patients, bytes, size."""

import hashlib
import time

import numpy as np
import pytest

FS = 250.0
VA = ("(VT", "(VFL", "(VF")


@pytest.fixture(scope="module")
def patients():
    from ecgpipe.datasets import _ambulatory_patients

    return _ambulatory_patients.draw_patients(40, seed=5)


@pytest.fixture(scope="module")
def courses(patients):
    from ecgpipe.datasets import _ambulatory_rhythm

    return [
        _ambulatory_rhythm.draw_course(patient, np.random.default_rng(number))
        for number, patient in enumerate(patients)
    ]


@pytest.fixture(scope="module")
def clean(patients, courses):
    """The leads without noise."""
    from ecgpipe.datasets import _ambulatory_heart

    return [
        _ambulatory_heart.draw_heart(patient, course, FS, 150_000, np.random.default_rng(number))
        for number, (patient, course) in enumerate(zip(patients, courses, strict=True))
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    from ecgpipe.datasets import synthetic_ambulatory

    path = tmp_path_factory.mktemp("ambulatory")
    synthetic_ambulatory.write_cohort(path, 40, seed=5)
    return path


@pytest.fixture(scope="module")
def windows(folder):
    """Windows of two seconds of lead II: signal, whether there is arrhythmia, patient."""
    from ecgpipe import annotations, settings, signals
    from ecgpipe.datasets import synthetic_ambulatory

    told = settings.Preparation(
        fs=250, seconds=2.0, leads=("II",), window=2.0, missing_samples="leave_out"
    )
    found = []
    for record in synthetic_ambulatory.records(folder):
        signal = synthetic_ambulatory.read(folder, record, "signals")
        starts, cut = zip(*signals.prepare(signal, told, record.unreadable), strict=True)
        shares = annotations.shares(record.spans, np.array(starts), np.full(len(starts), 2.0))
        target = [sum(share.get(code, 0.0) for code in VA) >= 0.5 for share in shares]
        found.append((np.concatenate(cut), np.array(target), np.full(len(cut), record.patient)))
    return tuple(np.concatenate(each) for each in zip(*found, strict=True))


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def stretches(code, courses, clean, least=6.0):
    """Each episode of a rhythm: patient, its span, and the larger lead in it."""
    for number, (course, leads) in enumerate(zip(courses, clean, strict=True)):
        for span in course.spans:
            if span.code == code and span.offset - span.onset > least:
                piece = leads[:, int(span.onset * FS) : int(span.offset * FS)]
                yield number, span, piece[piece.std(axis=1).argmax()]


def repeats_after(piece):
    """The seconds from 0.2 to 0.65 after which a signal is most like itself."""
    piece = piece - piece.mean()
    likeness = np.correlate(piece, piece, "full")[len(piece) - 1 :]
    return (50 + likeness[50:163].argmax()) / FS


def dominant(piece):
    """The strongest frequency between 1 and 12 Hz, and the share of the power near it."""
    power = np.abs(np.fft.rfft((piece - piece.mean()) * np.hanning(len(piece)), 8192)) ** 2
    frequency = np.fft.rfftfreq(8192, 1 / FS)
    power[(frequency < 1) | (frequency > 12)] = 0.0
    peak = frequency[power.argmax()]
    return peak, power[np.abs(frequency - peak) < 0.4].sum() / power.sum()


def qrs_seconds(leads, at):
    """Measure a QRS by the steepness of the leads, as a person would."""
    first = int((at - 0.16) * FS)
    slope = np.linalg.norm(np.diff(leads[:, first : first + int(0.32 * FS)]), axis=0)
    steep = np.flatnonzero(slope > 0.15 * slope.max())
    return (steep[-1] - steep[0]) / FS


def alone(course, kind):
    """Times of the beats of a kind that have half a second to themselves, away from the ends."""
    beats = course.beats
    gap = np.minimum(np.diff(beats.time, prepend=0), np.diff(beats.time, append=600))
    held = (beats.kind == kind) & (gap > 0.4) & (beats.time > 2) & (beats.time < 598)
    for span in course.spans:
        held &= (beats.time < span.onset - 1) | (beats.time > span.offset + 1)
    return beats.time[held]


def features(signal):
    """The logarithm of the shares of power in seven bands."""
    power = np.abs(np.fft.rfft(signal * np.hanning(500))) ** 2
    edges = np.searchsorted(np.fft.rfftfreq(500, 1 / FS), [0.5, 2, 4, 6, 9, 15, 25, 40])
    bands = np.add.reduceat(power, edges, axis=1)[:, :-1]
    return np.log(bands / bands.sum(axis=1, keepdims=True) + 1e-6)


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path):
    from ecgpipe.datasets import synthetic_ambulatory

    written = []
    for place, seed in (("a", 3), ("b", 3), ("c", 4)):
        synthetic_ambulatory.write_cohort(tmp_path / place, 3, seed=seed)
        written.append(digests(tmp_path / place))
    assert written[0] == written[1]
    assert all(written[0][name] != written[2][name] for name in ("001.dat", "001.atr", "003.dat"))


def test_all_of_it_takes_less_than_twenty_seconds_and_sixty_megabytes(tmp_path):
    from ecgpipe.datasets import synthetic_ambulatory

    part = 8 / synthetic_ambulatory.COHORT
    began = time.process_time()
    synthetic_ambulatory.write_cohort(tmp_path, 8, seed=1)
    assert time.process_time() - began < 20 * part
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 60e6 * part


def test_what_is_written_is_read_back(folder, patients):
    from ecgpipe.datasets import _ambulatory_recording, synthetic_ambulatory

    record = synthetic_ambulatory.records(folder)[7]
    drawn = _ambulatory_recording.record_patient(patients[7], fs=FS, seed=5, number=7)
    read = synthetic_ambulatory.read(folder, record, "signals")
    assert (read.fs, read.leads) == (FS, ("II", "V5"))
    np.testing.assert_allclose(read.millivolts, drawn.millivolts, atol=1e-5)
    is_beat = drawn.symbol != "+"
    np.testing.assert_array_equal(record.beats.time, drawn.sample[is_beat] / FS)
    np.testing.assert_array_equal(record.beats.symbol, drawn.symbol[is_beat])


def test_the_wfdb_package_reads_the_same_annotations(folder):
    import wfdb

    from ecgpipe.wfdb_annotations import read_annotations

    for name in ("001", "020", "040"):
        theirs = wfdb.rdann(str(folder / name), "atr")
        ours = read_annotations(folder / f"{name}.atr")
        np.testing.assert_array_equal(ours.sample, theirs.sample)
        assert ours.symbol.tolist() == theirs.symbol
        assert ours.aux.tolist() == theirs.aux_note


def test_long_gaps_and_texts_of_any_length_survive(tmp_path):
    import wfdb

    from ecgpipe.datasets._ambulatory_annotations import write_annotations

    sample = np.array([0, 0, 1023, 2047, 70_000, 9_000_000])
    symbol, aux = np.array([*"+NVA/+"]), np.array(["(N", "", "abc", "", "", "(" + "x" * 254])
    write_annotations(tmp_path / "a.atr", sample, symbol, aux)
    read = wfdb.rdann(str(tmp_path / "a"), "atr")
    np.testing.assert_array_equal(read.sample, sample)
    assert (read.symbol, read.aux_note) == (symbol.tolist(), aux.tolist())


@pytest.mark.parametrize(
    ("sample", "symbol", "aux", "said"),
    [
        ([5, 4], "NN", ["", ""], "samples go back"),
        ([1, 2], "N?", ["", ""], "symbols \\?; there are: N"),
        ([1, 2], "N+", ["", "x" * 256], "at most 255 fit"),
    ],
)
def test_annotations_that_the_format_cannot_hold_are_refused(tmp_path, sample, symbol, aux, said):
    from ecgpipe.datasets._ambulatory_annotations import write_annotations

    with pytest.raises(ValueError, match=said):
        write_annotations(tmp_path / "a.atr", np.array(sample), np.array([*symbol]), np.array(aux))
    assert not list(tmp_path.iterdir())


def test_the_sources_name_every_file(folder):
    from ecgpipe.datasets import synthetic_ambulatory as plugin

    lines = (folder / "RECORDS").read_text().splitlines()
    wanted = [name for source in plugin.SOURCES for name in plugin.files(source, [], lines)]
    assert sorted(wanted) == sorted(digests(folder))


def test_half_of_the_patients_of_every_part_have_ventricular_arrhythmia():
    from ecgpipe.datasets import _ambulatory_patients, _ambulatory_rhythm
    from ecgpipe.datasets import synthetic_ambulatory as plugin

    cohort = _ambulatory_patients.draw_patients(plugin.COHORT, seed=plugin.SEED)
    sick = np.array([patient.worst != "none" for patient in cohort])
    folds = plugin.balance_folds(cohort)
    assert all(sick[folds == fold].mean() == 0.5 for fold in range(1, 11))
    assert {patient.worst for patient in np.array(cohort)[folds >= 8]} == set(
        _ambulatory_patients.WORST
    )
    for number in np.flatnonzero(~sick):
        spans = _ambulatory_rhythm.draw_course(cohort[number], np.random.default_rng(0)).spans
        assert not any(span.code in VA for span in spans)


def test_arrhythmia_comes_in_the_first_minutes_and_later(patients, courses):
    sick = [c for p, c in zip(patients, courses, strict=True) if p.worst != "none"]
    onsets = [[span.onset for span in course.spans if span.code in VA] for course in sick]
    assert np.mean([min(onset) < 240 for onset in onsets]) > 0.95
    assert np.mean([max(onset) > 270 for onset in onsets]) > 0.95


def test_a_twentieth_to_a_fifth_of_the_windows_are_arrhythmia(windows):
    signal, target, patient = windows
    assert 0.05 < target.mean() < 0.2
    assert len(target) > 0.8 * 300 * len(np.unique(patient))


def test_tachycardia_is_three_beats_or_more_at_the_rate_that_the_signal_shows(courses, clean):
    agree = []
    for number, span, piece in stretches("(VT", courses, clean):
        time = courses[number].beats.time
        inside = time[(time >= span.onset) & (time < span.offset)]
        cycle = np.diff(inside).mean()
        assert len(inside) >= 3 and 100 < 60 / cycle < 260
        lag = repeats_after(piece)
        agree.append(abs(lag / cycle - round(lag / cycle)) < 0.08)  # or every second beat is alike
    assert len(agree) > 20 and np.mean(agree) > 0.9


def test_fibrillation_is_disorder_at_three_to_nine_hertz_and_flutter_is_order(courses, clean):
    disorder = np.array([dominant(piece) for *_, piece in stretches("(VF", courses, clean)])
    order = np.array([dominant(piece) for *_, piece in stretches("(VFL", courses, clean)])
    assert len(disorder) > 5 and len(order) > 5
    assert ((disorder[:, 0] > 3) & (disorder[:, 0] < 9)).all()
    assert ((order[:, 0] > 3.3) & (order[:, 0] < 5.3)).all()  # 200 to 320 a minute
    assert np.median(order[:, 1]) > 0.75 > 0.5 > np.median(disorder[:, 1])


def test_ventricular_beats_are_wide(patients, courses, clean):
    from ecgpipe.datasets._ambulatory_looks import ECTOPIC, ORDINARY

    usual, ectopic = [], []
    for patient, course, leads in zip(patients, courses, clean, strict=True):
        for kind, widths in ((ORDINARY, usual), (ECTOPIC, ectopic)):
            times = alone(course, kind)[:20]
            if patient.look.symbol == "N" and len(times) > 3:
                widths.append(np.median([qrs_seconds(leads, at) for at in times]))
    assert len(ectopic) > 5 and len(usual) > 5
    assert np.median(usual) < 0.1 < 0.12 < np.median(ectopic)


def test_every_second_beat_of_bigeminy_is_ventricular(folder):
    from ecgpipe.datasets import synthetic_ambulatory

    seen = 0
    for record in synthetic_ambulatory.records(folder):
        for span in record.spans:
            if span.code == "(B" and span.offset - span.onset > 6:
                time = record.beats.time
                inside = record.beats.symbol[(time >= span.onset) & (time < span.offset)]
                seen += 1
                assert 0.35 < (inside == "V").mean() < 0.6
    assert seen > 3


def test_where_nothing_can_be_read_no_beat_is_annotated(folder):
    from ecgpipe.datasets import synthetic_ambulatory

    for record in synthetic_ambulatory.records(folder):
        silent = [(s.onset, s.offset) for s in record.spans if s.code in ("(VF", "(VFL")]
        for onset, offset in [*silent, *record.unreadable]:
            time = record.beats.time
            assert not ((time > onset + 0.01) & (time < offset - 0.01)).any()


def test_some_recordings_lose_samples_and_some_are_unreadable_for_a_while(folder):
    from ecgpipe.datasets import synthetic_ambulatory

    found = synthetic_ambulatory.records(folder)
    lost = [
        np.isnan(synthetic_ambulatory.read(folder, record, "signals").millivolts).mean()
        for record in found
    ]
    assert 0.1 < np.mean([share > 0 for share in lost]) < 0.5 and max(lost) < 0.05
    noisy = np.array([sum(b - a for a, b in record.unreadable) for record in found])
    assert 0.3 < (noisy > 0).mean() < 0.9 and noisy.max() < 200


def test_patients_have_a_look_of_their_own(patients, courses, clean):
    from ecgpipe.datasets._ambulatory_looks import ECTOPIC, ORDINARY

    for kind in (ORDINARY, ECTOPIC):
        means = []
        for course, leads in zip(courses, clean, strict=True):
            times = alone(course, kind)
            if len(times) >= 8:
                cut = [leads[:, int(at * FS) - 30 : int(at * FS) + 60] for at in times]
                means.append([np.mean(half, axis=0).ravel() for half in (cut[::2], cut[1::2])])
        same = [np.corrcoef(one, other)[0, 1] for one, other in means]
        firsts = np.corrcoef([one for one, _ in means])
        others = firsts[~np.eye(len(firsts), dtype=bool)]
        assert np.median(same) > 0.98 and np.median(others) < 0.8


def test_arrhythmia_is_found_across_patients_but_better_within_one(windows):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict

    signal, target, patient = windows
    told = features(signal)
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    across = cross_val_predict(
        model, told, target, groups=patient, cv=GroupKFold(5), method="decision_function"
    )
    general, own = [], []
    for one in np.unique(patient[target]):
        early, late = np.array_split(np.flatnonzero(patient == one), 2)
        if target[early].any() and target[late].any():
            within = model.fit(told[early], target[early]).decision_function(told[late])
            own.append(roc_auc_score(target[late], within))
            general.append(roc_auc_score(target[late], across[late]))
    assert len(own) > 15
    assert 0.75 < np.mean(general) < 0.95
    assert np.mean(own) > np.mean(general) + 0.03
