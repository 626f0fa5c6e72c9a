import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsep.data.synthetic.grooves import GROOVES, draw_groove, play_groove
from stemsep.data.synthetic.score import PERCUSSION, sound_of


@pytest.mark.parametrize("groove", GROOVES, ids=lambda groove: groove.name)
def test_lines_have_one_length_and_known_sounds(groove):
    assert {len(line) for line in groove.lines.values()} == {4 * groove.metre}
    assert groove.lines.keys() <= PERCUSSION.keys()
    assert 60 <= groove.tempo[0] < groove.tempo[1] <= 180


@given(seed=st.integers(0, 2**31), tempo=st.floats(62, 178))
def test_grooves_suit_the_tempo(seed, tempo):
    groove = draw_groove(np.random.default_rng(seed), tempo)
    assert groove.tempo[0] <= tempo <= groove.tempo[1]


@given(seed=st.integers(0, 2**31), energy=st.floats(0, 1), fill=st.booleans())
def test_sections_stay_within_their_bars(seed, energy, fill):
    rng = np.random.default_rng(seed)
    groove = draw_groove(rng)
    notes = play_groove(groove, bars=4, energy=energy, fill=fill, crash=True, rng=rng)
    assert all(0 <= note.start < 4 * groove.metre and 0 < note.velocity <= 1 for note in notes)
    assert any(sound_of(note.pitch) == "crash" and note.start == 0 for note in notes)


def test_a_fill_replaces_the_groove_at_the_end():
    groove = next(groove for groove in GROOVES if groove.name == "rock")

    def strokes(fill):
        rng = np.random.default_rng(3)
        notes = play_groove(groove, bars=2, energy=1.0, fill=fill, crash=False, rng=rng)
        return [sound_of(note.pitch) for note in notes if note.start >= 7]

    assert strokes(fill=True).count("hihat_closed") == 0
    assert strokes(fill=False).count("hihat_closed") > 0
