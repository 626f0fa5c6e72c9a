"""Trained networks as teachers: a mixture -> stems for another network to learn from.

Reference: for labels of unlabelled songs, the semi-supervised training of Y. Luo, J. Yu, "Music
source separation with band-split RNN", 2022 (arXiv 2209.15174), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from stemsep.dsp import istft, stft
from stemsep.errors import ParameterError, RecipeError, check_choices
from stemsep.models import SeparationNetwork, network_input

__all__ = ["Teacher", "TeacherConfig"]

SILENCE = 1e-8


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """Whom to learn from besides the true stems, and how.

    Args:
        models: checkpoints, names or files; of several, the mean of their masks. None: no teacher.
        weight: share of the loss that is the teacher's where the true stems are known; where they
            are not, it is the whole loss.
        targets: ``soft``: each stem has its share of a bin; ``hard``: the surest stem has it all.
        confidence: stems of which the teacher is less sure are not learned from. How sure it is of
            a stem is the mean of its mask, each bin counting by the energy that the mask lets
            through: 1 where all of it is this stem's alone.

    Raises:
        ParameterError: a value out of range.
    """

    models: tuple[str, ...] = ()
    weight: float = 0.5
    targets: Literal["soft", "hard"] = "soft"
    confidence: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "models", tuple(self.models))
        check_choices(self)
        for name in ("weight", "confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise ParameterError(f"{name} = {getattr(self, name)}: it must be from 0 to 1")


class Teacher:
    """Networks that label mixtures.

    Args:
        networks: one or more, of one transform and sample rate.
        stems: names of the stems to give, in order.
        sample_rate: of the mixtures, Hz.
        config: how.

    Raises:
        RecipeError: a network has other stems, another sample rate or another transform.
    """

    def __init__(
        self,
        networks: Sequence[SeparationNetwork],
        *,
        stems: Sequence[str],
        sample_rate: int,
        config: TeacherConfig,
    ) -> None:
        first = networks[0].config
        for network in networks:
            if set(network.config.stems) != set(stems) or network.config.sample_rate != sample_rate:
                raise RecipeError(
                    f"a teacher separates {', '.join(network.config.stems)} at "
                    f"{network.config.sample_rate} Hz, the student {', '.join(stems)} at "
                    f"{sample_rate} Hz: they must be the same"
                )
            if network.config.stft != first.stft:
                raise RecipeError("teachers with different transforms: give networks of one")
        self.networks = [network.eval().requires_grad_(False) for network in networks]
        self.orders = [[n.config.stems.index(stem) for stem in stems] for n in networks]
        self.transform, self.config = first.stft, config

    @torch.no_grad()
    def stems(self, mixture: Tensor) -> tuple[Tensor, Tensor]:
        """Return stems ``(batch, stems, 2, samples)``, and 1 or 0 ``(batch, stems)``: sure or not.

        Args:
            mixture: ``(batch, 2, samples)``.
        """
        spectrum = stft(mixture, self.transform)
        given = [
            network.to(mixture.device)(network_input(spectrum, network.config))[:, order]
            for network, order in zip(self.networks, self.orders, strict=True)
        ]
        masks = torch.stack(given).mean(0)  # (batch, stems, channels, freq, time)
        sure = _sureness(masks.abs(), spectrum.abs()) >= self.config.confidence
        if self.config.targets == "hard":
            surest = masks.abs().argmax(1, keepdim=True)
            masks = torch.zeros_like(masks.abs()).scatter_(1, surest, 1.0)
        stems = istft(masks * spectrum[:, None], self.transform, length=mixture.shape[-1])
        return stems, sure.to(mixture.dtype)


def _sureness(masks: Tensor, magnitude: Tensor) -> Tensor:
    """Return the mean of each mask, weighted by the energy it lets through: ``(batch, stems)``."""
    passed = masks * magnitude.square()[:, None]
    total = passed.sum((2, 3, 4))
    # A stem that is not there is one that nothing can be got wrong about.
    mean = (masks * passed).sum((2, 3, 4)) / (total + SILENCE)
    return torch.where(total > SILENCE, mean, torch.ones_like(mean))
