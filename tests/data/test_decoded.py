import numpy as np
import pytest
import soundfile

from stemsep.data import decoded
from stemsep.data.decoded import Decoder
from stemsep.errors import DatasetError
from tests.signals import integers, noise

RATE = 8000


def write(path, samples=100):
    steps = integers(2, samples, bits=16).astype(np.int16)
    soundfile.write(path, steps.T, RATE)
    return steps


def test_sixteen_bits_stay_as_they_are_in_memory_and_in_a_folder(tmp_path):
    steps = write(tmp_path / "a.wav")
    assert np.array_equal(Decoder(sample_rate=RATE).file(tmp_path / "a.wav"), steps)
    kept = Decoder(sample_rate=RATE, folder=tmp_path / "new" / "kept").file(tmp_path / "a.wav")
    assert isinstance(kept.base, np.memmap) or isinstance(kept, np.memmap)
    assert np.array_equal(kept, steps)


def test_exact_keeps_what_sixteen_bits_cannot(tmp_path):
    wave = 12 * noise(2, 100)
    assert np.abs(wave).max() > 1
    soundfile.write(tmp_path / "a.wav", wave.T, RATE, subtype="FLOAT")
    exact = Decoder(sample_rate=RATE, exact=True)
    assert np.array_equal(exact.file(tmp_path / "a.wav"), wave)
    folder = Decoder(sample_rate=RATE, exact=True, folder=tmp_path / "kept")
    assert np.array_equal(folder.file(tmp_path / "a.wav"), wave)
    limited = Decoder(sample_rate=RATE, folder=tmp_path / "kept").file(tmp_path / "a.wav")
    assert limited.dtype == np.int16
    assert limited.max() == 32767


def test_a_folder_is_decoded_to_once_until_the_file_changes(tmp_path, monkeypatch):
    calls = []
    read = decoded.read_audio
    monkeypatch.setattr(decoded, "read_audio", lambda path: (calls.append(path), read(path))[1])
    decoder = Decoder(sample_rate=RATE, folder=tmp_path / "kept")
    write(tmp_path / "a.wav")
    first = np.array(decoder.file(tmp_path / "a.wav"))
    assert np.array_equal(decoder.file(tmp_path / "a.wav"), first)
    assert len(calls) == 1
    longer = write(tmp_path / "a.wav", samples=150)
    assert np.array_equal(decoder.file(tmp_path / "a.wav"), longer)
    assert len(calls) == 2
    assert Decoder(sample_rate=2 * RATE, folder=tmp_path / "kept").file(
        tmp_path / "a.wav"
    ).shape == (2, 300)
    assert len(calls) == 3


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(tmp_path):
    write(tmp_path / "a.wav")
    (tmp_path / "file").touch()
    with pytest.raises(DatasetError, match=r"cannot keep decoded sound in '.*file'.*memory"):
        Decoder(sample_rate=RATE, folder=tmp_path / "file").file(tmp_path / "a.wav")
    assert not list(tmp_path.glob(".stemsep*"))
