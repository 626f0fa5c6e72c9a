import av
import numpy as np
import pytest

from stemsep.data.musdb import VALID_TRACKS, read_stem_file, read_stem_files
from stemsep.errors import DatasetError
from tests.signals import tone

RATE = 44_100
# Cycles per second of each stream; AAC keeps a tone's pitch and nearly its level.
TONES = {"mixture": 300, "drums": 500, "bass": 700, "other": 900, "vocals": 1100}


def write_stem_file(path, streams=tuple(TONES)):
    with av.open(str(path), "w", format="mp4") as container:
        outputs = [container.add_stream("aac", rate=RATE, layout="stereo") for _ in streams]
        for name, stream in zip(streams, outputs, strict=True):
            wave = tone(TONES[name], samples=RATE // 2).astype(np.float32)
            frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), "fltp", "stereo")
            frame.sample_rate = RATE
            container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


def loudest_hz(waveform):
    middle = waveform[0, RATE // 10 : RATE // 10 + RATE // 4]
    return np.argmax(np.abs(np.fft.rfft(middle * np.hanning(len(middle))))) * 4


def test_streams_are_mixture_drums_bass_other_vocals_in_this_order(tmp_path):
    track = read_stem_file(write_stem_file(tmp_path / "A - B.stem.mp4"))
    assert track.name == "A - B"
    assert track.sample_rate == RATE
    found = {"mixture": track.mixture, **track.stems}
    assert {name: loudest_hz(waveform) for name, waveform in found.items()} == TONES


def test_stems_are_in_the_order_of_the_networks_and_of_one_length(tmp_path):
    track = read_stem_file(write_stem_file(tmp_path / "a.stem.mp4"))
    assert tuple(track.stems) == ("vocals", "drums", "bass", "other")
    assert {stem.shape for stem in track.stems.values()} == {track.mixture.shape}
    # AAC adds at most its delay and the rest of a frame.
    assert 0 <= track.samples - RATE // 2 < 4096


def test_too_few_streams_are_named(tmp_path):
    path = write_stem_file(tmp_path / "a.stem.mp4", streams=("mixture", "drums"))
    with pytest.raises(DatasetError, match=r"a\.stem\.mp4' has 2 sound streams"):
        read_stem_file(path)


def test_of_a_folder_only_the_named_tracks_are_read(tmp_path):
    write_stem_file(tmp_path / "a.stem.mp4")
    write_stem_file(tmp_path / "b.stem.mp4")
    assert [t.name for t in read_stem_files(tmp_path, names=("b", "c"))] == ["b"]


def test_a_folder_without_any_named_track_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match=r"no '\.stem\.mp4' files"):
        read_stem_files(tmp_path, names=VALID_TRACKS)


def test_the_validation_tracks_are_fourteen_different_ones():
    assert len(set(VALID_TRACKS)) == len(VALID_TRACKS) == 14
