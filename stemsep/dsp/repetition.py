"""Masks -> masks that agree wherever the song repeats itself.

Music repeats: a note, a chord, a beat comes again, while what is played beside it changes. What a
network takes such a sound for differs a little each time, and the mean of all times is nearer to
the truth than any one of them. Which frames sound alike is found in the mixture, in narrow bands
of frequencies, each for itself: a bass note comes again below another chord.

References:
    Z. Rafii, B. Pardo, "Music/voice separation using the similarity matrix", ISMIR 2012: frames
    that are alike, wherever they are.
    A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image denoising", CVPR 2005: the
    mean weighted by how much alike the surroundings are.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from stemsep.dsp.checks import check_masks

__all__ = ["repeated_masks"]

FILTERED = 16
"""Only the lowest of so many parts of the frequencies, up to 1.4 kHz at 44.1 kHz: there most notes
are, and most of the power; twice as many bins are twice the work for less than 0.01 dB."""
BAND = 8
"""Bins (86 Hz) that are compared, with those of the frames before and after."""
LOUDNESS = 100.0
"""Frames are compared by ``log(1 + 100 x)`` of magnitudes beside that of the loud bins."""
LIKENESS = 0.35
"""How far apart, root mean square of these, frames are that hardly count as alike."""
CROWD = 8
"""Where so many frames are alike, those that count have to be twice as much so."""
SPAN = 1024
"""Frames (24 s) that are searched for what is alike: the work grows with their square."""
TINY = 1e-20


def repeated_masks(masks: Tensor, mixture: Tensor) -> Tensor:
    """Return masks that are means over the frames that sound alike, weighted by their power.

    With ``L = log(1 + LOUDNESS x)`` of the magnitudes x, mean of the channels, beside their level,
    for the bins of a band B and all frames t and u of the span::

        d(t, u)    = mean over f in B and i in -1, 0, 1 of (L(f, t + i) - L(f, u + i))^2
        n(t)       = sum over u other than t, and not silent, of exp(-d(t, u) / LIKENESS^2)
        w(t, u)    = exp(-(1 + n(t) / CROWD) d(t, u) / LIKENESS^2)
        M_jc(f, t) = sum_u w m_jc(f, u) |x_c(f, u)|^2 / sum_u w |x_c(f, u)|^2

    Above the lowest ``1 / FILTERED`` of the frequencies, in whole bands, masks stay as they are.

    Args:
        masks: ``(batch, stems, channels, freq, time)``, real.
        mixture: ``(batch, channels, freq, time)``, complex.

    Returns:
        As ``masks``, of the same sum over the stems.

    Raises:
        ParameterError: complex masks, or shapes that do not fit.
    """
    check_masks(masks, mixture)
    low = mixture.shape[-2] // FILTERED // BAND * BAND
    if not low:
        return masks
    result = masks.mT.clone()
    # From here on all is (…, time, freq): frames lie together.
    for item, mix in zip(result[..., :low], mixture.mT[..., :low], strict=True):
        for mask, part in zip(item.split(SPAN, -2), mix.split(SPAN, -2), strict=True):
            mask.copy_(_means(mask, part.abs()))
    return result.mT


def _means(masks: Tensor, magnitude: Tensor) -> Tensor:
    """Return masks ``(stems, channels, time, freq)`` of one span, each a mean over its frames."""
    power = magnitude.square() + TINY
    heard = torch.cat([masks * power, power[None]])  # (stems + 1, channels, time, freq)
    # Of each band one matrix: (bands, time, stems + 1, channels, freq of a band)
    rows = torch.unflatten(heard, -1, (-1, BAND)).permute(3, 2, 0, 1, 4)
    loudness = torch.split(_loudness(magnitude.mean(0)), BAND, -1)
    sums = torch.stack(
        [_weights(loud) @ frames for loud, frames in zip(loudness, rows.flatten(2), strict=True)]
    ).view(rows.shape)
    means = sums[:, :, :-1] / sums[:, :, -1:]
    return means.permute(2, 3, 1, 0, 4).flatten(-2)


def _loudness(magnitude: Tensor) -> Tensor:
    """Return the logarithm of magnitudes beside their own mean, weighted by themselves."""
    # Silence around a song leaves this level as it is.
    level = magnitude.square().sum() / (magnitude.sum() + TINY)
    return torch.log1p(LOUDNESS / (level + TINY) * magnitude)


def _weights(loudness: Tensor) -> Tensor:
    """Return what each frame counts for each, ``(time, time)``, of a band ``(time, freq)``."""
    # (time, frames beside each other * freq)
    around = functional.pad(loudness, (0, 0, 1, 1)).unfold(0, 3, 1).flatten(1)
    around = around / (LIKENESS * around.shape[1] ** 0.5)
    # Minus the squared distances, as one product: 2 xy - xx - yy.
    energy, ones = around.square().sum(1, keepdim=True), torch.ones_like(around[:, :1])
    left = torch.cat([2 * around, energy, ones], 1)
    likeness = (left @ torch.cat([around, -ones, -energy], 1).T).clamp_(max=0)
    # Silence, which a chunk of a song is filled up with, is no crowd.
    audible = loudness.amax(1, keepdim=True) > 0
    others = (likeness.exp() @ audible.to(likeness.dtype) - 1).clamp_(min=0)
    return likeness.mul_(1 + others / CROWD).exp_()
