"""Masks -> stems, told apart by where they lie in stereo as well.

A mask takes its share of a bin in each channel, whatever the two channels have to do with each
other. But a stem mostly lies somewhere: its left and its right are alike, or of opposite sign, or
one is silent. The masks say where each stem lies at each frequency, and that is applied to the
mixture again: the multichannel Wiener filter, with the masks themselves as the stems' powers.

References:
    N. Duong, E. Vincent, R. Gribonval, "Under-determined reverberant audio source separation using
    a full-rank spatial covariance model", IEEE TASLP 18(7), 2010: the model and the filter.
    There, as in `stemsep.dsp.wiener`, a stem's power is that of its estimate; the share of the
    mixture that its mask is, is softer: where stems lie alike, the filter is the mask.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from stemsep.dsp.checks import check_masks
from stemsep.dsp.planes import Planes, planes

__all__ = ["spatial_filter"]

DIFFUSE = 0.01
"""Of each stem's power, what comes from everywhere: a stem is never quite at one place."""
TINY = 1e-20
"""A power that no bin has: in silence all stems share alike, and lie nowhere."""
LEARNED = 2
"""Of so many frames one is learned from (is in sum_t below): windows overlap."""
FILTERED = 4
"""Only the lowest of so many parts of the frequencies is filtered, up to 5.5 kHz at 44.1 kHz: above
there is too little power for any score to tell, and most of the work."""
FRAMES_AT_ONCE = 32
"""What is computed with so many frames stays in a processor's cache, and is little."""


class _Spatial(NamedTuple):
    """Hermitian 2 x 2 matrices: left with left, right with right, left with right."""

    left: Tensor
    right: Tensor
    cross: Planes


def spatial_filter(masks: Tensor, mixture: Tensor, *, frames: slice = slice(None)) -> Tensor:
    """Return stems that sum to the mixture, filtered by where their masks say that they lie.

    For each stem j with the mask m_j of the mixture x, both of two channels c::

        s_j(f, t) = sum_c m_j |x|^2 / sum_c |x|^2               share of the power
        C_j(f)    = sum_t s_j^2 x x^H                           covariance of the channels of s_j x
        R_j(f)    = 2 C_j / trace(C_j) + DIFFUSE I
        y_j(f, t) = s_j R_j (sum_k s_k R_k)^-1 x

    Above the lowest ``1 / FILTERED`` of the frequencies y_j = m_j x.

    Args:
        masks: ``(batch, stems, 2, freq, time)``, real, of sum 1 over the stems.
        mixture: ``(batch, 2, freq, time)``, complex.
        frames: which to return; where stems lie is learned from all of them.

    Returns:
        ``(batch, stems, 2, freq, time)``, complex, of ``frames``.

    Raises:
        ParameterError: complex masks, or shapes that do not fit.
    """
    check_masks(masks, mixture, channels=2)
    # From here on all is (…, time, freq): frames lie together.
    masks, mixture = masks.mT, mixture.mT
    low = mixture.shape[-1] // FILTERED + 1
    shares = masks.new_empty(*masks.shape[:2], mixture.shape[-2], low)
    for share, mask, mix in _in_parts(shares, masks[..., :low], mixture[..., :low]):
        share.copy_(_shares(mask, _planes(mix)))
    spatial = _learned(shares[..., ::LEARNED, :], _planes(mixture[..., ::LEARNED, :low]))
    masks, shares, mixture = (each[..., frames, :] for each in (masks, shares, mixture))
    stems = mixture.new_empty(masks.shape)
    for stem, mask, share, mix in _in_parts(stems, masks, shares, mixture):
        filtered = _filtered(share, _planes(mix[..., :low]), spatial)
        stem[..., :low] = torch.complex(*filtered)
        torch.mul(mix[:, None, ..., low:], mask[..., low:], out=stem[..., low:])
    return stems.mT


def _planes(frames: Tensor) -> Planes:
    return Planes(*(plane.mT for plane in planes(frames.mT)))


def _in_parts(*tensors: Tensor) -> Iterable[tuple[Tensor, ...]]:
    """Return tensors a few frames at a time."""
    return zip(*(torch.split(tensor, FRAMES_AT_ONCE, -2) for tensor in tensors), strict=True)


def _channels(mixture: Planes) -> tuple[Planes, Planes]:
    """Return left and right, ``(batch, 1, time, freq)`` each."""
    left, right = (Planes(*(plane[:, c : c + 1] for plane in mixture)) for c in (0, 1))
    return left, right


def _power(channel: Planes) -> Tensor:
    return channel.real.square() + channel.imaginary.square()


def _shares(masks: Tensor, mixture: Planes) -> Tensor:
    """Return each stem's share of the power, ``(batch, stems, time, freq)``."""
    left, right = map(_power, _channels(mixture))
    power = torch.addcmul(masks[:, :, 0] * left, masks[:, :, 1], right) + TINY
    return power / power.sum(1, keepdim=True)


def _learned(shares: Tensor, mixture: Planes) -> _Spatial:
    """Return where the stems lie, each ``(batch, stems, 1, freq)``."""
    left, right = _channels(mixture)
    products = [
        _power(left),
        _power(right),
        left.real * right.real + left.imaginary * right.imaginary,
        left.imaginary * right.real - left.real * right.imaginary,
    ]
    weight = shares.square()
    sums = [(weight * product).sum(-2, keepdim=True) for product in products]
    level = (sums[0] + sums[1]) / 2 + TINY
    lefts, rights, *cross = (each / level for each in sums)
    return _Spatial(lefts + DIFFUSE, rights + DIFFUSE, Planes(*cross))


def _filtered(shares: Tensor, mixture: Planes, spatial: _Spatial) -> Planes:
    """Return the stems ``(batch, stems, 2, time, freq)``."""
    a, d, b = spatial
    first, second = _whitened(shares, mixture, spatial)
    stems = []
    for part, other, sign in ((0, 1, -1), (1, 0, 1)):  # real parts, then imaginary ones
        turned = sign * b.imaginary
        left = torch.addcmul(a * first[part], b.real, second[part])
        left = torch.addcmul(left, turned, second[other])
        right = torch.addcmul(d * second[part], b.real, first[part])
        right = torch.addcmul(right, -turned, first[other])
        stems.append(torch.stack([shares * left, shares * right], dim=2))
    return Planes(*stems)


def _whitened(shares: Tensor, mixture: Planes, spatial: _Spatial) -> tuple[Planes, Planes]:
    """Return ``(sum_k s_k R_k)^-1 x``, its two channels ``(batch, 1, time, freq)`` each."""
    (a, d, b), (left, right) = spatial, _channels(mixture)
    a, d, real, imaginary = ((shares * x).sum(1, keepdim=True) for x in (a, d, *b))
    scale = 1 / (a * d - real.square() - imaginary.square())
    first = Planes(
        (d * left.real - real * right.real + imaginary * right.imaginary) * scale,
        (d * left.imaginary - real * right.imaginary - imaginary * right.real) * scale,
    )
    second = Planes(
        (a * right.real - real * left.real - imaginary * left.imaginary) * scale,
        (a * right.imaginary - real * left.imaginary + imaginary * left.real) * scale,
    )
    return first, second
