import numpy as np
import pytest
import soundfile

from stemsep.data.decoded import Decoder
from stemsep.data.musdb import VALID_TRACKS
from stemsep.data.sources import SourceConfig, read_source
from stemsep.data.track import STEMS
from stemsep.errors import DatasetError, ParameterError
from tests.signals import noise, tone

DECODER = Decoder(sample_rate=8000)
MADE = {"kind": "synthetic", "path": "", "tracks": 3, "seconds": 0.5}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    files = [f"songs/{song}/{stem}" for song in ("a", "b") for stem in STEMS]
    files += [f"hq/train/{name}/{s}" for name in ("New", VALID_TRACKS[0]) for s in STEMS]
    files += ["loose/vocals/anna", "loose/drums/beat", "bare/one", "bare/two"]
    for name in files:
        path = root / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise(2, 100, seed=len(name)).T, 8000)
    return root


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ({"path": "songs"}, ["a", "b"]),
        ({"path": "songs", "only": ["b"]}, ["b"]),
        ({"path": "songs", "exclude": ["b"]}, ["a"]),
        ({"path": "hq", "kind": "musdb"}, ["New"]),
        ({"path": "hq", "kind": "musdb", "split": "valid"}, [VALID_TRACKS[0]]),
        ({"path": "loose", "kind": "stems"}, ["vocals/anna", "drums/beat"]),
        ({"path": "loose", "kind": "stems", "exclude": ["drums/beat"]}, ["vocals/anna"]),
        ({"path": "bare", "kind": "songs"}, ["one", "two"]),
        ({"path": "bare", "kind": "songs", "only": ["two"]}, ["two"]),
    ],
)
def test_each_kind_of_source_gives_its_tracks(root, source, names):
    tracks = read_source(SourceConfig(**source), root, decoder=DECODER)
    assert [track.name for track in tracks] == names
    assert all(track.sample_rate == 8000 and track.samples == 100 for track in tracks)


def test_reliable_stems_are_handed_on(root):
    source = SourceConfig(path="songs", reliable={"a": ["vocals"]})
    a, b = read_source(source, root, decoder=DECODER)
    assert a.unreliable == {"drums", "bass", "other"}
    assert not b.unreliable


@pytest.mark.parametrize("source", [{"path": "songs"}, {"path": "hq", "kind": "musdb"}])
def test_stems_that_are_not_asked_for_are_silent(root, source):
    whole = read_source(SourceConfig(**source), root, decoder=DECODER)[0]
    alone = read_source(SourceConfig(**source, only_stems=["bass"]), root, decoder=DECODER)[0]
    assert np.array_equal(alone.excerpt("bass", 0, 100), whole.excerpt("bass", 0, 100))
    assert alone.excerpt("bass", 0, 100).any()
    assert np.array_equal(alone.mixed(0, 100), alone.excerpt("bass", 0, 100))
    assert not alone.excerpt("vocals", 0, 100).any()


def test_songs_without_the_stems_that_are_asked_for_are_left_out(tmp_path):
    for name in ("a/vocals", "a/bass", "b/bass"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / f"{name}.wav", noise(2, 100, seed=1).T, 8000)
    config = SourceConfig(path=tmp_path.name, only_stems=["vocals"])
    (song,) = read_source(config, tmp_path.parent, decoder=DECODER)
    assert song.name == "a"
    config = SourceConfig(path=tmp_path.name, only_stems=["drums"])
    with pytest.raises(DatasetError, match="no song has drums, as only_stems asks for"):
        read_source(config, tmp_path.parent, decoder=DECODER)


def test_a_decoder_with_a_folder_keeps_the_sound_there(root, tmp_path):
    decoder = Decoder(sample_rate=8000, folder=tmp_path)
    first, _ = read_source(SourceConfig(path="songs"), root, decoder=decoder)
    assert len(list(tmp_path.iterdir())) == 8
    plain, _ = read_source(SourceConfig(path="songs"), root, decoder=DECODER)
    assert np.array_equal(first.whole(STEMS), plain.whole(STEMS))


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"kind": "folders"}, "kind = 'folders': choose from folder, musdb, stems, songs, synth"),
        ({"split": "valid"}, "split goes with kind = 'musdb', not 'folder'"),
        ({"kind": "stems", "reliable": {"a": ["bass"]}}, "reliable goes with kind = 'folder'"),
        ({"weight": 0.0}, "weight = 0.0: it must be above 0"),
        ({"path": ""}, "path = '' with kind = 'folder': name the folder"),
        ({"kind": "synthetic", "tracks": 1}, "path = 'songs' with kind = 'synthetic'.*have none"),
        ({"kind": "synthetic", "path": ""}, "tracks = 0.*makes 1 or more"),
        ({"tracks": 3}, "tracks = 3.*other kinds make none"),
        ({"kind": "songs", "only_stems": ["bass"]}, "only_stems goes with songs of stems"),
        ({"solo": True}, "samples, midi, solo and notes go with kind = 'synthetic', not 'folder'"),
        ({"midi": ["a"]}, "samples, midi, solo and notes go with kind = 'synthetic', not 'folder'"),
        ({"notes": True}, "samples, midi, solo and notes go with kind = 'synthetic', not 'folder'"),
        (MADE | {"notes": True}, "notes goes with samples, without midi and solo"),
        (MADE | {"notes": True, "samples": ["a"], "midi": ["b"]}, "without midi and solo"),
        (MADE | {"notes": True, "samples": ["a"], "solo": True}, "without midi and solo"),
    ],
)
def test_a_source_that_cannot_be_is_refused(values, match):
    with pytest.raises(ParameterError, match=match):
        SourceConfig(**{"path": "songs", **values})


def test_solos_made_from_notes_have_one_stem():
    source = SourceConfig(kind="synthetic", tracks=3, seconds=0.5, solo=True)
    assert all(len(t.stems) == 1 for t in read_source(source, None, decoder=DECODER))


def test_notes_of_instruments_are_tracks_of_one_stem(tmp_path):
    (tmp_path / "viola").mkdir()
    soundfile.write(
        tmp_path / "viola" / "c4.wav", tone(261.63, samples=8000, sample_rate=8000), 8000
    )
    source = SourceConfig(**MADE, notes=True, samples=["viola"])
    tracks = read_source(source, tmp_path, decoder=DECODER)
    assert len(tracks) == 3
    assert all(list(t.stems) == ["other"] and t.stems["other"].any() for t in tracks)


def test_songs_made_from_notes_are_other_ones_for_other_seeds():
    def names(seed):
        source = SourceConfig(kind="synthetic", tracks=2, seconds=0.5, seed=seed)
        tracks = read_source(source, None, decoder=DECODER)
        assert all(track.sample_rate == 8000 and track.samples == 4000 for track in tracks)
        assert all(set(track.stems) == set(STEMS) for track in tracks)
        return {track.name for track in tracks}

    assert names(0) == names(0)
    assert len(names(0) | names(1)) == 4


def test_a_source_in_a_folder_needs_the_data_folder():
    with pytest.raises(DatasetError, match=r"wants 'songs': name the folder it is in \(--data\)"):
        read_source(SourceConfig(path="songs"), None, decoder=DECODER)
