import numpy as np
import pytest

from stemsep.data.musdb import VALID_TRACKS
from stemsep.errors import AudioFileError, DatasetError
from stemsep.evaluation.loading import load_track, read_stems
from stemsep.evaluation.tracks import find_folders, find_musdb, stem_files
from tests.evaluation.made_tracks import RATE, waves, write_stems


def sounds(*names):
    return {name: waves(100, seed=i) for i, name in enumerate(names)}


def test_a_folder_of_folders_is_one_track_each(tmp_path):
    write_stems(tmp_path / "B", sounds("vocals", "bass"))
    write_stems(tmp_path / "ä", sounds("flute", "vocals", "mixture"), ending="flac")
    (tmp_path / "empty").mkdir()
    tracks = find_folders(tmp_path)
    assert [track.name for track in tracks] == ["B", "ä"]
    assert tracks[0].stems == ("vocals", "bass")
    assert tracks[1].stems == ("vocals", "flute")


def test_a_folder_of_stems_is_one_track(tmp_path):
    write_stems(tmp_path / "Song", sounds("vocals", "drums"))
    (track,) = find_folders(tmp_path / "Song")
    assert track.name == "Song"
    assert track.places == ("Song", ".")


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_no_stems_are_an_error(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=folder):
        find_folders(tmp_path / folder)


def test_two_files_for_one_stem_are_an_error(tmp_path):
    write_stems(tmp_path, sounds("vocals"))
    write_stems(tmp_path, sounds("vocals"), ending="flac")
    with pytest.raises(DatasetError, match=r"two files for 'vocals'.*remove one"):
        stem_files(tmp_path)


def test_parts_of_musdb_are_its_own(tmp_path):
    valid = VALID_TRACKS[0]
    for place in (f"train/{valid}", "train/Other", "test/Third"):
        write_stems(tmp_path / place, sounds("vocals", "mixture"))
    (tmp_path / "test" / "Fourth.stem.mp4").touch()
    names = {s: [t.name for t in find_musdb(tmp_path, s)] for s in ("train", "valid", "test")}
    assert names == {"train": ["Other"], "valid": [valid], "test": ["Fourth", "Third"]}
    assert [t.name for t in find_musdb(tmp_path / "train", "valid")] == [valid]
    assert find_musdb(tmp_path, "test")[0].stems == ("vocals", "drums", "bass", "other")


def test_a_part_of_musdb_that_is_not_there_is_named(tmp_path):
    write_stems(tmp_path / "train" / "Other", sounds("vocals"))
    with pytest.raises(DatasetError, match="test"):
        find_musdb(tmp_path, "test")
    with pytest.raises(DatasetError, match="no valid tracks"):
        find_musdb(tmp_path, "valid")


def test_a_track_has_its_own_mixture_or_the_sum_of_its_stems(tmp_path):
    parts = sounds("vocals", "drums")
    write_stems(tmp_path / "a" / "t", parts, subtype="FLOAT")
    write_stems(tmp_path / "b" / "t", {**parts, "mixture": waves(100, seed=9)}, subtype="FLOAT")
    summed, own = (load_track(find_folders(tmp_path / x)[0], mixture=True) for x in "ab")
    assert np.allclose(summed.mixture, sum(parts.values()).T, atol=1e-6)
    assert np.allclose(own.mixture, waves(100, seed=9).T, atol=1e-6)
    assert own.references.names == ("vocals", "drums")
    unasked = load_track(find_folders(tmp_path / "b")[0], mixture=False)
    assert unasked.own_mixture is None


@pytest.mark.parametrize(("subtype", "dtype"), [("PCM_16", np.int16), ("PCM_24", np.float32)])
def test_sound_of_16_bits_is_held_in_16(tmp_path, subtype, dtype):
    write_stems(tmp_path, sounds("vocals"), subtype=subtype)
    stems = read_stems(stem_files(tmp_path))
    assert stems.parts["vocals"][0].dtype == dtype
    assert np.allclose(stems.whole("vocals"), waves(100, seed=0).T, atol=1 / 32768)


def test_stems_of_different_rates_are_an_error(tmp_path):
    import soundfile

    write_stems(tmp_path, sounds("vocals"))
    soundfile.write(tmp_path / "drums.wav", waves(100, seed=0), 2 * RATE)
    with pytest.raises(DatasetError, match=r"different sample rates.*8000 Hz"):
        read_stems(stem_files(tmp_path))


def test_a_file_that_is_no_sound_is_named(tmp_path):
    (tmp_path / "vocals.wav").write_text("no sound")
    with pytest.raises(AudioFileError, match=r"vocals\.wav"):
        read_stems(stem_files(tmp_path))
