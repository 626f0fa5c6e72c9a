"""Waveform -> stems, chunk by chunk: the chain of the whole package, in order.

blocks -> resample -> chunks -> STFT -> network -> masks -> inverse STFT -> resample back ->
stems that sum to the mixture.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stemsep.audio import (
    fit_length,
    from_stereo_pairs,
    reblock,
    resample,
    stereo_pairs,
)
from stemsep.errors import ParameterError, StemsepError, WeightsError
from stemsep.models import SeparationNetwork, magnitudes
from stemsep.separation.checks import as_array, check_rate, checked_blocks
from stemsep.separation.chunking import (
    Chunk,
    ChunkConfig,
    core_waveform,
    cut,
    frames_of,
    hold_ends,
)
from stemsep.separation.device import choose_device, choose_precision
from stemsep.separation.files import FileResult, Picture, Progress, separate_file
from stemsep.separation.masking import apply_masks, consistent_spectra
from stemsep.separation.outputs import OutputConfig
from stemsep.separation.residue import OUTPUT_SAMPLES, share_residue
from stemsep.weights.catalog import find_checkpoint
from stemsep.weights.checkpoint import load_network
from stemsep.weights.store import Fetching

__all__ = ["Progress", "Separator"]


class Separator:
    """A network ready to separate: load it once, use it for many songs.

    Args:
        network: what gives the masks.
        device: where it runs; see `stemsep.separation.device.choose_device`.
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"`` (of the network alone).
        chunks: sizes of the chunks that songs are cut into.

    Example:
        >>> separator = Separator.from_pretrained()
        >>> stems = separator.separate(torch.zeros(2, 4410), 44100)
        >>> {name: tuple(waveform.shape) for name, waveform in stems.items()}
        {'vocals': (2, 4410), 'drums': (2, 4410), 'bass': (2, 4410), 'other': (2, 4410)}
    """

    exact = None  # see `stemsep.separation.exact`

    def __init__(
        self,
        network: SeparationNetwork,
        *,
        device: str | torch.device = "auto",
        precision: str = "auto",
        chunks: ChunkConfig | None = None,
    ) -> None:
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.config = network.config
        stride = self.config.time_stride
        self.chunks = chunks or ChunkConfig.for_stride(
            stride, batch_size=8 if self.device.type == "cuda" else 1
        )
        reach = self.config.stft.n_fft // self.config.stft.hop_length
        sizes = (self.chunks.core_frames, self.chunks.context_frames)
        if any(size % stride for size in sizes) or sizes[1] < reach:
            raise ParameterError(
                f"chunks of {sizes[0]} frames with {sizes[1]} of context: both must be multiples "
                f"of the network's stride in time, {stride}, and the context at least {reach}"
            )
        self.network = network.to(self.device).eval()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path = "default",
        *,
        device: str | torch.device = "auto",
        precision: str = "auto",
        chunks: ChunkConfig | None = None,
    ) -> Separator:
        """Return a separator with a shipped or published network, or one from a checkpoint file.

        Args:
            name_or_path: such as ``"default"``, the path of a ``.safetensors`` checkpoint, or a
                published name or an address, whose network is fetched if it is not in the store.
            device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
            precision: ``"auto"``, ``"fp32"`` or ``"bf16"``.
            chunks: sizes of the chunks that songs are cut into.

        Raises:
            WeightsError: no such model, or a damaged one.
            DownloadError: it cannot be fetched.
            ParameterError: no such device or precision.
        """
        network = load_network(find_checkpoint(name_or_path, fetching=Fetching()))
        return cls(network, device=device, precision=precision, chunks=chunks)

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the stems, in the network's order."""
        return self.config.stems

    def separate(
        self,
        waveform: Tensor | NDArray[np.floating],
        sample_rate: int,
        *,
        progress: Progress | None = None,
    ) -> dict[str, Tensor]:
        """Return the stems of a song that is in memory; together they are the song.

        Args:
            waveform: ``(channels, samples)`` or ``(samples,)``, nominally in [-1, 1].
            sample_rate: Hz, any; stems come back at the same rate.
            progress: called with the seconds done and the seconds in all.

        Returns:
            name -> float32 of the same shape as ``waveform``, on the CPU.

        Raises:
            ParameterError: no samples, more than two axes, integers, a non-finite sample, or a
                rate below 1.
        """
        given = as_array(waveform)
        if given.ndim not in (1, 2) or given.size == 0:
            raise ParameterError(
                f"waveform of shape {given.shape}: give (channels, samples), not empty"
            )
        check_rate(sample_rate)
        song, total = given.reshape(-1, given.shape[-1]), given.shape[-1] / sample_rate
        pieces = list(self.stream([song], sample_rate, progress=progress, total_seconds=total))
        joined = {name: torch.cat([piece[name] for piece in pieces], -1) for name in self.stems}
        return {name: stem.reshape(given.shape) for name, stem in joined.items()}

    def stream(
        self,
        blocks: Iterable[Tensor | NDArray[np.floating]],
        sample_rate: int,
        *,
        progress: Progress | None = None,
        total_seconds: float | None = None,
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the stems of a song that comes in blocks, in memory bounded by the chunk.

        The samples are those of `separate`, bit for bit, whatever the sizes of the blocks.

        Args:
            blocks: ``(channels, samples)`` each, any sizes.
            sample_rate: Hz.
            progress: called with the seconds done and ``total_seconds``.
            total_seconds: length of the song where the caller knows it, for ``progress`` alone.

        Yields:
            name -> ``(channels, samples)`` float32: consecutive pieces of the song.

        Raises:
            ParameterError: a block with another number of channels or axes, or a non-finite
                sample (the message says at which second).
        """
        done = 0
        for stems in self._stems(blocks, sample_rate):
            yield {n: torch.from_numpy(s) for n, s in zip(self.stems, stems, strict=True)}
            done += stems.shape[-1]
            if progress:
                progress(done / sample_rate, total_seconds)

    def separate_file(
        self,
        path: str | Path,
        output: str | Path = "separated",
        *,
        options: OutputConfig | None = None,
        folder: str = "",
        progress: Progress | None = None,
        picture: Picture | None = None,
    ) -> FileResult:
        """Separate a sound file into files; see `OutputConfig` for names, formats and depths.

        Memory does not grow with the length of the song. No file is there before it is complete.

        Args:
            path: any readable sound file.
            output: folder, made if missing.
            options: what to write and how.
            folder: what ``{folder}`` in the template stands for.
            progress: called with the seconds done and the seconds in all.
            picture: a `stemsep.plotting.spectrogram.StemPicture` to be drawn beside the stems.

        Raises:
            AudioFileError: the file cannot be read, or the stems cannot be written.
            ParameterError: options that do not fit together.
        """
        return separate_file(
            self,
            Path(path),
            Path(output),
            options or OutputConfig(),
            folder=folder,
            progress=progress,
            picture=picture,
        )

    def _stems(
        self, blocks: Iterable[Tensor | NDArray[np.floating]], sample_rate: int
    ) -> Iterator[NDArray[np.float32]]:
        """Yield ``(stems, channels, samples)``: pieces of `OUTPUT_SAMPLES`, the last shorter."""
        check_rate(sample_rate)
        checked, mixture = itertools.tee(checked_blocks(blocks, sample_rate))
        counted = _Counted(checked)
        rate = self.config.sample_rate
        song = resample(counted, from_rate=sample_rate, to_rate=rate)
        flat = (s.reshape(-1, s.shape[-1]) for s in self._separated(song))
        back = resample(flat, from_rate=rate, to_rate=sample_rate)
        fitted = fit_length(back, lambda: counted.samples)
        pieces = reblock(fitted, OUTPUT_SAMPLES)
        shaped = (piece.reshape(len(self.stems), -1, piece.shape[-1]) for piece in pieces)
        return share_residue(zip(shaped, reblock(mixture, OUTPUT_SAMPLES), strict=True))

    def _separated(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Yield the stems of a song at the network's own rate, a chunk's core at a time."""
        channels = 0

        def paired() -> Iterator[Tensor]:
            nonlocal channels
            for block in blocks:
                channels = block.shape[0]
                yield torch.from_numpy(np.stack(stereo_pairs(block)))  # (pairs, 2, samples)

        for batch in _batches(cut(paired(), self.config.stft, self.chunks), self.chunks.batch_size):
            windows = torch.stack([chunk.window for chunk in batch])  # (batch, pairs, 2, samples)
            present = torch.stack([chunk.present for chunk in batch])
            pairs = [self._run(pair, present) for pair in windows.unbind(1)]
            for chunk, *stems in zip(batch, *pairs, strict=True):
                if chunk.length:  # not one that only fills the batch
                    kept = [pair[..., : chunk.length].numpy() for pair in stems]
                    yield from_stereo_pairs(kept, channels)  # (stems, channels, samples)

    def _run(self, windows: Tensor, present: Tensor) -> Tensor:
        """Return stems ``(batch, stems, 2, samples)`` on the CPU; halve a batch that is too big."""
        try:
            return self._run_batch(windows, present).cpu()
        except torch.OutOfMemoryError as error:
            if len(windows) == 1:
                remedy = "" if self.device.type == "cpu" else ", or use --device cpu"
                raise StemsepError(
                    f"out of memory on {self.device}: close other programs{remedy}"
                ) from error
        half = len(windows) // 2
        return torch.cat(
            [self._run(windows[:half], present[:half]), self._run(windows[half:], present[half:])]
        )

    @torch.inference_mode()
    def _run_batch(self, windows: Tensor, present: Tensor) -> Tensor:
        # Apple's GPU lacks parts of complex arithmetic: only the network runs there.
        home = torch.device("cpu") if self.device.type == "mps" else self.device
        present = present.to(home)
        spectrum = frames_of(windows.to(home), present, self.config.stft)
        magnitude = hold_ends(magnitudes(spectrum, self.config), present)
        magnitude = magnitude.to(self.device, memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            masks = self.network(magnitude).to(home)
        stems = apply_masks(masks, spectrum)
        if not self.config.sums_to_one:
            stems = consistent_spectra(stems, spectrum)
        waveform = core_waveform(stems, present, self.config.stft, self.chunks)
        if not torch.isfinite(waveform.sum()):  # one that is not finite makes the sum so too
            raise WeightsError("the network gives values that are not finite: its file is damaged")
        return waveform


class _Counted:
    """Passes blocks on and knows how many samples have gone by."""

    def __init__(self, blocks: Iterable[NDArray[Any]]) -> None:
        self.blocks, self.samples = blocks, 0

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for block in self.blocks:
            self.samples += block.shape[-1]
            yield block


def _batches(chunks: Iterable[Chunk], size: int) -> Iterator[list[Chunk]]:
    """Yield lists of exactly ``size`` chunks, the last filled up with silent ones of length 0."""
    remaining = iter(chunks)
    while batch := list(itertools.islice(remaining, size)):
        silent = Chunk(
            window=torch.zeros_like(batch[0].window),
            present=torch.zeros_like(batch[0].present),
            length=0,
        )
        yield [*batch, *[silent] * (size - len(batch))]
