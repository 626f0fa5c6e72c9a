"""What the filters on masks take, checked in one place."""

from __future__ import annotations

from torch import Tensor

from stemsep.errors import ParameterError

__all__ = ["check_masks"]


def check_masks(masks: Tensor, mixture: Tensor, *, channels: int | None = None) -> None:
    """Refuse masks that are not ``(batch, stems, channels, freq, time)``, real, for a mixture.

    Args:
        masks: of the stems.
        mixture: ``(batch, channels, freq, time)``.
        channels: how many there must be; None: any number.

    Raises:
        ParameterError: complex masks, or shapes that do not fit.
    """
    fitting = masks.ndim == 5 and masks[:, 0].shape == mixture.shape and not masks.is_complex()
    if not fitting or channels not in (None, mixture.shape[1]):
        axes = f"{channels or 'channels'}, freq, time"
        raise ParameterError(
            f"{masks.dtype} masks {tuple(masks.shape)} do not fit the mixture "
            f"{tuple(mixture.shape)}: give real (batch, stems, {axes}) and (batch, {axes})"
        )
