import json

import musdb
import numpy as np
import pytest

from stemsep.audio import read_streams
from stemsep.audio.stem_file import STEM_ORDER, open_stem_file
from stemsep.audio.tags import Tags
from stemsep.data.musdb import read_stem_file
from tests.audio.test_encode import by_ffmpeg, cover, smooth_noise

SAMPLES = 60_001


@pytest.fixture(scope="module")
def sounds() -> np.ndarray:
    stems = np.stack([0.5 * smooth_noise(2, SAMPLES + n)[:, n:] for n in range(4)])
    return np.concatenate([stems.sum(0, keepdims=True), stems])


@pytest.fixture(scope="module")
def stem_file(tmp_path_factory, sounds):
    path = tmp_path_factory.mktemp("stem") / "Artist - Song.stem.mp4"
    tags = Tags(values={"title": "Song", "artist": "Artist"}, cover=cover())
    options = {"sample_rate": 44_100, "channels": 2, "samples": SAMPLES, "tags": tags}
    with open_stem_file(path, **options) as writer:
        for part in np.array_split(sounds, 4, axis=2):
            writer.write(part)
    return path


def close(decoded: np.ndarray, given: np.ndarray) -> bool:
    return np.square(decoded - given).mean() < 0.1 * np.square(given).mean()


def test_our_reader_gives_all_streams_back(stem_file, sounds):
    streams, rate = read_streams(stem_file)
    assert rate == 44_100
    assert [s.shape for s in streams] == [(2, SAMPLES)] * 5
    assert all(map(close, streams, sounds))
    track = read_stem_file(stem_file)
    assert track.name == "Artist - Song"
    assert close(track.excerpt("vocals", 0, SAMPLES), sounds[1 + STEM_ORDER.index("vocals")])


def test_musdb_reads_it(stem_file, sounds):
    (stem_file.parent / "train").mkdir(exist_ok=True)
    linked = stem_file.parent / "train" / stem_file.name
    linked.write_bytes(stem_file.read_bytes())
    (track,) = musdb.DB(root=str(stem_file.parent), subsets="train")
    assert track.audio.shape == (SAMPLES, 2)
    for name in STEM_ORDER:
        audio = track.targets[name].audio.T
        assert close(audio, sounds[1 + STEM_ORDER.index(name)])


def test_ffmpeg_plays_the_mixture(stem_file, sounds):
    decoded = by_ffmpeg(stem_file, 2)
    assert decoded.shape == (2, SAMPLES)
    assert close(decoded, sounds[0])


def test_it_has_the_box_that_players_look_for(stem_file):
    content = stem_file.read_bytes()
    moov = content.index(b"moov") - 4
    assert moov + int.from_bytes(content[moov : moov + 4], "big") == len(content)
    udta = content.index(b"udta", moov) - 4
    stem = content.index(b"stem{", udta) - 4
    size = int.from_bytes(content[stem : stem + 4], "big")
    assert stem + size <= udta + int.from_bytes(content[udta : udta + 4], "big")
    described = json.loads(content[stem + 8 : stem + size])
    assert [s["name"] for s in described["stems"]] == list(STEM_ORDER)
    assert described["version"] == 1
