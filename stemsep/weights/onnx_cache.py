"""Checkpoints -> their ONNX files, exported once and kept in the user's cache."""

from __future__ import annotations

from pathlib import Path

from stemsep.weights.digest import file_digest
from stemsep.weights.export import export
from stemsep.weights.onnx_export import OPSET
from stemsep.weights.store import cache_folder

__all__ = ["cached_onnx"]


EXPORT_VERSION = f"opset{OPSET}-1"
"""Change it with what `export_onnx` writes."""


def cached_onnx(checkpoint: Path) -> Path:
    """Return the ONNX file of a checkpoint; the first time, exporting it takes some ten seconds.

    Its name holds the checkpoint's digest and `EXPORT_VERSION`: another network, or a changed
    exporter, never finds it.

    Raises:
        WeightsError: no checkpoint, or a damaged one.
        MissingExtraError: onnx or onnxscript is not installed.
        OSError: the cache cannot be written.
    """
    name = f"{file_digest(checkpoint)[:16]}-{EXPORT_VERSION}.onnx"
    path = cache_folder() / "onnx" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        export(checkpoint, path, "onnx")
    return path
