import numpy as np

from stemsep.plotting.figure import save_figure
from stemsep.plotting.scores import draw_boxes, draw_pairs, draw_track
from tests.signals import noise


def lines(axis, marker):
    return [line for line in axis.lines if line.get_marker() == marker]


def test_boxes_have_a_dot_per_track_and_their_median(tmp_path):
    scores = {
        "first": {"vocals": [1.0, 2.0, 7.0, np.nan], "drums": [3.0]},
        "second": {"vocals": [4.0, 5.0, 9.0, 6.0], "drums": [np.nan]},
    }
    figure = draw_boxes(scores, measure="museval SDR")
    (axis,) = figure.axes
    dots = [line.get_ydata().tolist() for line in lines(axis, ".")]
    assert dots == [[1, 2, 7], [3], [4, 5, 6, 9]]
    medians = [line.get_ydata()[0] for line in axis.lines if line.get_linewidth() == 2.5]
    assert medians == [2, 3, 5.5]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["vocals", "drums"]
    assert axis.get_ylabel() == "museval SDR (dB)"
    save_figure(figure, tmp_path / "boxes.png")


def test_pairs_count_the_tracks_on_which_the_second_is_better(tmp_path):
    first = ("a $b", {"vocals": [1.0, 2.0, np.nan, 4.0], "drums": [0.0] * 4})
    second = ("ü", {"vocals": [2.0, 1.0, 3.0, 5.0], "drums": [1.0] * 4})
    figure = draw_pairs(first, second, measure="museval SDR")
    assert [axis.get_title() for axis in figure.axes] == ["vocals: 2 of 3", "drums: 4 of 4"]
    for axis in figure.axes:
        assert axis.get_xlim() == axis.get_ylim()
    save_figure(figure, tmp_path / "pairs.png")


def test_a_track_shows_the_spectrogram_of_each_stem_above_its_seconds(tmp_path):
    sounds = {stem: noise(2, 3 * 8000 + 100, seed=i) for i, stem in enumerate("abc")}
    scores = {"ours": {stem: np.array([1.0, np.nan, 3.0]) for stem in "abc"}}
    figure = draw_track(sounds, scores, sample_rate=8000, title="T", measure="museval SDR")
    shown = [axis for axis in figure.axes if axis.get_visible()]
    spectrograms = [axis for axis in shown if axis.collections]
    assert [axis.get_title(loc="left") for axis in spectrograms] == ["a", "b", "c"]
    below = [axis for axis in shown if axis.patches]
    assert len(below) == 3
    for axis in below:
        steps = axis.patches[0].get_data()
        assert np.array_equal(steps.values, [1, np.nan, 3], equal_nan=True)
        assert np.array_equal(steps.edges, [0, 1, 2, 3])
        assert axis.get_xlim() == shown[0].get_xlim()
    save_figure(figure, tmp_path / "track.png")
    assert (tmp_path / "track.png").stat().st_size > 10_000
