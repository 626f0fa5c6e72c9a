"""Waveform -> stems, chunk by chunk: the chain of the whole package, in order.

blocks -> resample -> chunks -> STFT -> network -> masks -> inverse STFT -> resample back ->
stems that sum to the mixture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stemsep.audio import fit_length, from_stereo_pairs, reblock, resample, stereo_pairs
from stemsep.audio.prefetch import Passed, Prefetched
from stemsep.errors import ParameterError
from stemsep.models import SCNetConfig, SeparationNetwork
from stemsep.models.fold import fold_norms
from stemsep.separation.backend import load_for_backend, onnx_settings
from stemsep.separation.checks import as_array, check_rate, checked_blocks
from stemsep.separation.chunking import ChunkConfig, cut
from stemsep.separation.device import choose_device, choose_precision
from stemsep.separation.files import Part, separate_file
from stemsep.separation.outputs import OutputConfig
from stemsep.separation.residue import OUTPUT_SAMPLES, share_residue
from stemsep.separation.results import FileResult, Picture, Progress, Timings
from stemsep.separation.stages import Stages
from stemsep.weights.catalog import find_checkpoint
from stemsep.weights.fetching import Fetching
from stemsep.weights.onnx_network import OnnxNetwork

__all__ = ["Progress", "Separator"]


class Separator:
    """A network ready to separate: load it once, use it for many songs.

    Args:
        network: what gives the masks.
        device: where it runs; see `stemsep.separation.device.choose_device`.
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"`` (of the network alone).
        chunks: sizes of the chunks that songs are cut into.
        wiener_iterations: of the multichannel Wiener filter on the stems, 0 for none. It learns
            from one chunk at a time (12 s), and chunks fade into each other.
        spatial: whether masks go through `stemsep.separation.masking.filtered_stems`, which learns
            and fades alike; None: whether the network was made for it. The Wiener filter takes its
            place.

    Example:
        >>> separator = Separator.from_pretrained()
        >>> stems = separator.separate(torch.zeros(2, 4410), 44100)
        >>> {name: tuple(waveform.shape) for name, waveform in stems.items()}
        {'vocals': (2, 4410), 'drums': (2, 4410), 'bass': (2, 4410), 'other': (2, 4410)}
    """

    exact = None  # see `stemsep.separation.exact`

    def __init__(
        self,
        network: SeparationNetwork | OnnxNetwork,
        *,
        device: str | torch.device = "auto",
        precision: str = "auto",
        chunks: ChunkConfig | None = None,
        wiener_iterations: int = 0,
        spatial: bool | None = None,
    ) -> None:
        if isinstance(network, OnnxNetwork):
            device, precision = onnx_settings(device, precision)
        self.device = choose_device(device)
        if precision == "auto" and isinstance(network.config, SCNetConfig):
            precision = "fp32"  # bf16 is too coarse for its unbounded masks
        self.precision = choose_precision(precision, self.device)
        self.config = network.config
        stride = self.config.time_stride
        self.chunks = chunks or ChunkConfig.for_network(
            self.config, batch_size=8 if self.device.type == "cuda" else 1
        )
        if wiener_iterations < 0:
            raise ParameterError(f"wiener_iterations = {wiener_iterations}: it must be 0 or more")
        spatial = self.config.spatial if spatial is None else spatial
        if spatial and not self.config.sums_to_one:
            raise ParameterError(
                "the spatial filter needs masks that sum to one: this network's do not"
            )
        if (wiener_iterations or spatial) and not self.chunks.fade_frames:
            self.chunks = replace(self.chunks, fade_frames=self.chunks.longest_fade)
        reach = self.config.stft.n_fft // self.config.stft.hop_length + self.chunks.fade_frames
        sizes = (self.chunks.core_frames, self.chunks.context_frames)
        if any(size % stride for size in sizes) or sizes[1] < reach:
            raise ParameterError(
                f"chunks of {sizes[0]} frames with {sizes[1]} of context: both must be multiples "
                f"of the network's stride in time, {stride}, and the context at least {reach}"
            )
        if not isinstance(network, OnnxNetwork):
            network = fold_norms(network)
        self.network = network.eval().to(self.device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._stages = Stages(
            self.network,
            self.device,
            self.precision,
            self.chunks,
            wiener_iterations=wiener_iterations,
            spatial=spatial,
        )

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | Path = "default",
        *,
        device: str | torch.device = "auto",
        precision: str = "auto",
        chunks: ChunkConfig | None = None,
        wiener_iterations: int = 0,
        spatial: bool | None = None,
        backend: str | None = None,
    ) -> Separator:
        """Return a separator with a shipped or published network, or one from a checkpoint file.

        Args:
            name_or_path: such as ``"default"``, the path of a ``.safetensors`` checkpoint, or a
                published name or an address, whose network is fetched if it is not in the store.
            device: ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"mps"``.
            precision: ``"auto"``, ``"fp32"`` or ``"bf16"``.
            chunks: sizes of the chunks that songs are cut into.
            wiener_iterations: of the multichannel Wiener filter.
            spatial: whether masks go through the filter of repetitions and places; None: as the
                network has it.
            backend: what computes the network: ``"torch"``, or ``"onnx"`` for onnxruntime, which
                an ``.onnx`` file takes by itself.

        Raises:
            WeightsError: no such model, or a damaged one.
            DownloadError: it cannot be fetched.
            ParameterError: no such device, precision or backend.
        """
        path = find_checkpoint(name_or_path, fetching=Fetching())
        return cls(
            load_for_backend(path, backend),
            device=device,
            precision=precision,
            chunks=chunks,
            wiener_iterations=wiener_iterations,
            spatial=spatial,
        )

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
        timings: Timings | None = None,
    ) -> Iterator[dict[str, Tensor]]:
        """Yield the stems of a song that comes in blocks, in memory bounded by the chunk.

        The samples are those of `separate`, bit for bit, whatever the sizes of the blocks.

        Args:
            blocks: ``(channels, samples)`` each, any sizes.
            sample_rate: Hz.
            progress: called with the seconds done and ``total_seconds``.
            total_seconds: length of the song where the caller knows it, for ``progress`` alone.
            timings: is told how long the network computes.

        Yields:
            name -> ``(channels, samples)`` float32: consecutive pieces of the song.

        Raises:
            ParameterError: a block with another number of channels or axes, or a non-finite
                sample (the message says at which second).
        """
        done = 0
        for stems in self._stems(blocks, sample_rate, timings or Timings()):
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
        part: Part | None = None,
        progress: Progress | None = None,
        picture: Picture | None = None,
    ) -> FileResult:
        """Separate a sound file into files; see `OutputConfig` for names, formats and depths.

        Memory does not grow with the length of the song. No file is there before it is complete.

        Args:
            path: any readable sound file; ``"-"`` is the standard input.
            output: folder, made if missing; ``"-"`` is the standard output, for one stem.
            options: what to write and how.
            folder: what ``{folder}`` in the template stands for.
            part: of the song; None is all of it.
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
            part=part,
            progress=progress,
            picture=picture,
        )

    def _stems(
        self,
        blocks: Iterable[Tensor | NDArray[np.floating]],
        sample_rate: int,
        timings: Timings,
    ) -> Iterator[NDArray[np.float32]]:
        """Yield ``(stems, channels, samples)``: pieces of `OUTPUT_SAMPLES`, the last shorter."""
        check_rate(sample_rate)
        counted = _Counted(checked_blocks(blocks, sample_rate))
        mixture = Passed(counted)
        rate = self.config.sample_rate
        song = Prefetched(resample(mixture, from_rate=sample_rate, to_rate=rate), depth=8)
        cores = Prefetched(self._separated(song, timings))
        flat = (s.reshape(-1, s.shape[-1]) for s in cores)
        back = resample(flat, from_rate=rate, to_rate=sample_rate)
        fitted = fit_length(back, lambda: counted.samples)
        pieces = reblock(fitted, OUTPUT_SAMPLES)
        shaped = (piece.reshape(len(self.stems), -1, piece.shape[-1]) for piece in pieces)
        return share_residue(zip(shaped, reblock(mixture.again(), OUTPUT_SAMPLES), strict=True))

    def _separated(
        self, blocks: Iterable[NDArray[np.float32]], timings: Timings
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the stems of a song at the network's own rate, a chunk's core at a time."""
        channels = 0

        def paired() -> Iterator[Tensor]:
            nonlocal channels
            for block in blocks:
                channels = block.shape[0]
                yield torch.from_numpy(np.stack(stereo_pairs(block)))  # (pairs, 2, samples)

        chunks = cut(paired(), self.config.stft, self.chunks)
        for pairs in self._stages.run(chunks, timings):
            yield from_stereo_pairs(list(pairs.numpy()), channels)  # (stems, channels, samples)


class _Counted:
    """Passes blocks on and knows how many samples have gone by."""

    def __init__(self, blocks: Iterable[NDArray[Any]]) -> None:
        self.blocks, self.samples = blocks, 0

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for block in self.blocks:
            self.samples += block.shape[-1]
            yield block
