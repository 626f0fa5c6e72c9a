import numpy as np
import pytest

from stemsep.data.synthetic.score import PERCUSSION, Note, sound_of, to_seconds


def timed(notes, **options):
    given = {"tempo": 120.0, "swing": 0.5, "looseness": 0.0, "rng": np.random.default_rng(0)}
    return to_seconds(notes, **(given | options))


def test_beats_become_seconds():
    (note,) = timed([Note(3.0, 1.5, 60, 0.8)], tempo=90.0)
    assert note.start == pytest.approx(2.0)
    assert note.length == pytest.approx(1.0)


def test_swing_delays_the_second_eighth_and_nothing_on_a_beat():
    on, off, following = timed([Note(b, 0.5, 60, 0.8) for b in (2.0, 2.5, 3.0)], swing=2 / 3)
    assert on.start == pytest.approx(1.0)
    assert off.start == pytest.approx(1.0 + 0.5 * 2 / 3)
    assert following.start == pytest.approx(1.5)


def test_loose_players_are_off_the_beat_by_so_much():
    notes = [Note(float(b), 0.5, 60, 0.8) for b in range(400)]
    late = [n.start - 0.5 * i for i, n in enumerate(timed(notes, looseness=0.01))]
    assert 0.008 < np.std(late) < 0.012


def test_every_sound_is_found_by_its_numbers():
    for sound, numbers in PERCUSSION.items():
        assert {sound_of(number) for number in numbers} == {sound}
    assert sound_of(1) == "perc"
