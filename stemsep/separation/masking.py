"""Masks x mixture spectrum -> stem spectra, and stems that together are the mixture."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from stemsep.dsp import repeated_masks, spatial_filter

__all__ = ["apply_masks", "consistent_parts", "filtered_stems", "masked_parts"]

SILENCE = 1e-12
"""Energy below which a bin counts as silent in every stem: then all share alike."""


def apply_masks(masks: Tensor, mixture: Tensor) -> Tensor:
    """Return stem spectra ``(batch, stems, channels, freq, time)``, complex.

    Args:
        masks: ``(batch, stems, channels, freq, time)``, real or complex.
        mixture: ``(batch, channels, freq, time)``, complex.
    """
    # In this order the result takes the memory layout of the mixture, whose frames lie together:
    # the inverse transform, which reads them, is then three times as fast.
    return mixture[:, None] * masks


def filtered_stems(masks: Tensor, mixture: Tensor, *, frames: slice = slice(None)) -> Tensor:
    """Return stems that sum to the mixture, of masks that agree wherever the song repeats itself.

    The filter is `stemsep.dsp.spatial_filter`, the masks are `stemsep.dsp.repeated_masks`.

    Args:
        masks: ``(batch, stems, 2, freq, time)``, real, of sum 1 over the stems.
        mixture: ``(batch, 2, freq, time)``, complex.
        frames: which to return; repetitions and places are learned from all of them.

    Returns:
        ``(batch, stems, 2, freq, time)``, complex, of ``frames``.
    """
    return spatial_filter(repeated_masks(masks, mixture), mixture, frames=frames)


def masked_parts(masks: Tensor, mixture: Tensor, *, sums_to_one: bool) -> Iterator[Tensor]:
    """Return stem spectra that sum to the mixture, one stem at a time: those of all are large.

    Args:
        masks: ``(batch, stems, channels, freq, time)``, real or complex.
        mixture: ``(batch, channels, freq, time)``, complex.
        sums_to_one: whether the masks of a bin do; if not, `consistent_parts` sees to it.

    Returns:
        Of ``(batch, 1, channels, freq, time)``, complex.
    """
    if not sums_to_one:
        return consistent_parts(apply_masks(masks, mixture), mixture)
    return (apply_masks(mask, mixture) for mask in torch.split(masks, 1, dim=1))


def consistent_parts(stems: Tensor, mixture: Tensor) -> Iterator[Tensor]:
    """Yield stem spectra that sum to the mixture: what they lack is shared by energy.

    Masks that sum to one (softmax over the stems) need no such step.

    Args:
        stems: ``(batch, stems, channels, freq, time)``, complex.
        mixture: ``(batch, channels, freq, time)``, complex.

    Yields:
        ``(batch, 1, channels, freq, time)``, complex: in little memory beside theirs.

    Reference: S. Wisdom et al., "Differentiable consistency constraints for improved deep speech
    enhancement", ICASSP 2019 (arXiv 1811.08521), equation 7 with weights by energy.
    """
    energies = [torch.view_as_real(stem).square().sum(-1) for stem in stems.unbind(1)]
    total = torch.stack(energies).sum(0) + len(energies) * SILENCE
    share = (mixture - stems.sum(1)) / total  # of the residue, for each unit of energy
    for stem, energy in zip(stems.unbind(1), energies, strict=True):
        yield (stem + (energy + SILENCE) * share)[:, None]
