import numpy as np
import pytest

from stemsep.data.augment import AS_IT_IS, AugmentConfig
from stemsep.data.matching import Music, analyse, matched
from stemsep.data.remix import RemixConfig, RemixSampler
from stemsep.data.track import STEMS, Track
from tests.signals import noise

RATE = 22_050
SCALE = (0, 2, 4, 5, 7, 9, 11)  # major


def song(*, tonic, bpm, seconds=12, minor=False):
    """A track with a kick on each beat, and chords of a scale, a bar each."""
    samples = seconds * RATE
    time = np.arange(samples) / RATE
    beat = 60 / bpm
    kick = np.exp(-((time % beat) / 0.03)) * np.sin(2 * np.pi * 80 * (time % beat))
    degrees = (5, 3, 5, 2, 5) if minor else (0, 3, 4, 0, 0)
    other = np.zeros(samples)
    for bar in range(int(seconds / (4 * beat)) + 1):
        part = slice(int(4 * beat * bar * RATE), int(4 * beat * (bar + 1) * RATE))
        for step in (0, 2, 4):
            note = SCALE[(degrees[bar % 5] + step) % 7] + tonic + 48
            other[part] += np.sin(2 * np.pi * 440 * 2 ** ((note - 69) / 12) * time[part])
    stems = {"drums": kick, "other": 0.1 * other}
    stereo = {name: np.stack([wave, wave]).astype(np.float32) for name, wave in stems.items()}
    return Track(name=str(tonic), sample_rate=RATE, stems=stereo)


@pytest.mark.parametrize(("tonic", "bpm"), [(0, 100), (7, 125), (3, 90)])
def test_tempo_and_key_of_made_up_songs_are_found(tonic, bpm):
    music = analyse(song(tonic=tonic, bpm=bpm))
    octaves = np.log2(music.tempo_bpm / bpm)
    assert abs(octaves - round(octaves)) < 0.06  # half or double the beats fit as well
    assert music.key == tonic


def test_a_minor_key_is_told_by_the_major_one_with_its_notes():
    assert analyse(song(tonic=2, bpm=110, minor=True)).key == 2


def test_silence_and_drums_alone_have_no_key():
    silent = Track(name="s", sample_rate=RATE, stems={"bass": np.zeros((2, 3 * RATE), np.float32)})
    assert analyse(silent) == Music(tempo_bpm=0, key=None)
    drums = Track(name="d", sample_rate=RATE, stems={"drums": noise(2, 3 * RATE)})
    assert analyse(drums).key is None
    short = Track(name="h", sample_rate=RATE, stems={"bass": noise(2, 50)})
    assert analyse(short) == Music(tempo_bpm=0, key=None)


def test_a_track_is_brought_to_another_ones_tempo_and_key_the_short_way():
    timing = matched(
        Music(tempo_bpm=100, key=11), Music(tempo_bpm=120, key=1), tempo=True, key=True
    )
    assert timing.tempo == pytest.approx(1.2)
    assert 12 * np.log2(timing.pitch) == pytest.approx(2)
    slow = matched(Music(tempo_bpm=70, key=0), Music(tempo_bpm=150, key=7), tempo=True, key=True)
    assert slow.tempo == pytest.approx(150 / 140)  # its double time
    assert 12 * np.log2(slow.pitch) == pytest.approx(-5)


def test_what_is_not_to_match_or_not_known_stays():
    one, two = Music(tempo_bpm=100, key=0), Music(tempo_bpm=120, key=5)
    assert matched(one, two, tempo=False, key=False) == AS_IT_IS
    assert matched(one, two, tempo=False, key=True).tempo == 1
    assert matched(one, two, tempo=True, key=False).pitch == 1
    assert matched(Music(tempo_bpm=0, key=None), two, tempo=True, key=True) == AS_IT_IS


def test_a_matched_remix_plays_all_songs_at_the_tempo_of_one():
    tracks = []
    for name, bpm in (("a", 100), ("b", 130)):
        track = song(tonic=0, bpm=bpm)
        loop = track.stems["drums"]
        tracks.append(Track(name=name, sample_rate=RATE, stems=dict.fromkeys(STEMS, loop)))

    def periods(match_tempo):
        draw = RemixSampler(
            [(tracks, 1.0)],
            stems=STEMS,
            samples=5 * RATE,
            config=RemixConfig(remix=1.0, silence=0.0, match_tempo=match_tempo),
            augment=AugmentConfig(speed=0.0),
            seed=0,
        )
        for place in range(6):
            yield [beat_period(stem[0]) for stem in draw.example(0, place).stems]

    assert all(max(found) / min(found) < 1.04 for found in periods(1.0))
    assert any(max(found) / min(found) > 1.2 for found in periods(0.0))


def beat_period(waveform):
    envelope = np.abs(waveform).reshape(-1, 50).mean(1)
    envelope = envelope - envelope.mean()
    same = np.correlate(envelope, envelope, "full")[len(envelope) - 1 :]
    first = int(0.35 * RATE / 50)
    return (first + np.argmax(same[first : int(0.75 * RATE / 50)])) * 50 / RATE
