import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsep.errors import ParameterError
from stemsep.plotting.figure import save_figure
from stemsep.plotting.spectrogram import Overview, StemPicture, draw_overviews, draw_waveforms
from tests.signals import noise, tone


def overview(waveform: np.ndarray, rate: int = 44_100, **options: int) -> Overview:
    result = Overview(rate, **options)
    result.add(waveform.astype(np.float32))
    return result


@pytest.mark.parametrize("frequency_hz", [100, 1000, 9000])
def test_a_tone_is_loudest_in_the_band_of_its_frequency(frequency_hz):
    gathered = overview(tone(frequency_hz, samples=44_100)[None])
    power, _, _ = gathered.finished()
    band = power.mean(0).argmax()
    bin_hz = 44_100 / 4096
    assert gathered.edges_hz[band] - bin_hz < frequency_hz < gathered.edges_hz[band + 1] + bin_hz


def test_sound_stands_at_its_time():
    waveform = np.zeros((2, 88_200), np.float32)
    waveform[1, 44_100:50_000] = 0.5
    gathered = overview(waveform)
    power, low, high = gathered.finished()
    starts = np.arange(len(high)) * gathered.seconds_per_column
    assert starts[high > 0][[0, -1]] == pytest.approx([1.0, 1.13], abs=0.025)
    assert high.max() == 0.5
    assert low.min() == 0
    assert abs(starts[power.sum(1).argmax()] - 1.06) < 0.08


@given(
    samples=st.integers(1, 60_000),
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=4),
    columns=st.integers(2, 50),
)
def test_blocks_of_any_size_give_one_picture_of_bounded_width(samples, sizes, columns):
    waveform = noise(2, samples)
    whole = overview(waveform, columns=columns)
    parts = Overview(44_100, columns=columns)
    start = 0
    while start < samples:
        for size in sizes:
            parts.add(waveform[:, start : start + size])
            start += size
    for one, other in zip(whole.finished(), parts.finished(), strict=True):
        assert len(one) <= columns + 1
        assert np.allclose(one, other, rtol=1e-4)
    power, low, high = whole.finished()
    assert len(power) == len(low) == -(-samples // round(44_100 * whole.seconds_per_column))
    assert high.max() == waveform.max()
    assert low.min() == waveform.min()


def test_all_rows_share_their_scales_and_have_labelled_axes():
    waveforms = {"mixture": noise(2, 30_000), "vocals": 0.1 * noise(1, 30_000, seed=1)}
    figure = draw_waveforms(waveforms, 44_100, title="song")
    rows = figure.axes[:4]
    left, right = rows[0::2], rows[1::2]
    meshes = [axis.collections[0] for axis in left]
    assert {mesh.get_clim() for mesh in meshes} == {(-80.0, 0.0)}
    assert meshes[0].get_array().max() == pytest.approx(0)
    assert meshes[1].get_array().max() < -10
    assert len({axis.get_ylim() for axis in right}) == 1
    assert {axis.get_ylabel() for axis in left} == {"frequency (Hz)"}
    assert {axis.get_xlabel() for axis in rows[-2:]} == {"time (s)"}
    assert [axis.get_title(loc="left") for axis in left] == ["mixture", "vocals"]


@pytest.mark.parametrize("rate", [100, 8000, 192_000])
@pytest.mark.parametrize("samples", [1, 5000])
def test_silence_and_the_shortest_sound_at_any_rate_can_be_drawn(tmp_path, rate, samples):
    path = tmp_path / "x.png"
    save_figure(draw_waveforms({"silence": np.zeros((1, samples), np.float32)}, rate), path)
    assert path.stat().st_size > 1000


def test_nothing_to_draw_is_said():
    with pytest.raises(ParameterError, match="no sound to draw"):
        draw_overviews({})
    with pytest.raises(ParameterError, match="columns = 1"):
        Overview(44_100, columns=1)


def test_a_picture_grows_with_a_song_and_is_a_png(tmp_path):
    picture = StemPicture("夜曲 $x$ <song>.wav")
    for _ in range(3):
        picture.add(8000, {"mixture": noise(2, 3000), "vocals": noise(2, 3000, seed=1)})
    picture.save(tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
