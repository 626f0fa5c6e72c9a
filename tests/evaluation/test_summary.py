import math

import numpy as np
import pytest
from scipy import stats

from stemsep.evaluation.engines import METRICS, FrameScores
from stemsep.evaluation.records import TrackRecord, read_record, write_record
from stemsep.evaluation.summary import MEAN, compare, overall, summarise, track_values
from stemsep.evaluation.track_scores import TrackScores


def record(track, sdr, *, usdr=(1.0, 2.0), system="ours"):
    """A track whose SDR is ``(stems, frames)``; the other metrics differ by whole decibels."""
    frames = np.array(sdr, np.float64)
    values = {metric: frames + 100 * i for i, metric in enumerate(METRICS)}
    joint = FrameScores(stems=("vocals", "drums"), values=values, singular=False)
    whole = {"vocals": {"uSDR": usdr[0]}, "drums": {"uSDR": usdr[1]}}
    scores = TrackScores(joint=joint, two_targets=None, whole=whole)
    return TrackRecord(track=track, system=system, inputs={"engine": "fast"}, scores=scores)


NAN = math.nan
TRACKS = [
    record("a", [[1, 2, 9], [NAN, 5, 6]], usdr=(1.0, 4.0)),
    record("b", [[4, 4], [NAN, NAN]], usdr=(2.0, 5.0)),
    record("c", [[30], [7]], usdr=(6.0, NAN)),
]


def test_a_stem_has_the_median_of_medians_their_mean_and_the_mean_of_whole_tracks():
    vocals = summarise("ours", TRACKS).stems["vocals"]
    assert vocals.median["SDR"] == 4  # of 2, 4 and 30
    assert vocals.mean["SDR"] == 12
    assert vocals.median["SAR"] == 304
    assert vocals.whole["uSDR"] == 3
    assert (vocals.nan_frames, vocals.frames, vocals.tracks) == (0, 6, 3)


def test_frames_and_tracks_that_do_not_count_are_left_out_and_counted():
    drums = summarise("ours", TRACKS).stems["drums"]
    assert drums.median["SDR"] == 6.25  # of 5.5 and 7
    assert drums.whole["uSDR"] == 4.5
    assert (drums.nan_frames, drums.frames) == (3, 6)


def test_the_last_row_is_the_mean_of_the_stems():
    stems = summarise("ours", TRACKS).stems
    assert list(stems) == ["vocals", "drums", MEAN]
    assert stems[MEAN].median["SDR"] == (4 + 6.25) / 2
    assert stems[MEAN].whole["uSDR"] == (3 + 4.5) / 2


def test_values_of_a_track_are_its_medians_and_their_mean():
    assert track_values(TRACKS[0], "SDR") == {"vocals": 2, "drums": 5.5, MEAN: 3.75}
    assert overall(TRACKS[0]) == 3.75
    assert track_values(TRACKS[0], "uSDR") == {"vocals": 1, "drums": 4, MEAN: 2.5}


def test_two_systems_are_compared_on_the_tracks_of_both():
    rng = np.random.default_rng(0)
    change = rng.normal(loc=0.4, size=9)
    first = [record(str(i), [[i], [0]]) for i in range(9)]
    second = [record(str(i), [[i + c], [0]], system="new") for i, c in enumerate(change)]
    vocals, drums, _ = compare(first, [*second, record("x", [[0], [0]])][::-1], measure="SDR")
    assert (vocals.first, vocals.stem, vocals.tracks) == ("ours", "vocals", 9)
    assert vocals.median == pytest.approx(np.median(change))
    assert vocals.second_better == (change > 0).sum()
    assert vocals.p == pytest.approx(stats.wilcoxon(change).pvalue)
    assert (drums.median, drums.p) == (0, 1)


def test_systems_without_a_track_in_common_are_not_compared():
    assert compare([TRACKS[0]], [TRACKS[1]], measure="SDR") == []


def test_a_record_comes_back_from_its_file(tmp_path):
    path = tmp_path / "a.json"
    write_record(path, TRACKS[0], museval_rounding=False)
    found = read_record(path, inputs={"engine": "fast"})
    assert found is not None
    for metric in METRICS:
        wanted = TRACKS[0].scores.joint.values[metric]
        assert np.array_equal(found.scores.joint.values[metric], wanted, equal_nan=True)
    assert found.scores.whole == TRACKS[0].scores.whole
    assert read_record(path, inputs={"engine": "museval"}) is None
    assert read_record(tmp_path / "b.json", inputs={"engine": "fast"}) is None
