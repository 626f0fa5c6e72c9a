import numpy as np
import pytest

from stemsep.data.synthetic.performance import Instrument, play_drums, play_notes, strummed
from stemsep.data.synthetic.score import PERCUSSION, Note

RATE = 1000


def instrument(**options):
    """Return one whose tones are their pitch, held."""

    def tone(pitch, seconds, velocity, take):
        return np.full((1, round(seconds * RATE)), float(pitch), np.float32)

    return Instrument(name="steps", tone=tone, release_seconds=0.1, **options)


def test_notes_sound_from_start_to_end_and_fade():
    played = play_notes([Note(0.5, 0.3, 60, 1.0)], instrument(), samples=1200, sample_rate=RATE)
    assert not played[:, :500].any()
    assert (played[:, 500:800] == 60).all()
    assert (np.diff(played[0, 800:900]) < 0).all()
    assert played[0, 899] == pytest.approx(0, abs=0.01)
    assert not played[:, 900:].any()


def test_a_note_that_comes_again_is_as_long_as_it_should_be():
    notes = [Note(0.0, 0.1, 60, 1.0), Note(0.3, 0.5, 60, 1.0)]
    played = play_notes(notes, instrument(takes=1), samples=1000, sample_rate=RATE)
    assert np.flatnonzero(played[0] == 60).tolist() == [*range(101), *range(300, 801)]


def test_notes_out_of_reach_are_played_in_another_octave():
    limited = instrument(lowest=50, highest=62)
    assert [limited.reachable(pitch) for pitch in (30, 50, 62, 70)] == [54, 50, 62, 58]


def test_notes_past_the_end_are_cut():
    played = play_notes([Note(0.9, 5, 60, 1.0)], instrument(), samples=1000, sample_rate=RATE)
    assert played.shape == (1, 1000)
    assert (played[:, 900:] == 60).all()


def test_louder_is_louder():
    soft, loud = (
        play_notes([Note(0, 1, 60, v)], instrument(), samples=500, sample_rate=RATE).max()
        for v in (0.3, 0.9)
    )
    assert soft < 0.5 * loud


def test_strums_go_down_from_the_lowest_string():
    chord = [Note(1.0, 1.0, pitch, 0.8) for pitch in (64, 60, 67)]
    played = strummed(chord, np.random.default_rng(0))
    assert [note.pitch for note in sorted(played)] == [60, 64, 67]
    starts = [note.start for note in sorted(played)]
    assert starts[0] == 1.0
    assert 0.003 < starts[2] - starts[0] < 0.05
    assert starts[0] < starts[1] < starts[2]


def drums(notes, **options):
    given = {
        "gains": dict.fromkeys(PERCUSSION, 1.0),
        "pans": dict.fromkeys(PERCUSSION, 0.0),
        "samples": 1000,
        "sample_rate": RATE,
    }
    return play_drums(notes, lambda *_: np.ones((1, 600), np.float32), **(given | options))


def test_a_closed_hat_ends_an_open_one():
    opened, closed = PERCUSSION["hihat_open"][0], PERCUSSION["hihat_closed"][0]
    quiet = dict.fromkeys(PERCUSSION, 1.0) | {"hihat_closed": 0.0}
    rung = drums([Note(0.0, 0.1, opened, 1.0)])
    choked = drums([Note(0.0, 0.1, opened, 1.0), Note(0.2, 0.1, closed, 1.0)], gains=quiet)
    assert rung[0, 500] == 1
    assert choked[0, 199] == 1
    assert choked[0, 300] < 0.01


def test_drums_stand_where_they_are_put():
    pans = dict.fromkeys(PERCUSSION, 1.0)
    left, right = drums([Note(0.0, 0.1, 38, 1.0)], pans=pans)
    assert not left.any()
    assert right[0] == pytest.approx(2**0.5)
