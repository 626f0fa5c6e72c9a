"""Masks -> stems, chunk by chunk.

Takes: sound files, waveforms or streams of blocks. Gives: stems, as files or waveforms.
Next stage: `stemsep.audio` (stems -> files).
"""

from stemsep.separation.files import Part
from stemsep.separation.outputs import OutputConfig
from stemsep.separation.results import FileResult
from stemsep.separation.separator import Separator

__all__ = ["FileResult", "OutputConfig", "Part", "Separator"]
