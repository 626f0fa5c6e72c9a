import numpy as np
import pytest
import soundfile

from stemsep.data.decoded import Decoder
from stemsep.data.folder import read_folder as read_any_folder
from stemsep.data.folder import read_loose_stems, read_songs
from stemsep.data.track import STEMS
from stemsep.errors import DatasetError
from tests.signals import integers, tone

DECODER = Decoder(sample_rate=8000)


def read_folder(root, **options):
    return read_any_folder(root, decoder=DECODER, **options)


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
        assert not track.unreliable
        for stem in STEMS:
            assert track.stems[stem].dtype == np.int16
            assert np.array_equal(track.stems[stem], steps[track.name][stem])


def test_a_stem_without_a_file_is_silence(tmp_path):
    write(tmp_path, "a", "drums")
    (track,) = read_folder(tmp_path)
    assert set(track.stems) == {"drums"}
    assert track.excerpt("drums", 0, 100).any()
    assert track.excerpt("vocals", 0, 100).shape == (2, 100)
    assert not track.whole(STEMS)[0].any()


def test_stems_that_cannot_be_trusted_are_heard_and_marked(tmp_path):
    for stem in STEMS:
        write(tmp_path, "a", stem)
        write(tmp_path, "b", stem)
    one, two = read_folder(tmp_path, reliable={"a": ["vocals", "drums"]})
    assert one.unreliable == {"bass", "other"}
    assert not two.unreliable
    assert set(one.stems) == set(two.stems) == set(STEMS)


def test_excluded_songs_do_not_appear(tmp_path):
    for song in ("a", "b", "c"):
        write(tmp_path, song, "bass")
    assert [t.name for t in read_folder(tmp_path, exclude=["b"])] == ["a", "c"]
    assert [t.name for t in read_folder(tmp_path, only=["b", "c"], exclude=["c"])] == ["b"]


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
    assert set(track.stems) == {"vocals"}


def test_stems_of_any_rates_come_out_at_one(tmp_path):
    for stem, rate in (("bass", 8000), ("drums", 16_000), ("other", 44_100)):
        (tmp_path / "a").mkdir(exist_ok=True)
        wave = tone(500, samples=rate, sample_rate=rate)
        soundfile.write(tmp_path / "a" / f"{stem}.wav", wave, rate)
    (track,) = read_folder(tmp_path)
    assert track.sample_rate == 8000
    assert track.samples == pytest.approx(8000, abs=1)
    for stem in ("bass", "drums", "other"):
        middle = track.excerpt(stem, 1000, 4000)[0]
        assert np.allclose(middle, tone(500, samples=8000, sample_rate=8000)[1000:5000], atol=2e-3)


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
    "names",
    [{"exclude": ["potasium"]}, {"only": ["potasium"]}, {"reliable": {"potasium": ["vocals"]}}],
)
def test_a_misspelt_song_is_an_error_that_names_the_nearest(tmp_path, names):
    write(tmp_path, "potassium", "bass")
    with pytest.raises(DatasetError, match=r"no 'potasium'.*did you mean potassium\?"):
        read_folder(tmp_path, **names)


def test_a_misspelt_reliable_stem_is_an_error_that_names_the_nearest(tmp_path):
    write(tmp_path, "a", "drums")
    with pytest.raises(DatasetError, match=r"no 'drum'.*did you mean drums\?"):
        read_folder(tmp_path, reliable={"a": ["drum"]})


def test_loose_stems_are_tracks_of_one_stem_that_are_no_songs(tmp_path):
    steps = write(tmp_path, "vocals", "anna")
    write(tmp_path, "drums/loops", "four")
    write(tmp_path, "piano", "not asked for")
    drums, vocals = sorted(read_loose_stems(tmp_path, decoder=DECODER), key=lambda t: t.name)
    assert (drums.name, tuple(drums.stems)) == ("drums/loops/four", ("drums",))
    assert (vocals.name, tuple(vocals.stems)) == ("vocals/anna", ("vocals",))
    assert np.array_equal(vocals.stems["vocals"], steps)
    assert not vocals.complete
    names = [t.name for t in read_loose_stems(tmp_path, decoder=DECODER, only=["vocals/anna"])]
    assert names == ["vocals/anna"]


def test_a_folder_without_loose_stems_is_named(tmp_path):
    write(tmp_path, "song", "vocals")
    with pytest.raises(DatasetError, match=r"no loose stems in '.*'.*vocals/ANY\.wav"):
        read_loose_stems(tmp_path, decoder=DECODER)


def test_songs_without_stems_are_mixtures(tmp_path):
    steps = write(tmp_path, "album", "one")
    write(tmp_path, ".", "two", channels=1)
    one, two = read_songs(tmp_path, decoder=DECODER)
    assert (one.name, two.name) == ("album/one", "two")
    assert not one.stems
    assert np.array_equal(one.mixture, steps)
    assert np.array_equal(one.mixed(10, 50), (steps[:, 10:60] / 32768).astype(np.float32))
    assert [t.name for t in read_songs(tmp_path, decoder=DECODER, exclude=["two"])] == ["album/one"]


def test_a_folder_without_songs_says_what_it_needs(tmp_path):
    with pytest.raises(DatasetError, match=r"no songs in '.*': it needs sound files"):
        read_songs(tmp_path, decoder=DECODER)
