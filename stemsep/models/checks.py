"""Checks that the configurations of all networks that separate share."""

from __future__ import annotations

from collections.abc import Iterable

from stemsep.dsp import STFTConfig
from stemsep.errors import ParameterError

__all__ = ["check_bins", "check_sample_rate", "checked_stems"]


def checked_stems(stems: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the stems as a tuple.

    Raises:
        ParameterError: there is none, or two have the same name.
    """
    names = tuple(stems)
    if not names or len(set(names)) != len(names):
        raise ParameterError(f"stems = {names}: give one or more, each with its own name")
    return names


def check_sample_rate(sample_rate: int) -> None:
    """Make sure that there is a rate.

    Raises:
        ParameterError: it is below 1 Hz.
    """
    if sample_rate < 1:
        raise ParameterError(f"sample_rate = {sample_rate}: it must be 1 Hz or more")


def check_bins(n_bins: int, sample_rate: int, stft: STFTConfig) -> None:
    """Make sure that a published network sees bins that there are, of sound that there is.

    Raises:
        ParameterError: a rate or a number of bins out of range.
    """
    if sample_rate < 1 or not 1 <= n_bins <= stft.n_freq:
        raise ParameterError(
            f"sample_rate = {sample_rate} Hz and n_bins = {n_bins}: they must be 1 or more, and "
            f"the STFT has {stft.n_freq} bins"
        )
