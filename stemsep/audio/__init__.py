"""Sound files <-> waveforms.

Takes: files in any format. Gives: waveforms ``(channels, samples)``, and files again.
Next stage: `stemsep.dsp` (waveform -> spectrum).
"""

from stemsep.audio.atomic import partial_file, remove_leftovers
from stemsep.audio.blocks import BLOCK_SAMPLES, first_non_finite, fit_length, reblock
from stemsep.audio.convert import from_stereo_pairs, resample, stereo_pairs, to_float, to_steps
from stemsep.audio.formats import readable_formats, writable_formats
from stemsep.audio.info import AudioInfo, Block
from stemsep.audio.read import AudioReader, open_audio, read_audio, read_info, read_streams
from stemsep.audio.write import AudioWriter, OutputFormat, check_writable, open_writer

__all__ = [
    "BLOCK_SAMPLES",
    "AudioInfo",
    "AudioReader",
    "AudioWriter",
    "Block",
    "OutputFormat",
    "check_writable",
    "first_non_finite",
    "fit_length",
    "from_stereo_pairs",
    "open_audio",
    "open_writer",
    "partial_file",
    "read_audio",
    "read_info",
    "read_streams",
    "readable_formats",
    "reblock",
    "remove_leftovers",
    "resample",
    "stereo_pairs",
    "to_float",
    "to_steps",
    "writable_formats",
]
