"""Waveforms -> the filters that map reference channels to estimates with the least squared error.

The distortion filters of BSSEval: the estimate is projected on the space that the references
span with all their delays up to a filter's length. Takes and gives float64 arrays of `Arrays`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemsep.evaluation.arrays import Arrays

__all__ = [
    "Correlations",
    "correlations",
    "excerpt",
    "independent_channels",
    "principal_axes",
    "projection_filters",
    "rotated",
]

GRAM_BLOCK = 1 << 20
"""Samples of which inner products are taken at a time."""

BLOCK = 8192
"""Samples in a transform of the correlations, at least; memory does not grow with the track."""

DEPENDENT = 1e-14
"""A channel with less than this part of its stem's energy counts as none: it is at -140 dB, where
the rounding of 32-bit floats is."""

PIVOT = 1e-12
"""A system with a smaller pivot is singular to rounding. Real music has pivots above 1e-7."""

RIDGES = (1e-14, 1e-11, 1e-8)
"""Added to the diagonal of the normalised system: the next where one leaves it singular."""

REFINEMENTS = 3
"""Steps of iterated regularisation: they take the ridge out again, null space excepted."""


@dataclass(frozen=True, kw_only=True)
class Correlations:
    """Inner products of delayed waveforms: ``[i, j, taps - 1 + d]`` is sum of x_i[n] x_j[n + d]."""

    references: Any
    """``(channels, channels, 2 taps - 1)``."""
    estimates: Any
    """References with estimates: ``(channels, estimate channels, 2 taps - 1)``."""


def principal_axes(arrays: Arrays, references: Any) -> Any:
    """Return the rotation of each stem's channels that makes them uncorrelated.

    Left and right of a stereo stem become, in the simplest case, their sum and difference. The
    small difference of a nearly mono stem is then a channel of its own instead of a tiny residue
    of two large ones, which rounding would drown; that of a mono stem is zero.

    Args:
        arrays: the array library.
        references: ``(stems, channels, samples)``.

    Returns:
        ``(stems, channels, channels)``, orthonormal columns.
    """
    stems, channels, samples = references.shape
    gram = np.zeros((stems, channels, channels))
    for start in range(0, samples, GRAM_BLOCK):
        block = excerpt(references, start, min(start + GRAM_BLOCK, samples))
        block = block.reshape(stems, channels, -1)
        gram += block @ block.swapaxes(1, 2)
    return arrays.put(np.linalg.eigh(gram)[1])


def rotated(waveforms: Any, axes: Any) -> Any:
    """Return waveforms in the axes of each stem: of the same shape, and the same energy."""
    stems, channels, _ = axes.shape
    turned = axes.swapaxes(1, 2) @ waveforms.reshape(stems, channels, -1)
    return turned.reshape(waveforms.shape)


def correlations(
    arrays: Arrays, *, estimates: Any, references: Any, axes: Any, taps: int
) -> Correlations:
    """Return the correlations of references with each other and with the estimates.

    All in the axes of each reference.

    Args:
        arrays: the array library.
        estimates: ``(stems, channels, samples)``, read block by block; zeros past its end.
        references: the same; its length is what counts.
        axes: of the references, from `principal_axes`.
        taps: delays reach from ``1 - taps`` to ``taps - 1``.
    """
    reach, samples = taps - 1, references.shape[-1]
    n_fft = max(BLOCK, 1 << (4 * taps - 1).bit_length())
    step = n_fft - 2 * reach
    channels = references.shape[0] * references.shape[1]
    spectrum: Any = 0
    for start in range(0, samples, step):
        low, high = start - reach, min(start + step, samples) + reach
        true, found = (
            rotated(arrays.put(excerpt(x, low, min(high, samples))), axes)
            for x in (references, estimates)
        )
        y = arrays.rfft(arrays.xp.concatenate([true, found]), n_fft)
        x = arrays.rfft(true[:, reach : reach + step], n_fft)
        spectrum = spectrum + x.conj()[:, None] * y[None]
    result = arrays.irfft(spectrum, n_fft)[..., : 2 * taps - 1]
    return Correlations(references=result[:, :channels], estimates=result[:, channels:])


def excerpt(waveforms: Any, start: int, stop: int) -> NDArray[np.float64]:
    """Return ``(stems * channels, stop - start)``, zeros before the first and past the last sample.

    Args:
        waveforms: ``(stems, channels, samples)``, an array or what can be sliced like one.
        start: sample, may be negative.
        stop: sample, may be beyond the end.
    """
    stems, channels, samples = waveforms.shape
    result = np.zeros((stems * channels, stop - start))
    low, high = max(start, 0), min(stop, samples)
    if low < high:
        piece = waveforms[..., low:high].reshape(stems * channels, high - low)
        result[:, low - start : high - start] = piece
    return result


def independent_channels(
    gram: NDArray[np.float64], stems: int
) -> tuple[list[int], NDArray[np.float64]]:
    """Return the channels that are not silent, and combinations of them that span them all.

    A channel in a stem's own axes without energy is the second one of a mono stem. Equal stems,
    or one that is a sum of others, make combinations without energy.

    Args:
        gram: inner products without delay of rotated channels, ``(channels, channels)``.
        stems: of so many stems.

    Returns:
        The channels, ``(kept,)``; and the combinations, ``(kept, rank)``: each of unit energy and,
        where the rank is lower, uncorrelated.
    """
    energy = gram.diagonal().reshape(stems, -1)
    strongest = np.repeat(energy.max(axis=1), energy.shape[1])
    kept = np.flatnonzero(energy.ravel() > DEPENDENT * strongest)
    scale = 1 / np.sqrt(gram[kept, kept])
    values, vectors = np.linalg.eigh(gram[np.ix_(kept, kept)] * scale[:, None] * scale)
    spans = values > DEPENDENT * len(kept)
    combined = np.eye(len(kept)) if spans.all() else vectors[:, spans] / np.sqrt(values[spans])
    return kept.tolist(), scale[:, None] * combined


def projection_filters(
    arrays: Arrays,
    found: Correlations,
    *,
    channels: list[int],
    combinations: NDArray[np.float64],
    targets: slice,
) -> tuple[Any, bool]:
    """Return the filters of least squared error, of least norm where many have it.

    Solves ``(G + r) x = d`` and then ``(G + r) y = d - G x`` for what the ridge r left over: this
    tends to the solution of least norm, whether G is singular or not, and does not depend on the
    order of the channels.

    Args:
        arrays: the array library.
        found: correlations of all reference channels.
        channels: those to project on.
        combinations: of these, that are independent, from `independent_channels`.
        targets: the channels of the estimates to project.

    Returns:
        Filters ``(channels, estimate channels, taps)``, and whether the system was singular to
        rounding.

    Reference: E. Vincent, R. Gribonval, C. Févotte, "Performance measurement in blind audio source
    separation", IEEE TASLP 14(4), 2006, section III; iterated Tikhonov regularisation:
    H. W. Engl, M. Hanke, A. Neubauer, "Regularization of Inverse Problems", 1996, section 5.1.
    """
    taps = (found.references.shape[-1] + 1) // 2
    basis = arrays.put(combinations)
    lags = arrays.xp.einsum("ia,ijl,jb->abl", basis, found.references[channels][:, channels], basis)
    right = arrays.xp.einsum(
        "ia,iel->ale", basis, found.estimates[channels][:, targets, taps - 1 :]
    ).reshape(len(lags) * taps, -1)
    factor, singular = _factor(arrays, lags, taps)
    solution = arrays.cholesky_solve(factor, right)
    for _ in range(REFINEMENTS):
        rest = right - _times(arrays, lags, solution, taps)
        solution = solution + arrays.cholesky_solve(factor, rest)
    filters = solution.reshape(len(lags), taps, -1)
    return arrays.xp.einsum("ia,ate->iet", basis, filters), singular


def _factor(arrays: Arrays, lags: Any, taps: int) -> tuple[Any, bool]:
    """Return the Cholesky factor of the system and whether that needed a larger ridge."""
    for ridge in RIDGES:
        factor = arrays.cholesky(_ridged(arrays, lags, taps, ridge))
        pivot = arrays.get(factor[np.arange(len(factor)), np.arange(len(factor))]).min() ** 2
        if pivot > PIVOT:
            break
    return factor, ridge > RIDGES[0]


def _ridged(arrays: Arrays, lags: Any, taps: int, ridge: float) -> Any:
    """Return the block-Toeplitz matrix of ``lags``, ``(channels * taps,) * 2``, plus the ridge."""
    delay = np.arange(taps)
    toeplitz = lags[:, :, delay[:, None] - delay[None, :] + taps - 1]
    size = len(lags) * taps
    matrix = arrays.contiguous(toeplitz.swapaxes(1, 2)).reshape(size, size)
    matrix[np.arange(size), np.arange(size)] += ridge
    return matrix


def _times(arrays: Arrays, lags: Any, vectors: Any, taps: int) -> Any:
    """Return the product of the block-Toeplitz matrix and ``(channels * taps, columns)``."""
    n_fft = 1 << (3 * taps - 1).bit_length()
    columns = vectors.shape[-1]
    signal = arrays.contiguous(vectors.reshape(len(lags), taps, columns).swapaxes(1, 2))
    spectrum = arrays.rfft(signal, n_fft)  # (channels, columns, freq)
    # out[i, t] = sum over j, s of lags[i, j, t - s] signal[j, s]: a convolution.
    product = (arrays.rfft(lags, n_fft)[:, :, None] * spectrum[None]).sum(1)
    out = arrays.irfft(product, n_fft)[..., taps - 1 : 2 * taps - 1]
    return arrays.contiguous(out.swapaxes(1, 2)).reshape(len(lags) * taps, columns)
