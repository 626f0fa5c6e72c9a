"""What computes the network: torch, or onnxruntime on the CPU."""

from __future__ import annotations

from pathlib import Path

import torch

from stemsep.errors import ParameterError
from stemsep.models import SeparationNetwork
from stemsep.weights.checkpoint import load_network
from stemsep.weights.onnx_network import OnnxNetwork, load_onnx_network

__all__ = ["choose_backend", "load_for_backend", "onnx_settings"]


def choose_backend(name: str | None, path: Path) -> str:
    """Return ``"torch"`` or ``"onnx"``; where none is named, the kind of the file decides.

    Raises:
        ParameterError: an unknown name, or torch for an ONNX file.
    """
    exported = path.suffix == ".onnx"
    if name not in (None, "torch", "onnx"):
        raise ParameterError(f"backend '{name}': choose torch or onnx")
    if name == "torch" and exported:
        raise ParameterError(f"'{path}' is for the onnx back-end: leave --backend torch out")
    return name or ("onnx" if exported else "torch")


def onnx_settings(device: str | torch.device, precision: str) -> tuple[str, str]:
    """Return the device and the precision of the onnx back-end.

    Raises:
        ParameterError: others are asked for.
    """
    if str(device) not in ("auto", "cpu") or precision not in ("auto", "fp32"):
        raise ParameterError(
            f"the onnx back-end computes on the CPU in fp32: not on {device} in {precision}"
        )
    return "cpu", "fp32"


def load_for_backend(path: Path, backend: str | None) -> SeparationNetwork | OnnxNetwork:
    """Return the network of a checkpoint or of an ONNX file.

    For the onnx back-end a checkpoint is exported once, to the cache.

    Args:
        path: of the file.
        backend: ``"torch"`` or ``"onnx"``; None: what the kind of the file says.

    Raises:
        ParameterError: as `choose_backend`.
        WeightsError: no such file, or a damaged one.
        MissingExtraError: onnxruntime is not installed, or for a checkpoint onnx or onnxscript.
    """
    if choose_backend(backend, path) == "torch":
        return load_network(path)
    if path.suffix == ".onnx":
        return load_onnx_network(path)
    # The exporter and the cache are of no use to those who bring an ONNX file.
    from stemsep.weights.onnx_cache import cached_onnx

    return load_onnx_network(cached_onnx(path))
