"""The task of separation: excerpts of stems -> masks -> loss, and SDR on validation tracks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stemsep.data.augment import AugmentConfig
from stemsep.data.remix import RemixConfig, RemixSampler
from stemsep.data.track import Track
from stemsep.dsp import istft, stft
from stemsep.errors import DatasetError
from stemsep.evaluation.sdr import frame_sdr, mean_scores
from stemsep.models import MaskNetwork, MaskNetworkConfig, magnitudes
from stemsep.training.losses import complex_l1, planes
from stemsep.weights.checkpoint import Card, save_network

__all__ = ["SeparationTask"]


class SeparationTask:
    """Train a `MaskNetwork` on remixed excerpts; see `stemsep.training.task.Task`.

    Args:
        config: the network.
        sources: ``(tracks, weight)`` to draw excerpts from.
        valid: tracks to score on; none of them may be in ``sources``.
        remix: what excerpts are made of.
        augment: how their stems are varied.
        frames: STFT frames of an excerpt.
        seed: of the excerpts.
        card: what checkpoints say about themselves, apart from steps and scores.

    Raises:
        DatasetError: a validation track is among the sources or cannot be scored; a track has
            another sample rate than the network; no track has one of the stems.
    """

    def __init__(
        self,
        config: MaskNetworkConfig,
        *,
        sources: Sequence[tuple[Sequence[Track], float]],
        valid: Sequence[Track],
        remix: RemixConfig,
        augment: AugmentConfig,
        frames: int,
        seed: int,
        card: Card,
    ) -> None:
        learned = [track for tracks, _ in sources for track in tracks]
        _check_rates([*learned, *valid], config.sample_rate)
        _check_valid(valid, {track.name for track in learned}, config.stems)
        torch.manual_seed(seed)
        self.config, self.valid, self.card = config, valid, card
        self.network: nn.Module = MaskNetwork(config)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.sampler = RemixSampler(
            sources,
            stems=config.stems,
            samples=(frames - 1) * config.stft.hop_length,
            config=remix,
            augment=augment,
            seed=seed,
        )

    def batch(self, step: int, examples: range) -> Tensor:
        """Return stems ``(examples, stems, 2, samples)``."""
        return torch.from_numpy(self.sampler.batch(step, examples))

    def sources(self, step: int, examples: range) -> Sequence[str]:
        """Return the names of the tracks that were drawn for these examples."""
        return self.sampler.sources(step, examples)

    def loss(self, network: nn.Module, batch: Tensor) -> Tensor:
        """Return the complex L1 between masked mixture and stems, on the trained bins."""
        bins = self.config.n_bins
        reference = planes(stft(batch, self.config.stft)[..., :bins, :])
        mixture = reference.sum(2)  # (2, batch, channels, freq, time)
        magnitude = magnitudes(torch.complex(*mixture), self.config)
        masks = network(_channels_last(magnitude)).contiguous()
        return complex_l1(masks=masks, mixture=mixture, reference=reference)

    def scores(self, network: nn.Module) -> dict[str, float]:
        """Return museval SDR and uSDR on the validation tracks, mean of the stems and each."""
        results = mean_scores(self._scored(network, track) for track in self.valid)
        medians, whole = results["museval SDR"], results["uSDR"]
        named = dict(zip(self.config.stems, medians.tolist(), strict=True))
        return {"score": float(medians.mean()), "usdr": float(whole.mean()), **named}

    def save(self, network: nn.Module, path: Path, step: int, scores: dict[str, float]) -> None:
        """Write a checkpoint, weights in 16 bits, with its scores."""
        values = {name: round(value, 3) for name, value in scores.items()}
        measured = {"measure": "museval SDR", "data": "validation tracks", **values}
        card = replace(self.card, steps=step, scores=(*self.card.scores, measured))
        save_network(path, network.state_dict(), self.config, card, half=True)

    def pictures(self, network: nn.Module) -> dict[str, NDArray[np.uint8]]:  # noqa: ARG002
        """Return no pictures."""
        return {}

    @torch.no_grad()
    def _scored(
        self, network: nn.Module, track: Track
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
        """Return the estimate of a track, its reference and its sample rate."""
        reference = track.whole(self.config.stems)
        mixture = torch.from_numpy(reference.sum(0) if track.mixture is None else track.mixture)
        spectrum = stft(mixture, self.config.stft)
        masks = network(_channels_last(magnitudes(spectrum[None], self.config)))[0]
        estimate = istft(masks * spectrum, self.config.stft, length=mixture.shape[-1])
        return estimate.numpy(), reference, track.sample_rate


def _channels_last(magnitude: Tensor) -> Tensor:
    return magnitude.contiguous(memory_format=torch.channels_last)


def _check_rates(tracks: Sequence[Track], sample_rate: int) -> None:
    for track in tracks:
        if track.sample_rate != sample_rate:
            raise DatasetError(
                f"'{track.name}' has {track.sample_rate} Hz, the network {sample_rate} Hz; "
                "convert one or the other"
            )


def _check_valid(valid: Sequence[Track], learned: Collection[str], stems: Sequence[str]) -> None:
    for track in valid:
        if track.name in learned:
            raise DatasetError(
                f"validation track '{track.name}' is among the sources; exclude it there"
            )
        if missing := set(stems) - track.stems.keys():
            raise DatasetError(f"validation track '{track.name}' has no {min(missing)}")
    # Found out now rather than at the first validation.
    truths = ((track.whole(stems), track.sample_rate) for track in valid)
    if all(np.isnan(frame_sdr(estimate=x, reference=x, sample_rate=r)).all() for x, r in truths):
        raise DatasetError(
            "nothing to score: in every second of the validation tracks a stem is "
            "silent; give other tracks"
        )
