"""Learning which stems are heard at all: the only part of a network that changes is `Presence`.

What masks are right for a song says little about that: in most excerpts of songs all stems are
heard. It is learned by itself, in a second run, from excerpts of which many are of some stems
alone; the network that makes the masks stays as it is, and so do its scores.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

from stemsep.errors import ParameterError
from stemsep.models import MaskNetwork

__all__ = ["HeardStems", "PresenceConfig", "presence_loss"]

TINY = 1e-10


@dataclass(frozen=True, kw_only=True)
class PresenceConfig:
    """How it is learned which stems are heard.

    Args:
        width: of the part of the network that tells; 0: masks are learned, not this.
        quiet_db: a stem so far below the sum of all in an excerpt counts as not heard.

    Raises:
        ParameterError: a value out of range.
    """

    width: int = 0
    quiet_db: float = 35.0

    def __post_init__(self) -> None:
        if self.width < 0 or not 0 < self.quiet_db <= 100:
            raise ParameterError(
                f"width = {self.width}, quiet_db = {self.quiet_db}: give a width of 0 or more and "
                "a level of up to 100 dB"
            )


class HeardStems(nn.Module):
    """A network as it learns which stems are heard; all but that is as in evaluation, and fixed.

    Args:
        network: with ``presence``; in place, its other weights are no longer trained.
    """

    def __init__(self, network: MaskNetwork) -> None:
        super().__init__()
        self.network = network.requires_grad_(False)
        self.network.unet.presence.requires_grad_(True)

    def train(self, mode: bool = True) -> HeardStems:
        """Set the mode of what is learned."""
        super().train(mode)
        self.network.eval()
        self.network.unet.presence.train(mode)
        return self

    def forward(self, magnitude: Tensor) -> Tensor:
        """Return the logits of the probabilities that stems are heard, ``(batch, stems)``.

        Args:
            magnitude: ``(batch, n_features, freq, time)`` of the trained bins.
        """
        return self.network.unet.heard(magnitude)


def presence_loss(logits: Tensor, stems: Tensor, weight: Tensor, quiet_db: float) -> Tensor:
    """Return the cross entropy of what is said to be heard and what is, the mean of the stems.

    Args:
        logits: ``(batch, stems)``.
        stems: true waveforms ``(batch, stems, channels, samples)``.
        weight: ``(batch, stems)``: 0 for a stem that is not to be learned from.
        quiet_db: see `PresenceConfig`.
    """
    power = stems.square().sum((2, 3))
    heard = power > 10 ** (-quiet_db / 10) * power.sum(1, keepdim=True) + TINY
    return functional.binary_cross_entropy_with_logits(logits, heard.to(logits.dtype), weight)
