import numpy as np
import pytest
import soundfile

from stemsep.data.synthetic.sampler import find_samples, sampled_tone
from stemsep.errors import DatasetError
from tests.signals import tone

RATE = 44_100


@pytest.fixture
def folder(tmp_path):
    """Samples named as libraries name them, each of another pitch or level."""

    def write(name, hz, amplitude=0.5, rate=RATE, pause=0, seconds=1.0):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        wave = tone(hz, samples=round(seconds * rate), sample_rate=rate, amplitude=amplitude)
        soundfile.write(path, np.concatenate([np.zeros(pause), wave]), rate)

    write("piano/c4_f.wav", 261.63)
    write("piano/c4_p.wav", 261.63, amplitude=0.1, seconds=0.5)
    write("piano/gb4_f.flac", 369.99, rate=22_050)
    write("slap-bass/sustain_e1_f_rr1.wav", 41.2, pause=9_000)
    write("slap-bass/sustain_e1_f_rr2.wav", 41.2)
    write("slap-bass/staccato_e1_f_rr1.wav", 41.2)
    write("kit/kick_1.wav", 60)
    write("kit/hihat_open-half_3.wav", 5000)
    write("kit/drum_bass_hard.wav", 70)
    write("kit/unheard-of.wav", 70)
    (tmp_path / "kit/notes_c4.txt").write_text("not a sound")
    return tmp_path


def pitch_hz(wave):
    return np.argmax(np.abs(np.fft.rfft(wave[0], 8 * RATE))) / 8


def test_names_tell_instruments_stems_and_kits(folder):
    library = find_samples([folder])
    assert {(i.name, i.stem): len(i.samples) for i in library.instruments} == {
        ("piano", "other"): 3,
        ("slap-bass staccato", "bass"): 1,
        ("slap-bass sustain", "bass"): 2,
    }
    (kit,) = library.kits
    assert {sound: len(samples) for sound, samples in kit.sounds.items()} == {
        "kick": 2,
        "hihat_open": 1,
    }


@pytest.mark.parametrize(
    ("name", "pitch"), [("c4", 60), ("gb2", 42), ("a#3", 58), ("bb0", 22), ("cs1", 25), ("e1", 28)]
)
def test_notes_are_in_scientific_pitch(tmp_path, name, pitch):
    soundfile.write(tmp_path / f"{name}_mf.wav", np.ones(100) * 0.1, RATE)
    (instrument,) = find_samples([tmp_path]).instruments
    assert instrument.samples[0].pitch == pitch


@pytest.mark.parametrize(
    ("name", "sound"),
    [
        ("bd_808", "kick"),
        ("drum_heavy_kick", "kick"),
        ("sn_dub", "snare"),
        ("rimshot_rimshot12", "snare"),
        ("sidestick_sidestick-alt1", "sidestick"),
        ("hihat_closed-hihat_chh16", "hihat_closed"),
        ("hihat_foot-hihat_fhh4", "hihat_foot"),
        ("hihat_half-open-hihat_hohh1", "hihat_open"),
        ("drum_cymbal_pedal", "hihat_foot"),
        ("drum_tom_lo_soft", "tom_low"),
        ("crash_crash-bell13", "crash"),
        ("ride_ride-bell2", "ride_bell"),
        ("tabla_ghe1", "conga"),
        ("elec_hi_snare", "snare"),
        ("perc_door", "perc"),
    ],
)
def test_drums_are_told_by_their_words(tmp_path, name, sound):
    for file in (name, "kick_0", "snare_0"):
        soundfile.write(tmp_path / f"{file}.wav", np.ones(100) * 0.1, RATE)
    (kit,) = find_samples([tmp_path]).kits
    assert name in [sample.path.stem for sample in kit.sounds[sound]]


@pytest.mark.parametrize("pitch", [58, 60, 63, 64, 66, 73])
def test_missing_notes_are_shifted_to_their_pitch(folder, pitch):
    piano = find_samples([folder / "piano"]).instruments[0]
    wave = sampled_tone(piano.samples, pitch=pitch, velocity=0.8, take=0, sample_rate=RATE)
    assert abs(1200 * np.log2(pitch_hz(wave) / (440 * 2 ** ((pitch - 69) / 12)))) < 5
    assert wave.dtype == np.float32


def test_the_nearest_dynamic_is_chosen(folder):
    piano = find_samples([folder / "piano"]).instruments[0]
    soft, loud = (
        sampled_tone(piano.samples, pitch=60, velocity=velocity, take=0, sample_rate=RATE)
        for velocity in (0.2, 0.9)
    )
    assert soft.shape[1] < 0.6 * loud.shape[1]  # the soft sample is the shorter one
    for wave in (soft, loud):  # layers differ in tone; their levels are the velocities'
        assert np.abs(wave).max() == pytest.approx(1, abs=0.01)


def test_equal_samples_take_turns(folder):
    bass = next(i for i in find_samples([folder]).instruments if len(i.samples) == 2)
    first, second, third = (
        sampled_tone(bass.samples, pitch=28, velocity=0.8, take=take, sample_rate=RATE)
        for take in range(3)
    )
    assert not np.array_equal(first[:, :1000], second[:, :1000])
    assert np.array_equal(first, third)


def test_pauses_before_a_note_are_cut_off(folder):
    bass = next(i for i in find_samples([folder]).instruments if len(i.samples) == 2)
    wave = sampled_tone(bass.samples, pitch=28, velocity=0.8, take=0, sample_rate=RATE)
    assert np.argmax(np.abs(wave[0]) > 0.1) < RATE // 100


@pytest.mark.parametrize("name", ["nothing", "notes", ""])
def test_folders_without_samples_are_one_line(tmp_path, name):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("c4")
    (tmp_path / "song.wav").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"no folder|no samples") as error:
        find_samples([tmp_path / name])
    assert "\n" not in str(error.value)
