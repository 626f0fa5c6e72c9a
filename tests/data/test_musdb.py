import shutil

import av
import numpy as np
import pytest
import soundfile

from stemsep.audio.convert import to_steps
from stemsep.data.decoded import Decoder
from stemsep.data.musdb import VALID_TRACKS, read_musdb, read_stem_file, read_stem_files
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


DECODER = Decoder(sample_rate=RATE)


def names(tracks):
    return [track.name for track in tracks]


@pytest.fixture(scope="module")
def musdb(tmp_path_factory):
    root = tmp_path_factory.mktemp("musdb18")
    for part, name in (
        ("train", "A - New Song"),
        ("train", VALID_TRACKS[3]),
        ("train", VALID_TRACKS[0]),
        ("test", "B - Test Song"),
    ):
        (root / part).mkdir(exist_ok=True)
        write_stem_file(root / part / f"{name}.stem.mp4")
    (root / "train" / "README.md").touch()
    return root


def test_the_three_parts_of_musdb_share_no_track(musdb):
    parts = {s: names(read_musdb(musdb, split=s, decoder=DECODER)) for s in ("train", "test")}
    assert parts == {"train": ["A - New Song"], "test": ["B - Test Song"]}
    valid = read_musdb(musdb, split="valid", decoder=DECODER)
    assert names(valid) == sorted([VALID_TRACKS[0], VALID_TRACKS[3]])
    assert all(track.mixture is not None for track in valid)
    assert names(read_musdb(musdb / "train", split="train", decoder=DECODER)) == ["A - New Song"]


def test_tracks_of_musdb_can_be_chosen_by_name(musdb):
    chosen = {"split": "valid", "decoder": DECODER}
    assert names(read_musdb(musdb, only=[VALID_TRACKS[0]], **chosen)) == [VALID_TRACKS[0]]
    assert names(read_musdb(musdb, exclude=[VALID_TRACKS[0]], **chosen)) == [VALID_TRACKS[3]]


def test_training_tracks_are_sixteen_bits_of_what_the_file_holds(musdb):
    exact = read_stem_file(musdb / "train" / "A - New Song.stem.mp4")
    (track,) = read_musdb(musdb, split="train", decoder=DECODER)
    assert track.mixture is None
    for stem, sound in exact.stems.items():
        assert track.stems[stem].dtype == np.int16
        assert np.abs(track.excerpt(stem, 0, track.samples) - sound).max() <= 0.5 / 32768


def test_the_folders_of_musdb_hq_are_read_too(tmp_path):
    for name in (VALID_TRACKS[0], "A - New Song"):
        (tmp_path / "train" / name).mkdir(parents=True)
        for stem, hz in TONES.items():
            wave = tone(hz, samples=1000).astype(np.float32)
            soundfile.write(
                tmp_path / "train" / name / f"{stem}.wav", np.stack([wave, wave], 1), RATE
            )
    (track,) = read_musdb(tmp_path, split="train", decoder=DECODER)
    assert track.name == "A - New Song"
    (valid,) = read_musdb(tmp_path, split="valid", decoder=DECODER)
    assert valid.name == VALID_TRACKS[0]
    assert np.allclose(valid.mixed(0, 1000)[0], tone(300, samples=1000), atol=1e-4)
    assert np.allclose(valid.excerpt("bass", 0, 1000)[0], tone(700, samples=1000), atol=1e-4)


def test_a_part_of_musdb_that_is_not_there_is_named(musdb, tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(DatasetError, match=r"no tracks of MUSDB18's 'train' in '.*stem\.mp4"):
        read_musdb(tmp_path, split="train", decoder=DECODER)
    with pytest.raises(DatasetError, match=r"no folder '.*nowhere'"):
        read_musdb(tmp_path / "nowhere", split="train", decoder=DECODER)


def test_a_stem_file_gives_the_samples_of_the_musdb_package(musdb):
    package = pytest.importorskip("musdb")
    if shutil.which("ffmpeg") is None:
        pytest.skip("the musdb package needs the ffmpeg program")
    ours = read_stem_file(musdb / "train" / "A - New Song.stem.mp4")
    database = package.DB(root=str(musdb), subsets="train", split="train")
    (theirs,) = [track for track in database if track.name == "A - New Song"]
    sounds = {"mixture": ours.mixture, **ours.stems}
    for name, sound in sounds.items():
        truth = theirs.audio if name == "mixture" else theirs.targets[name].audio
        # The package decodes to 16 bits, with another FFmpeg, whose floats differ in the last bits.
        steps = to_steps(sound, 16)[0] - np.rint(truth.T * 32768)
        assert np.abs(steps).max() <= 1, name
        assert np.count_nonzero(steps) < 1e-3 * steps.size, name
