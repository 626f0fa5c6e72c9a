import numpy as np
import pytest
import soundfile

from stemsep.data.folder import read_folder
from stemsep.data.track import STEMS
from stemsep.errors import DatasetError
from tests.signals import integers


def write(root, song, stem, *, samples=100, channels=2, rate=8000, suffix="wav"):
    steps = integers(channels, samples, bits=16, seed=len(song + stem)).astype(np.int16)
    (root / song).mkdir(parents=True, exist_ok=True)
    soundfile.write(root / song / f"{stem}.{suffix}", steps.T, rate)
    return steps


def test_sixteen_bit_stems_come_out_as_they_are_sorted_by_song(tmp_path):
    steps = {song: {s: write(tmp_path, song, s) for s in STEMS} for song in ("b", "a")}
    tracks = read_folder(tmp_path)
    assert [track.name for track in tracks] == ["a", "b"]
    for track in tracks:
        assert track.sample_rate == 8000
        assert tuple(track.stems) == STEMS
        for stem in STEMS:
            assert track.stems[stem].dtype == np.int16
            assert np.array_equal(track.stems[stem], steps[track.name][stem])


def test_a_stem_without_a_file_is_silence(tmp_path):
    write(tmp_path, "a", "drums")
    (track,) = read_folder(tmp_path)
    assert track.stems["drums"].any()
    assert not track.stems["vocals"].any()
    assert track.stems["vocals"].shape == (2, 100)


def test_of_a_song_with_reliable_stems_the_others_are_absent_not_silent(tmp_path):
    for stem in STEMS:
        write(tmp_path, "a", stem)
        write(tmp_path, "b", stem)
    one, two = read_folder(tmp_path, reliable={"a": ["vocals", "drums"]})
    assert set(one.stems) == {"vocals", "drums"}
    assert set(two.stems) == set(STEMS)


def test_excluded_songs_do_not_appear(tmp_path):
    for song in ("a", "b", "c"):
        write(tmp_path, song, "bass")
    assert [t.name for t in read_folder(tmp_path, exclude=["b"])] == ["a", "c"]


def test_mono_is_doubled(tmp_path):
    mono = write(tmp_path, "a", "bass", channels=1)
    (track,) = read_folder(tmp_path)
    assert np.array_equal(track.stems["bass"], np.repeat(mono, 2, axis=0))


def test_shorter_stems_are_padded_with_zeros_to_the_longest(tmp_path):
    short = write(tmp_path, "a", "bass", samples=60)
    write(tmp_path, "a", "drums", samples=100)
    (track,) = read_folder(tmp_path)
    assert track.samples == 100
    assert np.array_equal(track.stems["bass"][:, :60], short)
    assert not track.stems["bass"][:, 60:].any()


def test_other_formats_are_read(tmp_path):
    steps = write(tmp_path, "a", "bass", suffix="flac")
    assert np.array_equal(read_folder(tmp_path)[0].stems["bass"], steps)


def test_hidden_and_other_files_and_folders_are_ignored(tmp_path):
    steps = write(tmp_path, "a", "vocals")
    write(tmp_path, "a", "mixture")
    for name in ("._vocals.wav", "vocals.txt", "bass.mid", "cover.png"):
        (tmp_path / "a" / name).write_bytes(b"not sound")
    (tmp_path / "a" / "drums.wav").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "README.md").touch()
    (track,) = read_folder(tmp_path)
    assert np.array_equal(track.stems["vocals"], steps)
    assert not track.stems["drums"].any()


def test_different_rates_in_one_song_are_named(tmp_path):
    write(tmp_path, "a", "bass", rate=8000)
    write(tmp_path, "a", "drums", rate=16000)
    with pytest.raises(DatasetError, match=r"'.*a'.*different sample rates: \[8000, 16000\]"):
        read_folder(tmp_path)


def test_two_files_for_one_stem_are_named(tmp_path):
    write(tmp_path, "a", "bass")
    write(tmp_path, "a", "bass", suffix="flac")
    with pytest.raises(DatasetError, match=r"two files: bass\.flac, bass\.wav"):
        read_folder(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"no folder '.*nowhere'"):
        read_folder(tmp_path / "nowhere")


def test_a_folder_without_songs_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"no songs in '.*'.*SONG/vocals\.wav"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    "names", [{"exclude": ["potasium"]}, {"reliable": {"potasium": ["vocals"]}}]
)
def test_a_misspelt_song_is_an_error_that_names_the_nearest(tmp_path, names):
    write(tmp_path, "potassium", "bass")
    with pytest.raises(DatasetError, match=r"no 'potasium'.*did you mean potassium\?"):
        read_folder(tmp_path, **names)


def test_a_misspelt_reliable_stem_is_an_error_that_names_the_nearest(tmp_path):
    write(tmp_path, "a", "drums")
    with pytest.raises(DatasetError, match=r"no 'drum'.*did you mean drums\?"):
        read_folder(tmp_path, reliable={"a": ["drum"]})
