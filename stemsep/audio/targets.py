"""What each format that can be written is able to hold.

Next stage: `stemsep.audio.write`, which writes what is allowed here.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from stemsep.errors import ParameterError

__all__ = ["OPUS_RATE", "TARGETS", "OutputFormat", "Target", "check_writable", "parse_bitrate"]

OutputFormat: TypeAlias = Literal["wav", "flac", "mp3", "ogg", "opus", "m4a", "stem.mp4"]

OPUS_RATE = 48_000
"""Hz: what every Opus decoder gives, so other sound is resampled before (RFC 7845)."""

AAC_RATES = (
    7350,
    8000,
    11025,
    12000,
    16000,
    22050,
    24000,
    32000,
    44100,
    48000,
    64000,
    88200,
    96000,
)


class _FlacRates:
    """The rates of FLAC: up to 65,535 Hz any, up to 655,350 Hz multiples of 10."""

    def __contains__(self, rate: object) -> bool:
        return isinstance(rate, int) and 1 <= rate <= (65_535 if rate % 10 else 655_350)


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a format holds.

    Args:
        bit_depths: of integer samples; None is 32-bit float, which lossy encoders take.
        max_channels: most channels.
        rates: sample rates in Hz.
        bitrates: lowest and highest that ``--bitrate`` may ask of a lossy one, bits a second.
        bitrate: what a lossy one gets unasked, bits a second of each channel.
    """

    bit_depths: tuple[int | None, ...] = (None,)
    max_channels: int
    rates: Container[int]
    bitrates: tuple[int, int] | None = None
    bitrate: int = 0

    @property
    def lossy(self) -> bool:
        """Whether the format loses something."""
        return self.bitrates is not None


TARGETS: dict[OutputFormat, Target] = {
    "wav": Target(bit_depths=(16, 24, 32, None), max_channels=1024, rates=range(1, 2**31)),
    "flac": Target(bit_depths=(16, 24), max_channels=8, rates=_FlacRates()),
    "mp3": Target(
        max_channels=2,
        rates=(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
        bitrates=(8_000, 320_000),
        bitrate=128_000,
    ),
    "ogg": Target(
        max_channels=2, rates=range(1, 200_001), bitrates=(32_000, 500_000), bitrate=128_000
    ),
    "opus": Target(
        max_channels=2, rates=range(1, 2**31), bitrates=(6_000, 510_000), bitrate=96_000
    ),
    "m4a": Target(max_channels=6, rates=AAC_RATES, bitrates=(8_000, 2_000_000), bitrate=128_000),
    "stem.mp4": Target(max_channels=2, rates=AAC_RATES, bitrates=(8_000, 512_000), bitrate=128_000),
}


def check_writable(
    format: OutputFormat, sample_rate: int, channels: int, bit_depth: int | None
) -> None:
    """Return if the format can hold such sound.

    Raises:
        ParameterError: it cannot; the message names what can.
    """
    if format not in get_args(OutputFormat):
        choices = ", ".join(get_args(OutputFormat))
        raise ParameterError(f"unknown output format '{format}'; choose one of {choices}")
    target = TARGETS[format]
    if bit_depth not in target.bit_depths:
        bits = "32-bit float" if bit_depth is None else f"{bit_depth}-bit"
        problem = f"{bits} sound"
    elif not 1 <= channels <= target.max_channels:
        problem = f"{channels} channels, only 1 to {target.max_channels}"
    elif sample_rate not in target.rates:
        problem = f"a sample rate of {sample_rate} Hz"
    else:
        return
    fitting = [name for name in TARGETS if name != format and _fits(name, sample_rate, channels)]
    if not target.lossy:  # depth matters to who asks for a lossless format
        fitting = [name for name in fitting if bit_depth in TARGETS[name].bit_depths]
        fitting = [n for n in fitting if not TARGETS[n].lossy] or fitting
    remedy = "choose wav with 16, 24 or 32 bits or float, or flac with 16 or 24 bits"
    if fitting:
        remedy = f"choose {' or '.join(fitting)}"
    raise ParameterError(f"{format.upper()} cannot hold {problem}; {remedy}")


def _fits(format: OutputFormat, sample_rate: int, channels: int) -> bool:
    target = TARGETS[format]
    return 1 <= channels <= target.max_channels and sample_rate in target.rates


def parse_bitrate(text: str | int, format: OutputFormat) -> int:
    """Return bits a second.

    Args:
        text: such as ``192k``, ``192`` (both are thousands) or ``192000``.
        format: that it is meant for.

    Raises:
        ParameterError: not a number, a format without a bit rate, or one that it cannot have.
    """
    limits = TARGETS[format].bitrates
    if limits is None:
        lossy = ", ".join(name for name, target in TARGETS.items() if target.lossy)
        raise ParameterError(f"{format} is lossless and has no bit rate: leave it out, or {lossy}")
    digits = str(text).strip().lower().removesuffix("k")
    if not digits.isdecimal():
        raise ParameterError(f"bit rate '{text}': give a number such as 192k")
    number = int(digits)
    bitrate = number if number >= 6000 else 1000 * number
    low, high = limits
    if not low <= bitrate <= high:
        raise ParameterError(f"bit rate '{text}': {format} takes {low // 1000}k to {high // 1000}k")
    return bitrate
