from pathlib import Path

import pytest

from stemsep.audio import AudioInfo
from stemsep.errors import ParameterError
from stemsep.separation.batch import find_inputs, plan
from stemsep.separation.outputs import Input, OutputConfig, output_paths, resolve_bit_depth
from tests.networks import STEMS

OUT = Path("out")


def paths(name: str, folder: str = "", **options) -> dict[str, Path]:
    source = Input(path=Path(name), folder=folder)
    return output_paths(source, OUT, OutputConfig(**options), ("vocals", "drums"))


@pytest.mark.parametrize(
    ("name", "track"),
    [
        ("music/song.mp3", "song"),
        ("a.b.wav", "a.b"),
        ("-x.wav", "-x"),
        ("夜曲🎵.ogg", "夜曲🎵"),
        ("[live] {take} 50%.wav", "[live] {take} 50%"),
        ("l" * 200 + ".wav", "l" * 200),
    ],
)
def test_a_folder_for_each_track_by_default(name, track):
    assert paths(name) == {s: OUT / track / f"{s}.wav" for s in ("vocals", "drums")}


def test_the_template_names_track_stem_ending_and_folder():
    found = paths("x/song.wav", "cd 1", format="flac", template="{folder}/{stem} of {track}.{ext}")
    assert found["vocals"] == OUT / "cd 1" / "vocals of song.flac"
    assert paths("song.wav", template="{folder}/{stem}.{ext}")["drums"] == OUT / "drums.wav"


@pytest.mark.parametrize("name", ["...wav", "..wav"])
def test_no_name_climbs_out_of_the_folder(name):
    for path in paths(name).values():
        assert OUT in path.parents
        assert ".." not in path.parts


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{artist}/{stem}.wav", r"no field \{artist\}"),
        ("{stem", "template '{stem'"),
        ("../{stem}.wav", "must stay below"),
        ("{}/{stem}.wav", r"no field \{\}"),
        ("/{stem}.wav", "must stay below"),
        ("{track:{x}}/{stem}.wav", "plain fields only"),
        ("{stem!r}.wav", "plain fields only"),
    ],
)
def test_a_template_that_cannot_work_is_refused(template, message):
    with pytest.raises(ParameterError, match=message):
        OutputConfig(template=template)


def test_no_folder_climbs_out_of_the_output():
    with pytest.raises(ParameterError, match="would leave the output folder"):
        paths("song.wav", template=".{folder}/{stem}.wav")
    with pytest.raises(ParameterError, match="would leave the output folder"):
        paths("song.wav", folder="../..", template="{folder}/{stem}.wav")


def test_a_template_without_stem_is_refused():
    with pytest.raises(ParameterError, match=r"put \{stem\} into it"):
        paths("song.wav", template="{track}.{ext}")


def test_a_stem_never_replaces_its_own_song(tmp_path):
    song = tmp_path / "vocals.wav"
    song.touch()
    with pytest.raises(ParameterError, match="would replace it"):
        output_paths(
            Input(path=song), tmp_path, OutputConfig(template="{stem}.{ext}"), ("vocals", "drums")
        )


@pytest.mark.parametrize("wrong", [{"format": "tta"}, {"bit_depth": "12"}, {"existing": "maybe"}])
def test_an_unknown_choice_lists_the_valid_ones(wrong):
    with pytest.raises(ParameterError, match="choose"):
        OutputConfig(**wrong)


def test_float_flac_is_refused():
    with pytest.raises(ParameterError, match="FLAC holds no 32-bit float"):
        OutputConfig(format="flac", bit_depth="32f")


@pytest.mark.parametrize(
    ("bit_depth", "lossy", "format", "asked", "expected"),
    [
        (8, False, "wav", "auto", 16),
        (16, False, "wav", "auto", 16),
        (24, False, "wav", "auto", 24),
        (32, False, "wav", "auto", 32),
        (32, False, "flac", "auto", 24),
        (None, False, "wav", "auto", None),
        (None, False, "flac", "auto", 24),
        (None, True, "wav", "auto", 16),
        (16, False, "wav", "32f", None),
        (24, False, "flac", "16", 16),
    ],
)
def test_bit_depth_follows_the_input(bit_depth, lossy, format, asked, expected):
    info = AudioInfo(
        path=Path("x"),
        sample_rate=44100,
        channels=2,
        samples=1,
        bit_depth=bit_depth,
        lossy=lossy,
    )
    assert resolve_bit_depth(info, OutputConfig(format=format, bit_depth=asked)) == expected


def test_two_inputs_with_the_same_output_are_both_named():
    inputs = [Input(path=Path(name)) for name in ("a/song.wav", "b/other.wav", "b/song.mp3")]
    with pytest.raises(ParameterError, match=r"'a/song.wav' and 'b/song.mp3' would both"):
        plan(inputs, OUT, OutputConfig(), STEMS)
    plan(inputs[:2], OUT, OutputConfig(), STEMS)


def test_a_folder_is_searched_to_any_depth(tmp_path):
    names = ["a.wav", "x/y/b.MP3", "cover.jpg", "notes.txt", ".hidden.wav", "out/song/vocals.wav"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found, errors = find_inputs([tmp_path, tmp_path / "a.wav"], output=tmp_path / "out")
    assert [(i.path.relative_to(tmp_path).as_posix(), i.folder) for i in found] == [
        ("a.wav", "."),
        ("x/y/b.MP3", "x/y"),
    ]
    assert not errors


def test_a_folder_without_sound_is_an_error_and_a_file_is_taken_as_it_is(tmp_path):
    found, errors = find_inputs([tmp_path, Path("song.xyz")], output=tmp_path / "out")
    assert [i.path for i in found] == [Path("song.xyz")]
    assert str(tmp_path) in str(errors[0])


@pytest.mark.parametrize("output", [".", "album", "album/stems", "elsewhere"])
def test_stems_of_an_earlier_run_are_no_songs(tmp_path, monkeypatch, output):
    monkeypatch.chdir(tmp_path)
    for name in ("album/song.wav", f"{output}/song/vocals.wav", f"{output}/song/drums.wav"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    found, errors = find_inputs([Path("album"), Path(output)], output=Path(output))
    songs = plan(found, Path(output), OutputConfig(), STEMS)
    assert {str(i.path) for i in songs} == {"album/song.wav"}
    assert not errors or output == "elsewhere"


def test_no_stem_replaces_another_input():
    inputs = [Input(path=Path("song.wav")), Input(path=OUT / "song" / "vocals.wav")]
    with pytest.raises(ParameterError, match=r"'song.wav' would replace the input '.*vocals.wav'"):
        plan(inputs, OUT, OutputConfig(existing="overwrite"), STEMS)


def test_odd_paths_are_left_for_the_reader_to_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("loop.wav").symlink_to("loop.wav")
    Path("album").mkdir()
    Path("album/broken.wav").symlink_to("nowhere.wav")
    names = ["n" * 300 + ".wav", "loop.wav", "album"]
    found, errors = find_inputs(map(Path, names), output=OUT)
    assert [i.path.name for i in found] == [names[0], "loop.wav", "broken.wav"]
    assert not errors


def test_two_names_of_one_file_are_two_songs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.wav").touch()
    Path("b.wav").symlink_to("a.wav")
    found, _ = find_inputs([Path("a.wav"), Path("b.wav"), Path("./a.wav")], output=OUT)
    assert [i.path.name for i in found] == ["a.wav", "b.wav"]


def test_only_the_stems_that_were_asked_for_are_planned():
    inputs = [Input(path=Path("accompaniment.wav"))]
    for template in ("{track} vocals.{ext}", "{stem}.{ext}"):
        options = OutputConfig(stems="vocals", template=template)
        assert plan(inputs, Path(), options, STEMS) == inputs


def test_stems_of_an_earlier_run_beside_their_song_are_no_songs():
    inputs = [Input(path=Path("album", name), folder=".") for name in ("song.wav", "vocals.wav")]
    options = OutputConfig(template="{stem}.{ext}")
    assert plan(inputs, Path("album"), options, STEMS) == inputs[:1]
