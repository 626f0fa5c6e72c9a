"""The default network as ONNX, exported once for all tests: it takes some ten seconds."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from stemsep.weights.catalog import find_checkpoint
from stemsep.weights.export import export


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="stemsep-export-")


@cache
def exported_default() -> Path:
    """Return the path of ``default.onnx``, which is removed when the process ends."""
    path = Path(_folder().name) / "default.onnx"
    export(find_checkpoint("default"), path, "onnx")
    return path
