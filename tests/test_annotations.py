"""What lies along a recording is shared out among its windows."""

import time

import numpy as np

from ecgpipe.annotations import NO_BEATS, Beats, Span, counts, shares

STARTS = np.array([0.0, 2.0, 4.0, 6.0])
TWO = np.full(4, 2.0)


def test_a_window_is_given_the_share_that_a_rhythm_covers():
    spans = (Span("(N", 0.5, 3.0), Span("(VT", 3.0, 6.0))
    assert shares(spans, STARTS, TWO) == [{"(N": 0.75}, {"(N": 0.5, "(VT": 0.5}, {"(VT": 1.0}, {}]


def test_spans_of_one_code_add_up():
    spans = [Span("(VF", onset, onset + 0.3) for onset in (0.0, 1.0, 1.9)]
    assert shares(spans, STARTS[:1], TWO[:1]) == [{"(VF": 0.35}]


def test_windows_may_overlap_each_other_and_lie_anywhere():
    assert shares([Span("(AFIB", 4.0, 9.0)], np.array([1.5, 3.5, 4.5]), np.full(3, 3.0)) == [
        {"(AFIB": 0.1667},
        {"(AFIB": 0.8333},
        {"(AFIB": 1.0},
    ]


def test_a_recording_shorter_than_its_window_is_shared_out_as_far_as_it_goes():
    beats = Beats(np.array([0.5, 1.2, 1.6]), np.array(list("NVN")))
    alone, seconds = np.zeros(1), np.array([1.5])
    assert shares([Span("(AFIB", 0.0, 9.0)], alone, seconds) == [{"(AFIB": 1.0}]
    assert shares([Span("(VT", 0.9, 9.0)], alone, seconds) == [{"(VT": 0.4}]
    assert counts(beats, alone, seconds) == [{"N": 1, "V": 1}]


def test_shares_are_those_of_a_count_sample_by_sample(rng):
    edges = np.sort(rng.choice(np.arange(1, 6000), 40, replace=False))
    code = np.searchsorted(edges, np.arange(6000), side="right") % 3
    cuts = [0, *edges.tolist(), 6000]
    spans = [Span(str(code[a]), a / 100, b / 100) for a, b in zip(cuts, cuts[1:], strict=False)]
    starts = np.arange(0, 59) * 1.0
    for start, found in zip(starts, shares(spans, starts, np.full(59, 1.3)), strict=True):
        inside = code[round(100 * start) : round(100 * start) + 130]
        expected = {str(c): (inside == c).mean() for c in np.unique(inside)}
        assert found.keys() == expected.keys()
        assert all(abs(found[c] - share) < 2e-4 for c, share in expected.items())


def test_beats_are_counted_by_symbol():
    beats = Beats(np.array([0.1, 0.9, 1.7, 2.5, 7.9, 8.0]), np.array(list("NNVNVN")))
    assert counts(beats, STARTS, TWO) == [{"N": 2, "V": 1}, {"N": 1}, {}, {"V": 1}]
    assert counts(NO_BEATS, STARTS, TWO) == [{}, {}, {}, {}]


def test_a_beat_between_two_windows_is_of_the_later_one_and_no_other():
    first = 2924 / 360  # a stretch may begin anywhere
    starts = first + np.arange(500) * 500 / 250.0
    beats = Beats((2924 + 720 * np.arange(500)) / 360, np.array(["N"] * 500))
    assert counts(beats, starts, np.full(500, 2.0)) == [{"N": 1}] * 500


def test_a_day_of_beats_and_rhythms_is_shared_out_within_two_seconds(rng):
    day = 24 * 3600
    starts = np.arange(0, day, 2.0)
    seconds = np.full(len(starts), 2.0)
    beats = Beats(np.sort(rng.uniform(0, day, 100_000)), rng.choice(list("NSV"), 100_000))
    edges = np.sort(rng.uniform(0, day, 500)).tolist()
    spans = [Span("(N", a, b) for a, b in zip(edges, edges[1:], strict=False)]
    began = time.process_time()
    assert sum(sum(each.values()) for each in counts(beats, starts, seconds)) == 100_000
    assert len(shares(spans, starts, seconds)) == len(starts)
    assert time.process_time() - began < 2.0
