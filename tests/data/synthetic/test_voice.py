import numpy as np
import pytest

from stemsep.data.synthetic.score import Note
from stemsep.data.synthetic.voice import draw_singer, sing

RATE = 44_100


def sung(notes, *, seconds=2.0, singer=0, words=0, seed=0):
    return sing(
        draw_singer(np.random.default_rng(singer), notes[0].pitch),
        notes,
        samples=round(seconds * RATE),
        sample_rate=RATE,
        words=np.random.default_rng(words),
        rng=np.random.default_rng(seed),
    )


def pitch_hz(wave):
    """Return the pitch by autocorrelation, between 60 and 1000 Hz."""
    spectrum = np.fft.rfft(wave, 2 * len(wave))
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)
    shortest, longest = RATE // 1000, RATE // 60
    return RATE / (shortest + np.argmax(correlation[shortest:longest]))


@pytest.mark.parametrize("singer", range(4))
@pytest.mark.parametrize("pitch", [45, 57, 69])
def test_a_note_is_sung_at_its_pitch(pitch, singer):
    wave = sung([Note(0.2, 1.6, pitch, 0.9)], singer=singer)
    wanted = 440 * 2 ** ((pitch - 69) / 12)
    cents = 1200 * np.log2(pitch_hz(wave[RATE // 2 : RATE]) / wanted)
    assert abs(cents) < 80  # vibrato and drift are meant


def test_there_is_silence_between_phrases():
    wave = sung([Note(0.1, 0.4, 60, 0.9), Note(1.5, 0.4, 62, 0.9)])
    assert np.abs(wave[int(0.8 * RATE) : int(1.2 * RATE)]).max() < 1e-3 * np.abs(wave).max()
    assert len(wave) == 2 * RATE


def test_doubles_sing_the_same_words_otherwise():
    notes = [Note(0.3 * i, 0.28, 60 + i % 3, 0.9) for i in range(6)]
    first, second = sung(notes, seed=1), sung(notes, seed=2)
    other = sung(notes, seed=1, words=7)

    def syllables(wave):  # level of bands over time: what a listener takes for words
        frames = np.lib.stride_tricks.sliding_window_view(wave, 2048)[::1024]
        power = np.abs(np.fft.rfft(frames * np.hanning(2048))) ** 2
        return np.log10(power.reshape(len(power), -1)[:, :400].reshape(-1, 20, 20).mean(2) + 1e-6)

    alike = np.corrcoef(syllables(first).ravel(), syllables(second).ravel())[0, 1]
    unlike = np.corrcoef(syllables(first).ravel(), syllables(other).ravel())[0, 1]
    assert not np.array_equal(first, second)
    assert alike > unlike


def test_notes_past_the_end_are_left_out():
    assert not sung([Note(5.0, 1.0, 60, 0.9)]).any()
