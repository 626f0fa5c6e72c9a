import numpy as np
import pytest

from stemsep.data.track import Track


def track(dtype):
    ramp = np.arange(20).reshape(2, 10)
    values = ramp.astype(np.int16) * 1024 if dtype == np.int16 else (ramp / 32).astype(np.float32)
    return Track(name="a", sample_rate=8000, stems={"vocals": values})


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_an_excerpt_is_float_at_full_scale_one(dtype):
    excerpt = track(dtype).excerpt("vocals", 3, 4)
    assert excerpt.dtype == np.float32
    assert np.array_equal(excerpt, np.array([[3, 4, 5, 6], [13, 14, 15, 16]]) / 32)


@pytest.mark.parametrize(("start", "kept"), [(8, 2), (10, 0), (15, 0)])
def test_past_the_end_there_are_zeros(start, kept):
    song = track(np.int16)
    excerpt = song.excerpt("vocals", start, 5)
    assert excerpt.shape == (2, 5)
    assert np.array_equal(excerpt[:, :kept], song.excerpt("vocals", start, kept))
    assert not excerpt[:, kept:].any()


def test_changing_an_excerpt_leaves_the_track_alone():
    song = track(np.float32)
    song.excerpt("vocals", 0, 10)[:] = 9
    assert song.stems["vocals"].max() < 1


def test_length_is_in_samples():
    assert track(np.int16).samples == 10
