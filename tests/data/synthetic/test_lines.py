import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsep.data.synthetic import lines
from stemsep.data.synthetic.harmony import SCALES, Chord, Key, draw_key, draw_progression

C_MAJOR = Key(tonic=0, mode="major")
C, F = Chord(root=0, tones=(0, 4, 7)), Chord(root=5, tones=(5, 9, 0))

seeds = st.integers(0, 2**31)


@given(seed=seeds, density=st.floats(0, 1), metre=st.sampled_from([3, 4]))
def test_melodies_keep_to_key_range_and_time(seed, density, metre):
    rng = np.random.default_rng(seed)
    key = draw_key(rng)
    chords = draw_progression(key, 0.3, rng)
    notes = lines.melody(chords, key, metre, low=55, high=72, density=density, rng=rng)
    scale = {(key.tonic + step) % 12 for step in SCALES[key.mode]}
    assert notes
    assert all(55 <= note.pitch <= 72 and note.pitch % 12 in scale for note in notes)
    ends = [note.start + note.length for note in notes]
    assert all(end <= later.start + 1e-9 for end, later in zip(ends, notes[1:], strict=False))
    assert max(ends) <= len(chords) * metre


@pytest.mark.parametrize("style", ["held", "rhythm", "eighths", "octaves", "fifths", "walking"])
def test_basses_begin_each_bar_with_the_root(style):
    rng = np.random.default_rng(0)
    notes = lines.bass_line([C, F, C], 4, style, [(0.0, 1.0, 0.8), (2.0, 1.0, 0.8)], 28, rng)
    firsts = [note for note in notes if note.start in (0, 4, 8)]
    assert [note.pitch % 12 for note in firsts] == [0, 5, 0]
    assert all(26 <= note.pitch <= 60 for note in notes)


def test_power_chords_are_root_fifth_and_octave():
    notes = lines.chord_rhythm([F], 4, [(0.0, 1.0, 0.8)], 36, power=True)
    assert [note.pitch for note in notes] == [41, 48, 53]


def test_a_pad_holds_a_chord_for_as_long_as_it_lasts():
    notes = lines.pad([C, C, F], 4, 48)
    assert {(note.start, note.length) for note in notes} == {(0, 8), (8, 4)}


def test_arpeggios_are_made_of_the_chord():
    notes = lines.arpeggio([F], 4, 0.5, "both", 48)
    assert {note.pitch % 12 for note in notes} == {5, 9, 0}
    assert [note.start for note in notes] == [0.5 * i for i in range(8)]


def test_a_harmony_a_third_above_stays_in_the_key():
    tune = lines.melody(
        [C, F], C_MAJOR, 4, low=60, high=72, density=0.5, rng=np.random.default_rng(1)
    )
    harmony = lines.harmony_line(tune, C_MAJOR, 2)
    intervals = {high.pitch - low.pitch for low, high in zip(tune, harmony, strict=True)}
    assert intervals <= {3, 4}


@given(seed=seeds, density=st.floats(0, 1), metre=st.sampled_from([3, 4]))
def test_rhythms_fill_a_bar_and_no_more(seed, density, metre):
    rhythm = lines.draw_rhythm(metre, density, np.random.default_rng(seed))
    starts = [start for start, _, _ in rhythm]
    assert starts == sorted(set(starts))
    assert all(0 <= start < metre and start + length <= metre for start, length, _ in rhythm)
