from dataclasses import replace

import mido
import numpy as np
import pytest
import soundfile

from stemsep.data.synthetic import find_samples, make_song, song_seed
from stemsep.data.synthetic.players import play_part
from stemsep.data.synthetic.sampler import Library
from stemsep.data.synthetic.song import make_score, perform, soloist
from stemsep.data.track import STEMS
from stemsep.errors import DatasetError, ParameterError
from tests.signals import tone

SECONDS = 3.0


def rms_db(waveform):
    return 20 * np.log10(np.sqrt(np.mean((waveform / 32768.0) ** 2)) + 1e-9)


def mean_spectrum(seeds, stem):
    total = 0
    for seed in seeds:
        wave = make_song(seed, seconds=SECONDS).stems[stem].mean(0)
        power = np.abs(np.fft.rfft(wave)) ** 2
        total = total + power / max(1e-9, power.sum())
    return total, np.fft.rfftfreq(round(SECONDS * 44_100), 1 / 44_100)


def test_equal_seeds_make_equal_songs_and_others_do_not():
    first, again, other = (make_song(seed, seconds=SECONDS) for seed in (3, 3, 4))
    assert all(np.array_equal(first.stems[stem], again.stems[stem]) for stem in STEMS)
    assert not np.array_equal(first.whole(STEMS).sum(0), other.whole(STEMS).sum(0))


@pytest.mark.parametrize("seed", range(4))
def test_songs_have_exact_stems_within_the_range(seed):
    track = make_song(song_seed(1, seed), seconds=SECONDS)
    assert tuple(track.stems) == STEMS
    assert all(stem.shape == (2, round(SECONDS * 44_100)) for stem in track.stems.values())
    assert all(stem.dtype == np.int16 for stem in track.stems.values())
    mixture = sum(stem.astype(np.int32) for stem in track.stems.values())
    assert np.abs(mixture).max() <= 32767
    assert -32 < rms_db(mixture) < -8  # as loud as mastered music, if not all of it plays


@pytest.mark.parametrize(("seed", "stem"), [(0, "other"), (3, "drums"), (23, "bass")])
def test_a_solo_is_one_player_of_the_song_alone(seed, stem):
    track = make_song(seed, seconds=SECONDS, solo=True)
    assert list(track.stems) == [stem]
    assert rms_db(track.stems[stem]) > -35
    assert not track.excerpt("vocals", 0, track.samples).any()
    assert any(part.stem == stem for part in make_score(seed, seconds=SECONDS).parts)


def test_the_singer_is_never_the_one_who_is_alone():
    alone = {stem for seed in range(20) for stem in make_song(seed, seconds=0.2, solo=True).stems}
    assert alone == {"drums", "bass", "other"}


def test_every_other_soloist_practises_high_and_low():
    scores = [make_score(seed, seconds=4.0) for seed in range(60)]
    soloists = [soloist(score, seed) for seed, score in enumerate(scores)]
    practising = [
        part
        for part, score in zip(soloists, scores, strict=True)
        if part not in score.parts and part.role != "drums"
    ]
    pitched = sum(part.role != "drums" for part in soloists)
    assert 0.3 < len(practising) / pitched < 0.7
    assert all(
        part in score.parts
        for part, score in zip(soloists, scores, strict=True)
        if part.role == "drums"
    )
    pitches = [note.pitch for part in practising for note in part.notes]
    assert min(pitches) < 36
    assert max(pitches) > 90
    for part in practising:
        starts = [note.start for note in part.notes]
        assert starts == sorted(starts)
        assert 0 <= starts[0] < starts[-1] < 4.0
        assert len(set(starts)) > 1


def test_every_other_soloist_is_heard_as_recorded(tmp_path):
    for name, hz in (("c3", 130.81), ("c4", 261.63)):
        soundfile.write(tmp_path / f"{name}.wav", tone(hz, samples=44_100), 44_100)
    library = find_samples([tmp_path])
    solos = [make_song(seed, seconds=1.0, samples=library, solo=True) for seed in range(40)]
    sampled = [track.stems["other"] for track in solos if "other" in track.stems]
    bare = sum(np.array_equal(left, right) for left, right in sampled)
    assert 0.2 < bare / len(sampled) < 0.8
    assert not any(  # nobody is heard so in a song
        np.array_equal(*make_song(seed, seconds=1.0, samples=library).stems["other"])
        for seed in range(5)
    )


def test_a_bare_part_is_what_was_played_but_for_its_level():
    score = make_score(0, seconds=1.0)
    part = next(part for part in score.parts if part.stem == "other" and part.notes)
    track = perform(replace(score, parts=(part,)), 0, bare=True)
    rng = np.random.default_rng([0, 2, STEMS.index("other"), 0])
    played = play_part(part, Library(), samples=44_100, sample_rate=44_100, rng=rng)
    found = track.stems["other"].astype(float)
    played = np.broadcast_to(played, found.shape)
    gain = (found * played).sum() / (played**2).sum()
    assert np.abs(found - gain * played).max() < 0.05 * np.abs(found).max()  # but for the limiter


def test_a_solo_of_a_singer_alone_is_refused_in_one_line(tmp_path):
    file = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack([mido.MetaMessage("track_name", name="Vocals")])
    track.append(mido.Message("note_on", note=60, velocity=90, time=0))
    track.append(mido.Message("note_off", note=60, time=480))
    file.tracks.append(track)
    file.save(tmp_path / "voice.mid")
    with pytest.raises(DatasetError, match="nobody plays in the 1 seconds of song 1, singers"):
        make_song(1, seconds=1.0, midi=[tmp_path / "voice.mid"], solo=True)


def test_length_and_rate_are_what_was_asked_for():
    track = make_song(5, seconds=1.2345, sample_rate=22_050)
    assert track.samples == round(1.2345 * 22_050)
    assert track.sample_rate == 22_050


def test_basses_are_low_and_voices_are_not():
    bass, hz = mean_spectrum(range(5), "bass")
    voices, _ = mean_spectrum(range(5), "vocals")
    assert bass[hz < 300].sum() > 0.7 * bass.sum()
    assert voices[hz > 200].sum() > 0.9 * voices.sum()


def test_songs_differ_in_tempo_key_and_players():
    scores = [make_score(seed, seconds=8.0) for seed in range(40)]
    assert all(60 <= score.tempo <= 180 for score in scores)
    assert len({score.key for score in scores}) > 15
    assert {score.metre for score in scores} == {3, 4}
    roles = {part.role for score in scores for part in score.parts}
    assert roles == set("drums bass chords pad arpeggio riff vocals harmony double".split())


def test_stems_sometimes_pause():
    tracks = [make_score(seed, seconds=60.0) for seed in range(10)]
    vocals = [[n.start for p in s.parts if p.role == "vocals" for n in p.notes] for s in tracks]
    pauses = [max(np.diff([0.0, *sorted(starts), 60.0])) for starts in vocals]
    assert max(pauses) > 8


def test_samples_are_played(tmp_path):
    # An instrument of one sound, far above every bass: it can be heard who plays.
    for name in ("kit/kick_1", "kit/snare_1", "kit/hihat_closed_1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / f"{name}.wav", tone(3000, samples=4000), 44_100)
    library = find_samples([tmp_path])
    shares = []
    for seed in range(16):
        score = make_score(seed, seconds=1.0)
        drums = perform(score, seed, samples=library).stems["drums"].mean(0)
        power = np.abs(np.fft.rfft(drums)) ** 2
        near = slice(2900, 3100)
        shares.append(power[near].sum() / max(1.0, power.sum()))
    assert max(shares) > 0.5
    assert min(shares) < 0.1  # now and then a noise kit plays all the same


def test_a_groove_gets_a_band_around_it(tmp_path):
    file = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(100)))
    for _ in range(16):
        track.append(mido.Message("note_on", channel=9, note=36, velocity=90, time=0))
        track.append(mido.Message("note_off", channel=9, note=36, time=480))
    file.tracks.append(track)
    file.save(tmp_path / "groove.mid")
    score = make_score(1, seconds=20.0, midi=[tmp_path / "groove.mid"])
    assert score.tempo == pytest.approx(100)
    assert {part.stem for part in score.parts} >= {"drums", "bass"}
    starts = [n.start for p in score.parts if p.role == "drums" for n in p.notes]
    # The groove of 9.6 seconds goes on to the end, every beat in its place.
    np.testing.assert_allclose(np.diff(starts), 0.6, atol=1e-3)
    assert starts[0] < 0.6
    assert starts[-1] > 19


@pytest.mark.parametrize("options", [{"seconds": 0}, {"seconds": 1, "sample_rate": 1}])
def test_impossible_songs_are_refused(options):
    with pytest.raises(ParameterError, match="choose"):
        make_song(0, **options)
