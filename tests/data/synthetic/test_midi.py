import mido
import pytest

from stemsep.data.synthetic.midi import find_midi, read_midi
from stemsep.errors import DatasetError


def write(path, tracks, *, tempo=90, numerator=3):
    """Write a file whose tracks are ``(name, program, channel, [(beat, beats, pitch)])``."""
    file = mido.MidiFile(ticks_per_beat=100)
    conductor = mido.MidiTrack()
    conductor.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo)))
    conductor.append(mido.MetaMessage("time_signature", numerator=numerator, denominator=4))
    file.tracks.append(conductor)
    for name, program, channel, notes in tracks:
        track = mido.MidiTrack()
        track.append(mido.MetaMessage("track_name", name=name))
        track.append(mido.Message("program_change", channel=channel, program=program))
        events = [(b, "note_on", p) for b, _, p in notes]
        events += [(b + n, "note_off", p) for b, n, p in notes]
        now = 0
        for beat, kind, pitch in sorted(events):
            tick = round(100 * beat)
            track.append(
                mido.Message(kind, channel=channel, note=pitch, velocity=64, time=tick - now)
            )
            now = tick
        file.tracks.append(track)
    file.save(path)


def test_notes_come_out_in_seconds_by_stem(tmp_path):
    write(
        tmp_path / "a.mid",
        [
            ("keys", 0, 0, [(0, 1, 60), (1, 2, 64)]),
            ("low", 33, 1, [(3, 3, 40)]),
            ("Lead Vocals", 0, 2, [(2, 1, 70)]),
            ("", 0, 9, [(0, 0.5, 36), (1.5, 0.5, 38)]),
        ],
    )
    song = read_midi(tmp_path / "a.mid")
    assert (song.tempo, song.metre) == (pytest.approx(90, rel=1e-4), 3)
    assert song.seconds == pytest.approx(6 * 60 / 90, rel=1e-4)
    parts = {part.stem: part for part in song.parts}
    assert parts.keys() == {"other", "bass", "vocals", "drums"}
    first, second = parts["other"].notes
    assert (second.pitch, second.velocity) == (64, pytest.approx(64 / 127))
    assert second.start == pytest.approx(60 / 90, rel=1e-4)
    assert second.length == pytest.approx(2 * 60 / 90, rel=1e-4)
    assert first.pitch == 60
    assert [note.pitch for note in parts["drums"].notes] == [36, 38]


@pytest.mark.parametrize(
    "content", [b"", b"MThd", b"no MIDI at all", b"MThd\0\0\0\6\0\1\0\1\0\x60"]
)
def test_damaged_files_are_one_line(tmp_path, content):
    (tmp_path / "bad.mid").write_bytes(content)
    with pytest.raises(DatasetError, match=r"bad\.mid") as error:
        read_midi(tmp_path / "bad.mid")
    assert "\n" not in str(error.value)


def test_a_cut_file_is_one_line(tmp_path):
    write(tmp_path / "cut.mid", [("", 0, 9, [(i, 0.5, 36) for i in range(50)])])
    whole = (tmp_path / "cut.mid").read_bytes()
    (tmp_path / "cut.mid").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r"cut\.mid"):
        read_midi(tmp_path / "cut.mid")


def test_a_file_without_notes_is_one_line(tmp_path):
    write(tmp_path / "empty.mid", [("", 0, 0, [])])
    with pytest.raises(DatasetError, match="no notes"):
        read_midi(tmp_path / "empty.mid")


def test_folders_are_searched_and_what_is_missing_is_told(tmp_path):
    (tmp_path / "deep").mkdir()
    write(tmp_path / "deep" / "b.MID", [("", 0, 0, [(0, 1, 60)])])
    write(tmp_path / "a.mid", [("", 0, 0, [(0, 1, 60)])])
    assert find_midi([tmp_path]) == [tmp_path / "a.mid", tmp_path / "deep" / "b.MID"]
    with pytest.raises(DatasetError, match="no such file"):
        find_midi([tmp_path / "c.mid"])
    (tmp_path / "none").mkdir()
    with pytest.raises(DatasetError, match="no MIDI files"):
        find_midi([tmp_path / "none"])
