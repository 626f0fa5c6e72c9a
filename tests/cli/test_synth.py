import musdb
import numpy as np
import pytest
import soundfile

from stemsep.cli.main import main

STEMS = ("vocals", "drums", "bass", "other")


def synth(folder, *options):
    return main(["synth", str(folder), "--seconds", "1.5", "--jobs", "1", "-q", *options])


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.wav")}


def test_musdb_reads_what_is_written_and_stems_are_the_mixture(tmp_path):
    assert synth(tmp_path / "train", "--tracks", "2", "--seed", "7") == 0
    tracks = musdb.DB(str(tmp_path), is_wav=True, subsets=["train"]).tracks
    assert [track.name for track in tracks] == ["synthetic-7-0000", "synthetic-7-0001"]
    for track in tracks:
        folder = tmp_path / "train" / track.name
        mixture, rate = soundfile.read(folder / "mixture.wav", dtype="int16")
        stems = [soundfile.read(folder / f"{stem}.wav", dtype="int16")[0] for stem in STEMS]
        assert rate == 44_100
        assert mixture.shape == (66_150, 2)
        assert np.array_equal(sum(stem.astype(np.int32) for stem in stems), mixture)
        assert np.abs(track.targets["vocals"].audio).max() <= 1


def test_a_song_does_not_depend_on_how_many_are_made_or_where(tmp_path):
    assert synth(tmp_path / "three", "--tracks", "3") == 0
    arguments = ["synth", str(tmp_path / "two"), "--seconds", "1.5", "-q"]
    assert main([*arguments, "--tracks", "2", "--jobs", "2"]) == 0
    three, two = contents(tmp_path / "three"), contents(tmp_path / "two")
    assert len(two) == 10
    assert all(three[name] == content for name, content in two.items())


def test_songs_that_are_there_are_kept(tmp_path, capsys):
    assert synth(tmp_path, "--tracks", "1") == 0
    mixture = tmp_path / "synthetic-0-0000" / "mixture.wav"
    mixture.write_bytes(b"mine")
    assert synth(tmp_path, "--tracks", "1") == 1
    assert "--overwrite" in capsys.readouterr().err
    assert synth(tmp_path, "--tracks", "1", "--skip-existing") == 0
    assert mixture.read_bytes() == b"mine"
    assert synth(tmp_path, "--tracks", "1", "--overwrite") == 0
    assert mixture.read_bytes() != b"mine"


def test_a_picture_is_drawn_when_asked_for(tmp_path):
    assert synth(tmp_path, "--tracks", "1", "--plot") == 0
    (picture,) = tmp_path.rglob("*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--samples", "nowhere"], 1, "no folder 'nowhere'"),
        (["--midi", "nowhere.mid"], 1, "no such file"),
        (["--tracks", "0"], 2, "tracks"),
        (["--skip-existing", "--overwrite"], 2, "exclude each other"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, options, status, message):
    assert synth(tmp_path / "out", *options) == status
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
