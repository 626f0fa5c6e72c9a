import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stemsep.data.synthetic.harmony import SCALES, Key, draw_key, draw_progression

seeds = st.integers(0, 2**31)


def scale_of(key: Key) -> set[int]:
    return {(key.tonic + step) % 12 for step in SCALES[key.mode]}


@given(seed=seeds)
def test_chords_are_of_their_key_save_for_a_borrowed_leading_tone(seed):
    rng = np.random.default_rng(seed)
    key = draw_key(rng)
    for chord in draw_progression(key, 0.7, rng):
        outside = set(chord.tones) - scale_of(key)
        assert outside <= ({(key.tonic + 11) % 12} if key.mode == "minor" else set())
        assert chord.tones[0] == chord.root


def test_c_major_is_the_white_keys():
    key = Key(tonic=0, mode="major")
    assert [key.pitch(degree) for degree in range(-1, 8)] == [59, 60, 62, 64, 65, 67, 69, 71, 72]
    assert str(key) == "c major"


@given(tonic=st.integers(0, 11), mode=st.sampled_from(list(SCALES)), degree=st.integers(-14, 14))
def test_a_degree_is_nearest_to_its_own_pitch(tonic, mode, degree):
    key = Key(tonic=tonic, mode=mode)
    assert key.degree_near(key.pitch(degree)) == degree


@given(seed=seeds, low=st.integers(30, 70))
def test_voicings_lie_in_the_octave_above_the_lowest_note(seed, low):
    rng = np.random.default_rng(seed)
    chord = draw_progression(draw_key(rng), 0.5, rng)[0]
    voiced = chord.voiced(low)
    assert voiced == sorted(voiced)
    assert low <= voiced[0]
    assert voiced[-1] < low + 12
    assert {pitch % 12 for pitch in voiced} == set(chord.tones)
