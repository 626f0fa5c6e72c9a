"""Songs made from notes, with exact stems: endless material to train and to test with.

Takes: a seed; optionally folders of samples and MIDI files. Gives: tracks.
The way of a song: `composition` (or `midi`) -> `players` and `voice` -> `mixing` -> a track.
"""

from stemsep.data.synthetic.notes import make_notes
from stemsep.data.synthetic.sampler import Library, find_samples
from stemsep.data.synthetic.song import make_song, song_seed

__all__ = ["Library", "find_samples", "make_notes", "make_song", "song_seed"]
