"""Waveforms -> the filters that map references to estimates with the least squared error.

These are the distortion filters of BSSEval: the estimate is projected on the space that the
references span with all their delays up to a filter's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemsep.evaluation.arrays import Arrays
from stemsep.evaluation.toeplitz import solve_block_toeplitz
from stemsep.evaluation.waveforms import Waveforms, excerpt

__all__ = ["Filters", "Sums", "fit_filters", "is_each"]

DEPENDENT = 1e-14
"""A channel with less than this part of its stem's energy counts as none: it is at -140 dB, where
the rounding of 32-bit floats is."""

BLOCK = 8192
"""Samples in a transform of the correlations, at least."""

BLOCKS = 8
"""Of these are transformed at a time, so that memory does not grow with the track."""


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Targets that are scored together, each a sum of stems.

    Args:
        estimates: which estimates make up which target, ``(targets, stems)``, ones and zeros.
        references: the same of the true stems.
    """

    estimates: NDArray[np.float64]
    references: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Impulse responses from the channels of all true stems to those of a group's estimates."""

    sums: Sums
    """The group."""
    own: Any
    """From each target to its own estimate, ``(channels, target channels, taps)``."""
    joint: Any
    """From all targets to all estimates, ``(channels, target channels, taps)``."""
    singular: bool
    """Some targets are combinations of others."""


def is_each(mix: NDArray[np.float64]) -> bool:
    """Return whether each target is one stem, in order, so that there is nothing to add."""
    return np.array_equal(mix, np.eye(mix.shape[1]))


def fit_filters(
    arrays: Arrays,
    *,
    estimates: Waveforms,
    references: Waveforms,
    groups: Sequence[Sums],
    taps: int,
) -> list[Filters | None]:
    """Return the filters of a track for each group, or None where a target is zero throughout.

    Where targets depend on each other, many filters project alike: those of least norm are
    given, so that the order of the stems does not matter.

    Args:
        arrays: the array library.
        estimates: ``(stems, channels, samples)``, zeros past its end.
        references: the same; its length is what counts.
        groups: what is scored together.
        taps: length of a filter.

    Reference: E. Vincent, R. Gribonval, C. Févotte, "Performance measurement in blind audio source
    separation", IEEE TASLP 14(4), 2006, section III.
    """
    axes = _principal_axes(arrays, references)
    true, found = _correlations(
        arrays, estimates=estimates, references=references, axes=axes, taps=taps
    )
    turn = _block_diagonal(arrays, axes)
    return [_fit_group(arrays, group, true, found, turn, len(axes[0])) for group in groups]


def _fit_group(
    arrays: Arrays, group: Sums, true: Any, found: Any, turn: Any, channels: int
) -> Filters | None:
    """Return the filters of a group's targets, whose correlations are sums of the stems'.

    Args:
        arrays: the array library.
        group: the targets.
        true: correlations of the rotated true stems.
        found: those with the estimates.
        turn: the rotation of the true stems.
        channels: of a stem.
    """
    einsum, middle = arrays.xp.einsum, true.shape[-1] // 2
    truth, guess = (
        arrays.put(np.kron(mix, np.eye(channels))) for mix in (group.references, group.estimates)
    )
    plain = truth @ turn  # rotated stems -> targets
    gram = plain @ true[..., middle] @ plain.T
    count = len(group.references)
    parts = [slice(i * channels, (i + 1) * channels) for i in range(count)]
    own_grams = np.stack([arrays.get(gram[p, p]) for p in parts])
    if (np.trace(own_grams, axis1=1, axis2=2) <= 0).any():
        return None
    axes = _block_diagonal(arrays, arrays.put(np.linalg.eigh(own_grams)[1]))
    basis = axes.T @ plain  # rotated stems -> rotated targets
    true = einsum("ai,ijl,bj->abl", basis, true, basis)
    found = einsum("ai,ijl,bj->abl", basis, found, guess)
    stack = arrays.xp.stack
    own, _ = _least_squares(
        arrays, stack([true[p, p] for p in parts]), stack([found[p, p] for p in parts]), stems=1
    )
    joint, singular = _least_squares(arrays, true[None], found[None], stems=count)
    apart = arrays.xp.zeros_like(joint[0])
    for part, filters in zip(parts, own, strict=True):
        apart[part, part] = filters
    back = truth.T @ axes  # rotated targets -> stems
    return Filters(
        sums=group,
        own=einsum("ia,abl->ibl", back, apart),
        joint=einsum("ia,abl->ibl", back, joint[0]),
        singular=singular,
    )


def _block_diagonal(arrays: Arrays, blocks: Any) -> Any:
    """Return ``(n * m, n * m)`` of ``(n, m, m)``."""
    count, size, _ = blocks.shape
    whole = arrays.put(np.zeros((count * size, count * size)))
    for i, block in enumerate(blocks):
        whole[i * size : (i + 1) * size, i * size : (i + 1) * size] = block
    return whole


def _principal_axes(arrays: Arrays, references: Waveforms) -> Any:
    """Return the axes in which each stem's channels are uncorrelated, ``(stems, m, m)``.

    Left and right of a stereo stem become, in the simplest case, their sum and difference. The
    small difference of a nearly mono stem is then a channel of its own instead of a tiny residue
    of two large ones, which rounding would drown; that of a mono stem is zero.
    """
    samples = references.shape[-1]

    def gram(start: int) -> NDArray[np.float64]:
        piece = excerpt(references, start, min(start + BLOCK * BLOCKS, samples))
        return np.asarray(piece @ piece.swapaxes(1, 2))

    total = sum(arrays.over(gram, range(0, samples, BLOCK * BLOCKS)))
    return arrays.put(np.linalg.eigh(total)[1])


def _correlations(
    arrays: Arrays, *, estimates: Waveforms, references: Waveforms, axes: Any, taps: int
) -> tuple[Any, Any]:
    """Return the inner products of delayed references with each other, and with the estimates.

    Each ``(channels, channels, 2 taps - 1)``: ``[i, j, taps - 1 + d]`` is the sum of
    ``x_i[n] y_j[n + d]`` over n, with references in rotated axes.
    """
    xp, reach, samples = arrays.xp, taps - 1, references.shape[-1]
    channels = references.shape[0] * references.shape[1]
    n_fft = max(BLOCK, 1 << (4 * taps - 1).bit_length())
    step = n_fft - 2 * reach

    def spectrum(start: int) -> Any:
        blocks = min(BLOCKS, -(-(samples - start) // step))
        low, high = start - reach, start + blocks * step + reach
        truth, guess = (
            arrays.put(excerpt(w, low, high, end=samples)) for w in (references, estimates)
        )
        turned = xp.concatenate([axes.swapaxes(1, 2) @ truth, guess]).reshape(-1, high - low)
        outer = arrays.frames(turned, n_fft, step)
        inner = outer[:channels, :, reach : reach + step]
        return _frequency_first(arrays, inner, n_fft).conj() @ _frequency_first(
            arrays, outer, n_fft
        ).swapaxes(1, 2)

    total = sum(arrays.over(spectrum, range(0, samples, step * BLOCKS)))
    lags = xp.fft.irfft(xp.moveaxis(total, 0, -1), n_fft)[..., : 2 * taps - 1]
    return lags[:, :channels], lags[:, channels:]


def _frequency_first(arrays: Arrays, frames: Any, n_fft: int) -> Any:
    """Return the spectra ``(freq, channels, frames)`` of ``(channels, frames, samples)``."""
    return arrays.contiguous(arrays.xp.moveaxis(arrays.xp.fft.rfft(frames, n_fft), -1, 0))


def _least_squares(arrays: Arrays, true: Any, found: Any, *, stems: int) -> tuple[Any, bool]:
    """Return the filters of least squared error and norm, and whether references are dependent.

    Args:
        arrays: the array library.
        true: correlations of references, ``(systems, channels, channels, 2 taps - 1)``.
        found: correlations of references with estimates, the same shape.
        stems: in each system.
    """
    taps = (true.shape[-1] + 1) // 2
    basis = np.stack([_basis(gram, stems) for gram in arrays.get(true[..., taps - 1])])
    missing = (basis == 0).all(axis=1)
    on = arrays.put(basis)
    lags = arrays.xp.einsum("zia,zijl,zjb->zabl", on, true, on)
    # A channel that is missing becomes an equation of its own, with the solution zero.
    lags[..., taps - 1] += arrays.put(missing[:, None] * np.eye(missing.shape[1]))
    right = arrays.xp.einsum("zia,ziel->zael", on, found[..., taps - 1 :])
    solution, singular = solve_block_toeplitz(arrays, lags, right)
    return arrays.xp.einsum("zia,zael->ziel", on, solution), singular or bool(missing.any())


def _basis(gram: NDArray[np.float64], stems: int) -> NDArray[np.float64]:
    """Return combinations of channels that span what all channels span, zero where too many.

    A channel in a stem's own axes without energy is the second one of a mono stem. Equal stems,
    or one that is a sum of others, make combinations without energy.

    Args:
        gram: inner products without delay in rotated axes, ``(channels, channels)``.
        stems: of so many stems.

    Returns:
        ``(channels, combinations)``, each of unit energy and, where there are fewer than channels,
        uncorrelated.
    """
    energy = gram.diagonal().reshape(stems, -1)
    kept = np.flatnonzero(energy > DEPENDENT * energy.max(axis=1, keepdims=True))
    basis = np.zeros_like(gram)
    basis[kept, kept] = 1 / np.sqrt(gram[kept, kept])
    values, vectors = np.linalg.eigh((basis.T @ gram @ basis)[np.ix_(kept, kept)])
    spans = values > DEPENDENT * len(kept)
    if not spans.all():
        basis[np.ix_(kept, kept)] = basis[kept, kept][:, None] * vectors * spans
        basis[:, kept[spans]] /= np.sqrt(values[spans])
    return basis
