"""Chunks of a song -> the cores of its stems, in three stages that run at the same time.

STFT -> network -> masks and inverse STFT: while the network computes the masks of one batch of
chunks, the next one is transformed and the one before transformed back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice

import torch
from torch import Tensor
from torch.nn import functional

from stemsep.audio.prefetch import Prefetched
from stemsep.dsp import wiener, wiener_scale
from stemsep.errors import StemsepError, WeightsError
from stemsep.models import MaskNetwork, SeparationNetwork, network_input
from stemsep.separation.chunking import (
    Chunk,
    ChunkConfig,
    core_frames,
    core_waveform,
    frames_of,
    heard_frames,
    join,
)
from stemsep.separation.masking import (
    apply_masks,
    consistent_parts,
    filtered_stems,
    masked_parts,
)
from stemsep.separation.results import Timings
from stemsep.weights.onnx_network import OnnxNetwork

__all__ = ["Stages"]

FILTERED_BINS = 256
"""Frequencies that go through the Wiener filter together."""


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Chunks on their way through the stages.

    Args:
        lengths: of the chunks' cores.
        present: ``(batch, frames)``.
        spectra: for each pair of channels ``(batch, 2, freq, frames)``.
        features: for each pair what the network takes, ``(batch, 2, freq, frames)``.
        masks: for each pair of channels ``(batch, stems, 2, freq, frames)``.
    """

    lengths: Sequence[int]
    present: Tensor
    spectra: Sequence[Tensor]
    features: Sequence[Tensor]
    masks: Sequence[Tensor] = ()


class Stages:
    """The chain from chunks to cores, for one network on one device.

    Args:
        network: in evaluation mode, on its device.
        device: of the network.
        precision: ``"fp32"`` or ``"bf16"``.
        chunks: sizes.
        wiener_iterations: of the multichannel Wiener filter, over one chunk at a time.
        spatial: whether masks go through `filtered_stems`, over one chunk at a time, unless the
            Wiener filter takes its place.
    """

    def __init__(
        self,
        network: SeparationNetwork | OnnxNetwork,
        device: torch.device,
        precision: str,
        chunks: ChunkConfig,
        *,
        wiener_iterations: int = 0,
        spatial: bool = False,
    ) -> None:
        self.network, self.device, self.precision = network, device, precision
        self.chunks, self.config = chunks, network.config
        self.wiener_iterations, self.spatial = wiener_iterations, spatial
        self.kept = core_frames(self.config.stft, chunks)
        # The filters learn from the context, too.
        filtered = wiener_iterations or spatial
        self.wanted = slice(0, chunks.frames) if filtered else self.kept
        # Apple's GPU lacks parts of complex arithmetic: only the network runs there.
        self.home = torch.device("cpu") if device.type == "mps" else device

    def run(self, chunks: Iterable[Chunk], timings: Timings) -> Iterator[Tensor]:
        """Yield consecutive pieces ``(pairs, stems, 2, samples)`` of the stems, on the CPU.

        Args:
            chunks: of one song, windows ``(pairs, 2, samples)``.
            timings: is told how long the network computes.

        Raises:
            StemsepError: the device has no memory for even one chunk.
            WeightsError: the network gives values that are not finite.
        """
        batches = _batches(chunks, self.chunks.batch_size)
        spectra = Prefetched(map(self._transform, batches))
        masked = Prefetched(map(partial(self._mask, timings=timings), spectra))
        cores = chain.from_iterable(map(self._transform_back, masked))
        yield from join(cores, self.config.stft, self.chunks)

    @torch.inference_mode()
    def _transform(self, batch: list[Chunk]) -> _Batch:
        windows = torch.stack([chunk.window for chunk in batch])  # (batch, pairs, 2, samples)
        present = torch.stack([chunk.present for chunk in batch]).to(self.home)
        spectra = [
            frames_of(pair.to(self.home), present, self.config.stft) for pair in windows.unbind(1)
        ]
        features = [network_input(spectrum, self.config).to(self.device) for spectrum in spectra]
        lengths = [chunk.length for chunk in batch]
        return _Batch(lengths=lengths, present=present, spectra=spectra, features=features)

    @torch.inference_mode()
    def _mask(self, batch: _Batch, timings: Timings) -> _Batch:
        with timings.computing():
            masks = [self._masks(features, batch.present) for features in batch.features]
        return replace(batch, features=(), masks=masks)

    def _masks(self, features: Tensor, present: Tensor) -> Tensor:
        """Return masks of a batch's wanted frames; the network is shown none outside of the song.

        Only the last step of its lowest level is filled up, with silence. It learned from excerpts,
        outside of which its convolutions saw nothing. On songs of seven seconds frames of silence
        cost 0.13 dB of uSDR, the first and last frame held 0.03 dB.
        """
        if present.all():
            return self._run_network(features, self.wanted)
        masks = []
        for chunk, row in zip(torch.split(features, 1), present, strict=True):
            heard = heard_frames(row, self.config.time_stride)
            start, stop = max(heard.start, self.wanted.start), min(heard.stop, self.wanted.stop)
            there = slice(start - heard.start, stop - heard.start)
            outside = start - self.wanted.start, self.wanted.stop - stop
            masks.append(functional.pad(self._run_network(chunk[..., heard], there), outside))
        return torch.cat(masks)

    def _run_network(self, features: Tensor, wanted: slice) -> Tensor:
        """Return masks of the wanted frames at home; halve a batch too big for the device."""
        # Where the lowest level is one frame wide, bf16 convolutions with AMX (oneDNN's, in torch
        # 2.13) read memory that is not theirs: Spleeter's stems differed from run to run.
        wide = features.shape[-1] > self.config.time_stride
        bf16 = wide and self.precision == "bf16"
        try:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
                if isinstance(self.network, MaskNetwork):
                    masks: Tensor = self.network(features, wanted)
                else:
                    masks = self.network(features)[..., wanted]
            return masks.to(self.home)
        except torch.OutOfMemoryError as error:
            if len(features) == 1:
                remedy = "" if self.device.type == "cpu" else ", or use --device cpu"
                raise StemsepError(
                    f"out of memory on {self.device}: close other programs{remedy}"
                ) from error
        half = len(features) // 2
        halves = [self._run_network(part, wanted) for part in (features[:half], features[half:])]
        return torch.cat(halves)

    @torch.inference_mode()
    def _transform_back(self, batch: _Batch) -> list[tuple[Tensor, int]]:
        """Return ``(pairs, stems, 2, samples)`` and the length of each core."""
        waveforms = []
        for spectrum, masks in zip(batch.spectra, batch.masks, strict=True):
            waveform = self._waveform(spectrum, masks, batch.present).cpu()
            if not torch.isfinite(waveform.sum()):  # one that is not finite makes the sum so too
                raise WeightsError(
                    "the network gives values that are not finite: its file is damaged"
                )
            waveforms.append(waveform)
        cores = torch.stack(waveforms, dim=1)  # (batch, pairs, stems, 2, samples)
        return list(zip(cores, batch.lengths, strict=True))

    def _waveform(self, spectrum: Tensor, masks: Tensor, present: Tensor) -> Tensor:
        kept = self.kept
        if self.wiener_iterations:
            parts = consistent_parts(self._filtered(spectrum, masks, kept), spectrum[..., kept])
        elif self.spatial:
            parts = iter([filtered_stems(masks, spectrum, frames=kept)])
        else:
            parts = masked_parts(masks, spectrum[..., kept], sums_to_one=self.config.sums_to_one)
        return core_waveform(parts, present[:, kept], self.config.stft, self.chunks)

    def _filtered(self, spectrum: Tensor, masks: Tensor, kept: slice) -> Tensor:
        """Return the kept frames of the stems after the Wiener filter, which learns from all.

        Some frequencies at a time: the spectra of all stems are large.
        """
        scale = wiener_scale(spectrum)
        stems = masks.new_empty(masks[..., kept].shape, dtype=spectrum.dtype)
        for start in range(0, stems.shape[-2], FILTERED_BINS):
            bins = slice(start, start + FILTERED_BINS)
            mixture = spectrum[..., bins, :]
            stems[..., bins, :] = wiener(
                apply_masks(masks[..., bins, :], mixture),
                mixture,
                iterations=self.wiener_iterations,
                scale=scale,
                frames=kept,
            )
        return stems


def _batches(chunks: Iterable[Chunk], size: int) -> Iterator[list[Chunk]]:
    """Yield lists of ``size`` chunks, the last with those that are left."""
    remaining = iter(chunks)
    while batch := list(islice(remaining, size)):
        yield batch
