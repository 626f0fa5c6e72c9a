import librosa
import numpy as np
import pytest
import soundfile

from stemsep.data.synthetic import find_samples, make_notes
from stemsep.data.synthetic.sampler import Library
from stemsep.errors import DatasetError
from tests.signals import tone

RATE = 8000
PITCHES = (48, 60, 72)


@pytest.fixture
def library(tmp_path):
    for pitch in PITCHES:
        for folder in ("viola", "bass"):
            path = tmp_path / folder / f"{librosa.midi_to_note(pitch, unicode=False).lower()}.wav"
            path.parent.mkdir(exist_ok=True)
            wave = tone(librosa.midi_to_hz(pitch), samples=4 * RATE, sample_rate=RATE)
            soundfile.write(path, wave, RATE)
    return find_samples([tmp_path])


def drawn(library, count, seconds=4.0):
    return [
        make_notes(seed, seconds=seconds, sample_rate=RATE, samples=library)
        for seed in range(count)
    ]


def test_equal_seeds_make_equal_notes_and_others_do_not(library):
    first, again = (make_notes(5, seconds=1.0, sample_rate=RATE, samples=library) for _ in range(2))
    (stem,) = first.stems
    assert np.array_equal(first.stems[stem], again.stems[stem])
    other = make_notes(6, seconds=1.0, sample_rate=RATE, samples=library)
    assert not np.array_equal(first.whole([stem]), other.whole([stem]))


def test_every_instrument_plays_alone_as_its_stem(library):
    tracks = drawn(library, 20, seconds=0.5)
    assert {tuple(track.stems) for track in tracks} == {("bass",), ("other",)}
    assert all(sound.shape == (2, RATE // 2) for t in tracks for sound in t.stems.values())


def test_notes_are_those_that_were_recorded_and_few_lie_beside_them(library):
    near, power = np.zeros(3), 0.0
    for track in drawn(library, 12):
        (sound,) = track.stems.values()
        spectrum = np.abs(np.fft.rfft(sound[0])) ** 2
        pitch = librosa.hz_to_midi(np.maximum(np.fft.rfftfreq(sound.shape[1], 1 / RATE), 1))
        near += [spectrum[np.abs(pitch - each) < 0.5].sum() for each in PITCHES]
        power += spectrum.sum()
    assert near.min() > 0.05 * power  # all of them
    assert 0.6 < near.sum() / power < 0.98


def test_tracks_are_loud_and_quiet_dry_and_in_the_middle(library):
    sounds = [sound for track in drawn(library, 20, 0.5) for sound in track.stems.values()]
    assert all(np.array_equal(left, right) for left, right in sounds)
    peaks = [np.abs(sound).max() / 32767 for sound in sounds]
    assert min(peaks) < 0.2
    assert 0.5 < max(peaks) < 0.96


def test_notes_need_an_instrument():
    with pytest.raises(DatasetError, match="no instrument to play them"):
        make_notes(0, seconds=1.0, samples=Library())
