"""A network -> a file that runs without stemsep: ONNX, or a program of torch.export.

The file takes what the network takes, magnitudes or a picture, in any batch and any number of
frames (or pixels) that is a multiple of its stride. Transforms stay outside; their sizes are in
the file's metadata.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from stemsep.audio.atomic import partial_file
from stemsep.errors import WeightsError, require
from stemsep.models import (
    ImageNetworkConfig,
    MaskNetwork,
    SeparationConfig,
    UNetConfig,
    extend_masks,
)
from stemsep.weights.checkpoint import Card, header_of

__all__ = ["OPSET", "export_onnx", "export_program", "metadata_of"]

OPSET = 18
"""ONNX operator set: onnxruntime 1.14 and onnxruntime-web run it."""

MOST = 1 << 13
"""Largest size of a dynamic axis, in strides."""


def export_onnx(
    network: nn.Module, config: SeparationConfig | ImageNetworkConfig, card: Card, path: Path
) -> None:
    """Write a network as ONNX, opset `OPSET`, float32, atomically.

    Input and output are called ``magnitude`` and ``masks`` (for pictures ``picture`` and
    ``logits``). Complex masks have a last axis of real and imaginary part. The metadata is that
    of `metadata_of`.

    Args:
        network: in evaluation mode, on the CPU.
        config: its configuration.
        card: what is told about it.
        path: of the file.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        WeightsError: a network with recurrent layers.
    """
    onnx = require("onnx", extra="onnx")
    require("onnxscript", extra="onnx")
    names = _names(config)
    with _quiet():
        program = torch.onnx.export(
            _program(network, config),
            dynamo=True,
            opset_version=OPSET,
            input_names=names[:1],
            output_names=names[1:],
            verbose=False,
        )
    if program is None:
        raise RuntimeError("torch.onnx.export gave no program")
    model = program.model_proto
    _tidy(model, config)
    onnx.helper.set_model_props(model, dict(metadata_of(config, card)))
    with partial_file(path) as temporary:
        temporary.write_bytes(model.SerializeToString(deterministic=True))


def export_program(
    network: nn.Module, config: SeparationConfig | ImageNetworkConfig, card: Card, path: Path
) -> None:
    """Write a network as a program for ``torch.export.load``, atomically.

    Axes are those of `export_onnx`; the metadata are an extra file ``metadata.json`` in it.

    Raises:
        WeightsError: a network with recurrent layers.
    """
    extra = {"metadata.json": json.dumps(dict(metadata_of(config, card)))}
    with partial_file(path) as temporary, temporary.open("wb") as file, _quiet():
        torch.export.save(_program(network, config), file, extra_files=extra)


def metadata_of(config: SeparationConfig | ImageNetworkConfig, card: Card) -> Mapping[str, str]:
    """Return what a file says about its network, all as text.

    The header of a checkpoint (see `stemsep.weights.checkpoint`), and for networks that separate,
    what a program needs around them: ``sample_rate``, ``n_fft``, ``hop_length``, ``window``,
    ``stems``, ``features``, ``spatial``, ``frames_multiple``.
    """
    header = header_of(config, card)
    if isinstance(config, ImageNetworkConfig):
        return header
    return header | {
        "sample_rate": str(config.sample_rate),
        "n_fft": str(config.stft.n_fft),
        "hop_length": str(config.stft.hop_length),
        "window": "hann, periodic" if config.stft.window == "hann" else config.stft.window,
        "stems": ",".join(config.stems),
        "features": getattr(config, "features", "left_right"),
        "spatial": str(config.spatial).lower(),
        "frames_multiple": str(config.time_stride),
        "license": card.license,
    }


class _RealParts(nn.Module):
    """A network whose complex masks come out as pairs of real numbers, which ONNX can hold."""

    def __init__(self, network: MaskNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, magnitude: Tensor) -> Tensor:
        masks = self.network.unet(magnitude[..., : self.network.config.n_bins, :])
        parts = torch.view_as_real(masks).movedim(-1, 0)  # (2, batch, stems, channels, freq, time)
        return extend_masks(parts, magnitude.shape[-2]).movedim(0, -1)


def _program(network: nn.Module, config: SeparationConfig | ImageNetworkConfig) -> ExportedProgram:
    if any(isinstance(layer, nn.RNNBase) for layer in network.modules()):
        # torch.export takes the number of steps of a recurrent layer for a constant.
        raise WeightsError(
            "networks of Open-Unmix and SCNet, and those with frame_sequence = 'lstm', cannot be "
            "exported, because of their recurrent layers: use them with stemsep separate --model, "
            "without --backend onnx"
        )
    example, axes = _example(config)
    if isinstance(network, MaskNetwork) and network.config.unet.head.startswith("complex"):
        network = _RealParts(network)
    with torch.no_grad():
        return torch.export.export(network, (example,), dynamic_shapes=(axes,), strict=False)


def _example(
    config: SeparationConfig | ImageNetworkConfig,
) -> tuple[Tensor, dict[int, Any]]:
    """Return an input to trace with and its dynamic axes."""
    # Sizes of 0 and 1 would be taken for constants.
    batch = Dim("batch", min=1, max=MOST)
    if not isinstance(config, ImageNetworkConfig):
        stride = config.time_stride
        example = torch.rand(2, config.n_features, config.stft.n_freq, 2 * stride)
        return example, {0: batch, 3: stride * Dim("steps", min=1, max=MOST)}
    unet = config.unet
    if unet.padding == "valid":
        side = _paper_size(unet)  # where the levels meet depends on it: it cannot change
        return torch.rand(2, unet.in_channels, side, side), {0: batch}
    stride = 2 ** (unet.levels - 1)
    tall, wide = (stride * Dim(name, min=1, max=MOST) for name in ("tall", "wide"))
    return torch.rand(2, unet.in_channels, 4 * stride, 2 * stride), {0: batch, 2: tall, 3: wide}


def _paper_size(unet: UNetConfig) -> int:
    return 572 if unet.levels == 5 else 28 + 16 * 2 ** (unet.levels - 1)


def _names(config: SeparationConfig | ImageNetworkConfig) -> list[str]:
    picture = isinstance(config, ImageNetworkConfig)
    return ["picture", "logits"] if picture else ["magnitude", "masks"]


def _tidy(model: Any, config: SeparationConfig | ImageNetworkConfig) -> None:
    """Name the axes that can change, and take out where on this machine the exporter lies."""
    graph = model.graph
    picture = isinstance(config, ImageNetworkConfig)
    names = {0: "batch", -2: "height", -1: "width"} if picture else {0: "batch", -1: "frames"}
    # Complex masks end in their real and imaginary part.
    parts = int(len(graph.output[0].type.tensor_type.shape.dim) == 6)
    for tensor, behind in ((graph.input[0], 0), (graph.output[0], parts)):
        for axis, name in names.items():
            size = tensor.type.tensor_type.shape.dim[axis - behind if axis else 0]
            if size.dim_param:
                size.dim_param = name
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        del part.metadata_props[:]
        part.doc_string = ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter, which warns about itself and about packages that nobody needs."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
