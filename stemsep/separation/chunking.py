"""A song of any length <-> chunks of one shape, on a grid that counts from its first sample.

Chunk ``k`` keeps the samples from ``k * core`` on and sees ``context_frames`` more STFT frames on
both sides, so that the network decides about its edges with the same surroundings as about its
middle::

    song      |────────core 0────────|────────core 1────────|───core 2───|
    chunk 0  ~~──────────────────────~~
    chunk 1                         ~~──────────────────────~~            ~~ = context

The grid depends on nothing but the song, so that pieces of any size, files and arrays give the
same samples bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from stemsep.dsp import STFTConfig, n_frames
from stemsep.dsp.stft import analyse, synthesise, window_energy
from stemsep.errors import ParameterError
from stemsep.models import MaskNetworkConfig, SCNetConfig, SeparationConfig

__all__ = [
    "FADE_FRAMES",
    "Chunk",
    "ChunkConfig",
    "core_frames",
    "core_waveform",
    "cut",
    "frames_of",
    "heard_frames",
    "join",
]

FADE_FRAMES = 16
"""Where each chunk decides by all that it sees, over twice so many frames (0.74 s) one fades into
the next one."""


@dataclass(frozen=True, kw_only=True)
class ChunkConfig:
    """Sizes of the chunks, in STFT frames.

    Args:
        core_frames: frames a chunk advances by (416 are 9.7 s at 44.1 kHz and hop 1024). Both
            sizes must be multiples of the network's stride in time.
        context_frames: frames that a chunk sees on each side of its core.
        batch_size: chunks that go through the network together.
        fade_frames: frames before and after each border of cores over which one chunk's stems
            fade into the next one's, for what is not the same in both; 0 is a cut.

    Raises:
        ParameterError: a size below 1, or a fade that is longer than half a core or negative.
    """

    core_frames: int = 416
    context_frames: int = 64
    batch_size: int = 1
    fade_frames: int = 0

    def __post_init__(self) -> None:
        for name in ("core_frames", "context_frames", "batch_size"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} = {getattr(self, name)}: it must be 1 or more")
        if not 0 <= 2 * self.fade_frames <= self.core_frames:
            raise ParameterError(
                f"fade_frames = {self.fade_frames}: it must be 0 to {self.core_frames // 2}"
            )

    @classmethod
    def for_network(cls, config: SeparationConfig, *, batch_size: int = 1) -> ChunkConfig:
        """Return chunks of the size that suits a network."""
        if isinstance(config, SCNetConfig):
            # Of the length that it was trained on (476 frames, 11 s). Two chunks decide about their
            # border from different levels of loudness, so that one fades into the other.
            return cls(core_frames=380, context_frames=48, batch_size=batch_size, fade_frames=24)
        chunks = cls.for_stride(config.time_stride, batch_size=batch_size)
        presence = isinstance(config, MaskNetworkConfig) and config.unet.presence > 0
        return replace(chunks, fade_frames=chunks.longest_fade) if presence else chunks

    @classmethod
    def for_stride(cls, stride: int, *, batch_size: int = 1) -> ChunkConfig:
        """Return chunks of the usual size, in multiples of a network's stride in time."""
        context = -(-cls.context_frames // stride) * stride
        core = max(1, (cls.core_frames + 2 * (cls.context_frames - context)) // stride) * stride
        return cls(core_frames=core, context_frames=context, batch_size=batch_size)

    @property
    def longest_fade(self) -> int:
        """``FADE_FRAMES``, or what the context has room for."""
        return min(FADE_FRAMES, self.context_frames // 2)

    @property
    def frames(self) -> int:
        """Frames of a whole chunk."""
        return self.core_frames + 2 * self.context_frames


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One chunk of a song.

    Args:
        window: ``(…, samples)``: all samples that the chunk's frames see.
        present: ``(frames,)``: 1 where the song has that frame, 0 before its start and after its
            end.
        length: how many samples of the core belong to the song.
    """

    window: Tensor
    present: Tensor
    length: int


def cut(blocks: Iterable[Tensor], stft: STFTConfig, config: ChunkConfig) -> Iterator[Chunk]:
    """Yield the chunks of a song that comes in blocks of any size.

    A chunk is yielded as soon as its last sample has come, so memory holds about one chunk.

    Args:
        blocks: ``(…, samples)``, float32; sizes may differ and may be 0.
        stft: sizes of the transform.
        config: sizes of the chunks.
    """
    half, hop = stft.n_fft // 2, stft.hop_length
    step = config.core_frames * hop
    size = (config.frames - 1) * hop + stft.n_fft
    first = -(config.context_frames * hop + half)  # of chunk 0's window, in the song's samples
    parts: list[Tensor] = []  # joined when they reach to the end of a chunk
    held_from = total = index = 0
    for block in blocks:
        parts.append(block)
        total += block.shape[-1]
        if total < first + index * step + size:
            continue
        held = torch.cat(parts, dim=-1) if len(parts) > 1 else block
        while total >= first + index * step + size:
            start = first + index * step
            window = _slice(held, start - held_from, size, reflect_left=half if index == 0 else 0)
            yield Chunk(window=window, present=_present(index, None, config), length=step)
            index += 1
            drop = max(0, start + step - held_from)
            held, held_from = held[..., drop:], held_from + drop
        parts = [held]
    if total == 0:
        return
    held = torch.cat(parts, dim=-1)
    # Only here is the song's end known: mirror it, and what is too short to mirror gets zeros.
    if total <= half:
        held = functional.pad(held, (0, half + 1 - total))
    end = torch.cat([held, held[..., -half - 1 : -1].flip(-1)], dim=-1)
    frames = n_frames(total, stft)
    while index * step < total:
        start = first + index * step
        window = _slice(end, start - held_from, size, reflect_left=half if index == 0 else 0)
        length = min(step, total - index * step)
        yield Chunk(window=window, present=_present(index, frames, config), length=length)
        index += 1


def frames_of(windows: Tensor, present: Tensor, stft: STFTConfig) -> Tensor:
    """Return the spectra of chunks, zero in the frames that the song does not have.

    Args:
        windows: ``(batch, channels, samples)``.
        present: ``(batch, frames)``.
        stft: sizes of the transform.

    Returns:
        ``(batch, channels, freq, frames)``, complex.
    """
    spectra = analyse(windows, stft)
    return spectra if present.all() else spectra * present[:, None, None, :]


def heard_frames(present: Tensor, stride: int) -> slice:
    """Return which frames of a chunk to show to a network: from the song's first to its last one.

    Args:
        present: ``(frames,)``.
        stride: the network's in time, whose multiples the first and the number of frames are.
    """
    inside = present.nonzero()
    first, last = int(inside.min()) // stride, int(inside.max()) // stride
    return slice(first * stride, (last + 1) * stride)


def core_frames(stft: STFTConfig, config: ChunkConfig) -> slice:
    """Return which of a chunk's frames have a window that reaches into its core or its fades."""
    reach = _reach(stft) + config.fade_frames
    return slice(config.context_frames - reach, config.context_frames + config.core_frames + reach)


def core_waveform(
    parts: Iterable[Tensor], present: Tensor, stft: STFTConfig, config: ChunkConfig
) -> Tensor:
    """Return the cores of chunks from their stems' spectra.

    Args:
        parts: ``(batch, stems, channels, freq, frames)``, complex, of the frames of `core_frames`;
            some stems in each.
        present: ``(batch, frames)``, of the same.
        stft: sizes of the transform.
        config: sizes of the chunks.

    Returns:
        ``(batch, stems, channels, (core_frames + 2 * fade_frames) * hop_length)``: the core between
        its fades.
    """
    first = _reach(stft) * stft.hop_length + stft.n_fft // 2
    frames = config.core_frames + 2 * config.fade_frames
    core = slice(first, first + frames * stft.hop_length)
    # Past the song's end no window has any energy, and nothing of it is kept.
    energy = torch.stack([window_energy(row, stft)[core] for row in present]).clamp_min(1e-8)
    # One stem after the other: its frames overlap, so they take several times its own memory.
    stems = (stem for part in parts for stem in part.unbind(1))
    waveforms = [synthesise(stem, stft)[..., core] / energy[:, None] for stem in stems]
    return torch.stack(waveforms, dim=1)


def join(
    cores: Iterable[tuple[Tensor, int]], stft: STFTConfig, config: ChunkConfig
) -> Iterator[Tensor]:
    """Yield the song's stems from the cores of its chunks, fading from each to the next.

    Args:
        cores: ``(…, (core_frames + 2 * fade_frames) * hop_length)`` and how many samples of the
            core belong to the song.
        stft: sizes of the transform.
        config: sizes of the chunks.

    Yields:
        ``(…, samples)``, any sizes.
    """
    fade, step = config.fade_frames * stft.hop_length, config.core_frames * stft.hop_length
    rising = (torch.arange(2 * fade) + 0.5) / max(1, 2 * fade)
    held: Tensor | None = None  # the fades at the end of the core before
    for core, length in cores:
        if held is None:
            faded = core[..., fade:]
        else:
            mixed = torch.lerp(held, core[..., : 2 * fade], rising)
            faded = torch.cat([mixed, core[..., 2 * fade :]], dim=-1)
        if length < step:  # the song ends in it
            yield faded[..., : length + (0 if held is None else fade)]
            return
        held = faded[..., faded.shape[-1] - 2 * fade :]
        yield faded[..., : faded.shape[-1] - 2 * fade]
    if held is not None:
        yield held[..., :fade]


def _reach(stft: STFTConfig) -> int:
    """Return how many frames before a sample still have it in their window."""
    return -(-stft.n_fft // 2 // stft.hop_length)


def _slice(held: Tensor, start: int, size: int, *, reflect_left: int) -> Tensor:
    """Return ``held[start : start + size]``, zeros outside, mirrored once before index 0."""
    if reflect_left:
        mirrored = held[..., 1 : reflect_left + 1].flip(-1)
        held, start = torch.cat([mirrored, held], dim=-1), start + reflect_left
    piece = held[..., max(0, start) : max(0, start + size)]
    return functional.pad(piece, (max(0, -start), size - piece.shape[-1] - max(0, -start)))


def _present(index: int, frames: int | None, config: ChunkConfig) -> Tensor:
    number = torch.arange(config.frames) + index * config.core_frames - config.context_frames
    inside = number >= 0 if frames is None else (number >= 0) & (number < frames)
    return inside.to(torch.float32)
