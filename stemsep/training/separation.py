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
from stemsep.data.track import STEMS, Track
from stemsep.dsp import Planes, istft, planes, stft
from stemsep.errors import DatasetError
from stemsep.evaluation.sdr import frame_sdr, mean_scores
from stemsep.models import (
    SeparationConfig,
    SeparationNetwork,
    build_separation_network,
    network_input,
)
from stemsep.separation.masking import filtered_stems, masked_parts
from stemsep.training.losses import LossConfig, separation_loss
from stemsep.training.pictures import spectrogram_pair
from stemsep.training.presence import PresenceConfig, presence_loss
from stemsep.training.stem_groups import group_examples, stem_groups
from stemsep.training.trainable import separator_in, trainable
from stemsep.weights.checkpoint import Card, save_network

__all__ = ["Batch", "SeparationTask"]

Batch = dict[str, Tensor]
"""``stems`` ``(batch, stems, 2, samples)``, ``mixture`` ``(batch, 2, samples)`` and ``reliable``
``(batch, stems)``, as of `stemsep.data.playing.Example`."""

MOST_FRAMES = 4096
CONTEXT_FRAMES = 64
"""Validation tracks longer than ``MOST_FRAMES`` go through the network in parts, of which so many
frames at either side are seen, but not kept."""


class SeparationTask:
    """Train a separation network on remixed excerpts; see `stemsep.training.task.Task`.

    Args:
        config: the network.
        sources: ``(tracks, weight)`` to draw excerpts from.
        valid: tracks to score on; none of them may be in ``sources``.
        remix: what excerpts are made of.
        augment: how their stems are varied.
        loss: how far estimates are from the truth.
        frames: STFT frames of an excerpt.
        seed: of the excerpts, and of the first weights.
        card: what checkpoints say about themselves, apart from steps and scores.
        initial: a network of ``config`` to go on from; without it, random weights.
        presence: whether which stems are heard is what is learned, in place of masks.

    Raises:
        DatasetError: a validation track is among the sources or cannot be scored; a track has
            another sample rate than the network; no track has one of the stems.
    """

    def __init__(
        self,
        config: SeparationConfig,
        *,
        sources: Sequence[tuple[Sequence[Track], float]],
        valid: Sequence[Track],
        remix: RemixConfig,
        augment: AugmentConfig,
        loss: LossConfig,
        frames: int,
        seed: int,
        card: Card,
        initial: SeparationNetwork | None = None,
        presence: PresenceConfig | None = None,
    ) -> None:
        learned = [track for tracks, _ in sources for track in tracks]
        self.data_stems, self.groups = stem_groups(config.stems, STEMS)
        _check_rates([*learned, *valid], config.sample_rate)
        _check_names(valid, {track.name for track in learned})
        self.config, self.valid, self.card, self.loss_config = config, valid, card, loss
        self.presence = presence if presence and presence.width else None
        self._check_scorable()
        torch.manual_seed(seed)
        self.network: nn.Module = trainable(
            initial or build_separation_network(config), presence=self.presence is not None
        )
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.sampler = RemixSampler(
            sources,
            stems=self.data_stems,
            samples=(frames - 1) * config.stft.hop_length,
            config=remix,
            augment=augment,
            seed=seed,
        )
        weights = [loss.stems.get(stem, 1.0) for stem in config.stems]
        self.stem_weights = torch.tensor(weights)

    def batch(self, step: int, examples: range) -> Batch:
        """Return these examples of a step."""
        drawn = [self.sampler.example(step, place) for place in examples]
        grouped = [group_examples(example, self.groups) for example in drawn]
        return {
            "stems": torch.from_numpy(np.stack([example.stems for example in grouped])),
            "mixture": torch.from_numpy(np.stack([example.mixture for example in grouped])),
            "reliable": torch.from_numpy(np.stack([example.reliable for example in grouped])),
        }

    def sources(self, step: int, examples: range) -> Sequence[str]:
        """Return the names of the tracks that were drawn for these examples."""
        return self.sampler.sources(step, examples)

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the loss of the masked mixture against the stems, on the trained bins.

        Where presence is what is learned, it is `presence_loss`.
        """
        if self.presence:
            logits = network(network_input(self._spectrum(batch), self.config))
            weight, quiet_db = batch["reliable"], self.presence.quiet_db
            return presence_loss(logits, batch["stems"], weight, quiet_db)
        masks, mixture = self.masks(network, batch)
        return self.masks_loss(masks, mixture, batch)

    def masks(self, network: nn.Module, batch: Batch) -> tuple[Tensor, Planes]:
        """Return masks and the mixture's spectra, of the trained bins; see `separation_loss`."""
        spectrum = self._spectrum(batch)
        return network(network_input(spectrum, self.config)), planes(spectrum)

    def _spectrum(self, batch: Batch) -> Tensor:
        """Return the mixtures' spectra, of the trained bins."""
        return stft(batch["mixture"], self.config.stft)[..., : self.config.n_bins, :]

    def masks_loss(self, masks: Tensor, mixture: Planes, batch: Batch) -> Tensor:
        """Return the loss of masks against the stems of a batch."""
        stems = batch["stems"]
        spectrum = stft(stems, self.config.stft)
        return separation_loss(
            masks=masks,
            mixture=mixture,
            stems=stems,
            reference=planes(spectrum[..., : self.config.n_bins, :]),
            weight=batch["reliable"] * self.stem_weights.to(stems.device),
            config=self.loss_config,
            transform=self.config.stft,
        )

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
        weights = separator_in(network).state_dict()
        save_network(path, weights, self.config, card, half=True)

    def pictures(self, network: nn.Module) -> dict[str, NDArray[np.uint8]]:
        """Return each stem of the first validation track as spectrograms, estimated and true."""
        estimates, references, sample_rate = self._scored(network, self.valid[0])
        return {
            stem: spectrogram_pair(estimate=estimate, reference=reference, sample_rate=sample_rate)
            for stem, estimate, reference in zip(
                self.config.stems, estimates, references, strict=True
            )
        }

    @torch.no_grad()
    def _scored(
        self, network: nn.Module, track: Track
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
        """Return the estimate of a track, its reference and its sample rate."""
        device = next(network.parameters(), torch.empty(0)).device
        mixture = torch.from_numpy(track.mixed(0, track.samples))
        spectrum = stft(mixture, self.config.stft).to(device)
        masks = _masks_in_parts(separator_in(network), network_input(spectrum[None], self.config))
        if self.config.spatial:
            stems = filtered_stems(masks[None], spectrum[None])
        else:
            parts = masked_parts(masks[None], spectrum[None], sums_to_one=self.config.sums_to_one)
            stems = torch.cat(list(parts), dim=1)
        estimate = istft(stems[0], self.config.stft, length=mixture.shape[-1])
        return estimate.cpu().numpy(), self._reference(track), track.sample_rate

    def _reference(self, track: Track) -> NDArray[np.float32]:
        stems = track.whole(self.data_stems)
        return np.stack([stems[group].sum(0) for group in self.groups])

    def _check_scorable(self) -> None:
        # Found out now rather than at the first validation.
        truths = ((self._reference(track), track.sample_rate) for track in self.valid)
        scored = (frame_sdr(estimate=x, reference=x, sample_rate=rate) for x, rate in truths)
        if all(np.isnan(ratio).all() for ratio in scored):
            raise DatasetError(
                "nothing to score: in every second of the validation tracks a stem is "
                "silent; give other tracks"
            )


def _masks_in_parts(network: nn.Module, magnitude: Tensor) -> Tensor:
    """Return masks ``(stems, channels, freq, time)`` of ``(1, channels, freq, time)``."""
    time = magnitude.shape[-1]
    if time <= MOST_FRAMES:
        masks: Tensor = network(magnitude)[0]
        return masks
    parts = []
    for start in range(0, time, MOST_FRAMES):
        first = max(0, start - CONTEXT_FRAMES)
        seen = magnitude[..., first : start + MOST_FRAMES + CONTEXT_FRAMES]
        kept = network(seen)[0][..., start - first :][..., :MOST_FRAMES]
        parts.append(kept)
    return torch.cat(parts, dim=-1)


def _check_rates(tracks: Sequence[Track], sample_rate: int) -> None:
    for track in tracks:
        if track.sample_rate != sample_rate:
            raise DatasetError(
                f"'{track.name}' has {track.sample_rate} Hz, the network {sample_rate} Hz; "
                "convert one or the other"
            )


def _check_names(valid: Sequence[Track], learned: Collection[str]) -> None:
    for track in valid:
        if track.name in learned:
            raise DatasetError(
                f"validation track '{track.name}' is among the sources; exclude it there"
            )
