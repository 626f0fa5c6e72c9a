"""What a network costs: parameters, and multiply-accumulates (MACs) of one pass.

Counted are convolutions, transposed convolutions, matrix products and recurrent layers, with the
padding that the network adds to its input. Not counted are elementwise operations (norms,
activations, additions) and the STFT; they cost time but no MACs in the usual sense. Nothing is
computed: the pass runs on PyTorch's meta device, which knows shapes only.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from stemsep.models.kinds import SeparationConfig, SeparationNetwork, build_separation_network
from stemsep.models.scnet import SCNet
from stemsep.models.unet import UNet, UNetConfig

__all__ = ["count_parameters", "gmac_per_second", "macs"]


def count_parameters(network: nn.Module) -> int:
    """Return the number of values that training changes (no running statistics)."""
    return sum(parameter.numel() for parameter in network.parameters())


def macs(network: UNet | SeparationNetwork, height: int, width: int) -> int:
    """Return the multiply-accumulates of one pass over one input of that size.

    Args:
        network: on any device; it is not run, a twin without values is.
        height: pixels or frequency bins.
        width: pixels or frames.
    """
    config = network.config
    channels = config.in_channels if isinstance(config, UNetConfig) else config.n_features
    with torch.device("meta"):
        # Every network is built from its configuration alone.
        twin = type(network)(network.config).eval()  # type: ignore[arg-type]
        features = torch.empty(1, channels, height, width)
        recurrent: list[int] = []
        for layer in twin.modules():
            if isinstance(layer, nn.LSTM):
                layer.forward = partial(_steps, layer, recurrent)  # type: ignore[method-assign,assignment]
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            twin(features)
    # A multiplication and an addition are two operations.
    return int(counter.get_total_flops()) // 2 + sum(recurrent)


def _steps(layer: nn.LSTM, counted: list[int], features: Tensor) -> tuple[Tensor, None]:
    """Count a recurrent layer as the product of each step with each weight; run no step.

    PyTorch's own counting goes through the steps one by one, which takes seconds.
    """
    weights = sum(value.numel() for name, value in layer.named_parameters() if "weight" in name)
    counted.append(features[..., 0].numel() * weights)
    width = layer.hidden_size * (1 + layer.bidirectional)
    return features.new_empty(*features.shape[:-1], width), None


def gmac_per_second(config: SeparationConfig) -> float:
    """Return 1e9 multiply-accumulates per second of sound, all stems and channels together.

    The frames that chunks overlap by come on top of this: they depend on how a song is cut.

    Example:
        >>> from stemsep.models.presets import PRESETS
        >>> round(gmac_per_second(PRESETS["default"]), 2)
        1.5
    """
    with torch.device("meta"):
        network = build_separation_network(config)
    frames_per_second = config.sample_rate / config.stft.hop_length
    # Whole steps of the lowest level, so that none is padding.
    frames, n_freq = config.time_stride, config.stft.n_freq
    if isinstance(network, SCNet):
        # Its transforms of time are one frame longer than half of it: only a difference is exact.
        frames = 2
        counted = macs(network, n_freq, 4) - macs(network, n_freq, 2)
    else:
        counted = macs(network, n_freq, frames)
    return counted / frames * frames_per_second / 1e9
