"""State dicts of milesial/Pytorch-UNet <-> our image networks.

The names of that program's tensors are facts about its files; none of its code is here. A file is
an ordered dictionary of tensors, perhaps with the extra key ``mask_values``. It says neither the
scale nor how pixels were prepared: those are that program's, brightness from 0 to 1 and a scale
of 0.5 unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stemsep.audio.atomic import partial_file
from stemsep.errors import ParameterError, WeightsError
from stemsep.models import ImageNetworkConfig, UNet, UNetConfig
from stemsep.weights.state_dict import read_state_dict

__all__ = ["DEFAULT_SCALE", "from_state_dict", "load_milesial", "save_milesial", "to_state_dict"]

DEFAULT_SCALE = 0.5
"""That program's, for training and prediction."""

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def load_milesial(path: Path, *, scale: float = DEFAULT_SCALE) -> tuple[UNet, ImageNetworkConfig]:
    """Return the network of a ``.pth`` file, in evaluation mode on the CPU, and its configuration.

    Args:
        path: of a state dict; no code in it is run.
        scale: that pictures were resized by.

    Raises:
        WeightsError: no such file, not a state dict of that program, or values that are not finite.
    """
    try:
        return from_state_dict(read_state_dict(path), scale=scale)
    except WeightsError as error:
        raise WeightsError(f"'{path}': {error}") from error


def from_state_dict(
    stored: Mapping[str, Any], *, scale: float = DEFAULT_SCALE
) -> tuple[UNet, ImageNetworkConfig]:
    """Return the network of a state dict, in evaluation mode, and its configuration.

    Sizes are read off the tensors. Where ``mask_values`` is missing, as in the published weights,
    they are 0, 1, ... Biases of convolutions before a norm, which old files have, are taken into
    the norm's mean, where they do the same.

    Raises:
        WeightsError: a tensor is missing, left over, of an unexpected shape or not finite.
    """
    if not isinstance(stored, Mapping) or "inc.double_conv.0.weight" not in stored:
        raise WeightsError("no 'inc.double_conv.0.weight' in it: not a milesial/Pytorch-UNet file")
    tensors = {name: value for name, value in stored.items() if isinstance(value, Tensor)}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise WeightsError(f"tensor '{name}' has non-finite values: such a network is broken")
    _fold_biases(tensors)
    try:
        config = _config(tensors, stored.get("mask_values"), scale)
        with torch.device("meta"):
            network = UNet(config.unet)
        names = dict(_names(config.unet))
        if extra := sorted(tensors.keys() - names.values()):
            raise WeightsError(f"unexpected tensor '{extra[0]}'")
        state = {ours: tensors[theirs] for ours, theirs in names.items()}
    except KeyError as error:
        raise WeightsError(f"no tensor {error} in it") from error
    except ParameterError as error:
        raise WeightsError(str(error)) from error
    state = {k: (v.float() if v.is_floating_point() else v).contiguous() for k, v in state.items()}
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise WeightsError(str(error).splitlines()[-1].strip()) from error
    return network.eval(), config


def to_state_dict(network: UNet, config: ImageNetworkConfig) -> dict[str, Any]:
    """Return a network's tensors under that program's names, with its ``mask_values``.

    Raises:
        WeightsError: a network with switches that the program does not have.
    """
    plain = UNetConfig(
        in_channels=config.unet.in_channels,
        out_channels=config.unet.out_channels,
        channels=config.unet.channels,
        upsample=config.unet.upsample,
    )
    if config.unet != plain or config.unet.levels != 5:
        raise WeightsError(
            "only networks of the presets milesial, milesial-bilinear, small and tiny, without "
            "further switches, fit milesial/Pytorch-UNet"
        )
    state = network.state_dict()
    stored: dict[str, Any] = {theirs: state[ours] for ours, theirs in _names(config.unet)}
    values = [list(v) if isinstance(v, tuple) else v for v in config.mask_values]
    return {**stored, "mask_values": values}


def save_milesial(path: Path, network: UNet, config: ImageNetworkConfig) -> None:
    """Write a network as a ``.pth`` file of that program, atomically.

    Raises:
        WeightsError: as `to_state_dict`.
    """
    stored = to_state_dict(network, config)
    with partial_file(path) as temporary:
        torch.save(stored, temporary)


def _config(
    tensors: Mapping[str, Tensor], mask_values: list[Any] | None, scale: float
) -> ImageNetworkConfig:
    deeper = sum(name.endswith("maxpool_conv.1.double_conv.0.weight") for name in tensors)
    first = tensors["inc.double_conv.0.weight"]
    outputs = tensors["outc.conv.weight"].shape[0]
    widths = [tensors[f"down{n}.maxpool_conv.1.double_conv.3.weight"].shape[0]
              for n in range(1, deeper + 1)]  # fmt: skip
    bilinear = "up1.up.weight" not in tensors
    if bilinear:
        widths[-1] *= 2  # its lowest level is narrowed for the one above
    values = [tuple(v) if isinstance(v, list | tuple) else int(v) for v in mask_values or ()]
    # There may be more classes than values: nothing was ever drawn in them.
    free = (number for number in range(2**16) if number not in values)
    values += [next(free) for _ in range(max(2, outputs) - len(values))]
    return ImageNetworkConfig(
        unet=UNetConfig(
            in_channels=first.shape[1],
            out_channels=outputs,
            channels=(first.shape[0], *widths),
            upsample="bilinear" if bilinear else "transposed",
        ),
        mask_values=tuple(values),
        scale=scale,
        normalise="none",
    )


def _names(config: UNetConfig) -> Iterator[tuple[str, str]]:
    """Yield our name and that program's name of each tensor, in that program's order."""
    yield from _block("encoder.0", "inc.double_conv")
    for level in range(1, config.levels):
        yield from _block(f"encoder.{level}", f"down{level}.maxpool_conv.1.double_conv")
    for step in range(config.levels - 1):
        if config.upsample == "transposed":
            for part in ("weight", "bias"):
                yield f"ups.{step}.layers.{part}", f"up{step + 1}.up.{part}"
        yield from _block(f"decoder.{step}", f"up{step + 1}.conv.double_conv")
    for part in ("weight", "bias"):
        yield f"head.{part}", f"outc.conv.{part}"


def _block(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    for half, place in (("first", 0), ("second", 3)):
        yield f"{ours}.{half}.0.weight", f"{theirs}.{place}.weight"
        for part in NORM:
            yield f"{ours}.{half}.1.{part}", f"{theirs}.{place + 1}.{part}"


def _fold_biases(tensors: dict[str, Tensor]) -> None:
    """Take biases of convolutions into the mean that the norm behind them subtracts."""
    for name in [name for name in tensors if name.endswith((".0.bias", ".3.bias"))]:
        prefix, place, _ = name.rsplit(".", 2)
        mean = f"{prefix}.{int(place) + 1}.running_mean"
        if mean in tensors:
            tensors[mean] = tensors[mean] - tensors.pop(name)
