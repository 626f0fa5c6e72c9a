import numpy as np
from PIL import Image

from stemsep.data.synthetic.score import Note, Part, Score
from stemsep.data.track import Track
from stemsep.plotting.pianoroll import plot_pianoroll
from tests.signals import tone


def draw(path, notes):
    wave = np.stack([tone(440, samples=44_100)] * 2).astype(np.float32)
    parts = tuple(Part(role="bass", stem="bass", notes=(note,)) for note in notes)
    score = Score(tempo=120, metre=4, key="a minor", seconds=1.0, parts=parts)
    plot_pianoroll(score, Track(name="a", sample_rate=44_100, stems={"bass": wave}), path)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def test_notes_are_drawn_where_they_sound(tmp_path):
    low = draw(tmp_path / "low.png", [Note(0.0, 0.4, 40, 0.8)])
    high = draw(tmp_path / "high.png", [Note(0.6, 0.4, 80, 0.8)])
    none = draw(tmp_path / "none.png", [])

    def middle(picture):
        rows, columns = np.nonzero(np.abs(picture - none).sum(2) > 60)
        return rows.mean(), columns.mean()

    (low_row, low_column), (high_row, high_column) = middle(low), middle(high)
    assert low_row > high_row
    assert low_column < high_column
