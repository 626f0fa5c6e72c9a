"""A checkpoint -> a file of another format, for programs without stemsep."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from torch import nn

from stemsep.models import ImageNetworkConfig, SeparationConfig
from stemsep.weights.checkpoint import (
    IMAGE_KIND,
    Card,
    load_image_network,
    load_network,
    network_kind,
    read_card,
    read_image_card,
)
from stemsep.weights.milesial import save_milesial
from stemsep.weights.onnx_export import export_onnx, export_program

__all__ = ["SUFFIXES", "ExportFormat", "export"]

ExportFormat: TypeAlias = Literal["onnx", "pt2", "pth"]

SUFFIXES: dict[ExportFormat, str] = {"onnx": ".onnx", "pt2": ".pt2", "pth": ".pth"}
"""How files of each format end."""

Loaded: TypeAlias = tuple[nn.Module, SeparationConfig | ImageNetworkConfig, Card]


def export(checkpoint: Path, output: Path, format: ExportFormat) -> None:
    """Write the network of a checkpoint in another format.

    See `export_onnx`, `export_program`, and for the state dicts of milesial/Pytorch-UNet
    `stemsep.weights.milesial.save_milesial`.

    Raises:
        WeightsError: no checkpoint, a damaged one, or a network that the format cannot hold.
        MissingExtraError: what the format needs is not installed.
        OSError: the folder cannot be written, or the disk is full.
    """
    if format == "pth":
        save_milesial(output, *load_image_network(checkpoint))
        return
    network, config, card = _load(checkpoint)
    write = {"onnx": export_onnx, "pt2": export_program}[format]
    write(network, config, card, output)


def _load(checkpoint: Path) -> Loaded:
    if network_kind(checkpoint) == IMAGE_KIND:
        picture_network, picture_config = load_image_network(checkpoint)
        return picture_network, picture_config, read_image_card(checkpoint)[1]
    network = load_network(checkpoint)
    return network, network.config, read_card(checkpoint)[1]
