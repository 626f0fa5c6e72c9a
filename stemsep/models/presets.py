"""Names -> networks: the published U-Nets and the shipped ones.

The names are what a user types. Weights are not here: a network built by name starts untrained.
"""

from __future__ import annotations

from torch import nn

from stemsep.dsp import STFTConfig
from stemsep.errors import ParameterError
from stemsep.models.mask_network import MaskNetwork, MaskNetworkConfig
from stemsep.models.spleeter import SPLEETER_MODELS, Spleeter, SpleeterConfig
from stemsep.models.unet import UNet, UNetConfig

__all__ = ["PRESETS", "build"]


def _separation(
    channels: tuple[int, ...],
    frame_width: int,
    *,
    dropout: float = 0.0,
    presence: int = 0,
    spatial: bool = False,
) -> MaskNetworkConfig:
    """Return the shipped networks' configuration; they differ in what is given."""
    stems = ("vocals", "drums", "bass", "other")
    unet = UNetConfig(
        in_channels=3,
        out_channels=2,
        stems=len(stems),
        channels=channels,
        activation="leaky_relu",
        downsample="strided",
        block="tfc_tdf",
        dropout=dropout,
        skip="add",
        head="softmax",
        subbands=8,
        freq_bins=2048,
        time_dilations=(1, 3),
        frame_width=frame_width,
        presence=presence,
        compression=10.0,
    )
    return MaskNetworkConfig(
        stems=stems,
        sample_rate=44100,
        features="left_right_side",
        n_bins=2048,
        stft=STFTConfig(n_fft=4096, hop_length=1024),
        unet=unet,
        spatial=spatial,
    )


PRESETS: dict[str, UNetConfig | SpleeterConfig | MaskNetworkConfig] = {
    "milesial": UNetConfig(),
    "milesial-bilinear": UNetConfig(upsample="bilinear"),
    "ronneberger": UNetConfig(in_channels=1, padding="valid", norm="none"),
    "small": UNetConfig(channels=(32, 64, 128, 256, 512)),
    "tiny": UNetConfig(channels=(16, 32, 64, 128, 256)),
    "spleeter": SPLEETER_MODELS["4stems"],
    "default": _separation((32, 64, 112, 160), 320, dropout=0.15, presence=160, spatial=True),
    "fast": _separation((16, 32, 64, 112), 256),
}
"""Configurations by name."""


def build(name: str) -> nn.Module:
    """Return the untrained network of a preset: a `UNet`, a `Spleeter` or a `MaskNetwork`.

    Raises:
        ParameterError: no such preset; the message lists them.

    Example:
        >>> build("tiny").config.channels
        (16, 32, 64, 128, 256)
    """
    if name not in PRESETS:
        raise ParameterError(f"no preset '{name}': choose from {', '.join(PRESETS)}")
    config = PRESETS[name]
    if isinstance(config, MaskNetworkConfig):
        return MaskNetwork(config)
    return Spleeter(config) if isinstance(config, SpleeterConfig) else UNet(config)
