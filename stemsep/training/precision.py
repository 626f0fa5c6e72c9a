"""Which numbers a network is trained in, on the hardware that is there."""

from __future__ import annotations

from typing import Literal

import torch

from stemsep.separation.device import cpu_has_bf16

__all__ = ["autocast", "has_bf16", "usable_precision"]

Precision = Literal["fp32", "bf16", "fp16"]


def has_bf16(device: torch.device) -> bool:
    """Return whether a device computes in bf16 itself, rather than by way of fp32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and cpu_has_bf16()


def usable_precision(asked: Precision, device: torch.device) -> Precision:
    """Return the precision asked for, or fp32 for bf16 on a device without it."""
    return "fp32" if asked == "bf16" and not has_bf16(device) else asked


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """Return the context that a forward pass runs in."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "fp32")
