"""The settings of the training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stemsep.errors import ParameterError, check_choices

__all__ = ["TrainConfig"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What the loop does, whatever is trained.

    Args:
        steps: optimizer steps in all; the learning rate has fallen to zero at the last.
        batch_size: examples a step.
        learning_rate: of AdamW, at its highest.
        warmup_steps: the rate rises linearly over these, then falls along a cosine.
        weight_decay: of AdamW.
        clip_norm: gradients are scaled down to this norm.
        ema: decay of the moving average of the weights, which is what is scored and kept.
        precision: ``bf16`` runs the network under autocast.
        validate_every: steps between validations.
        save_minutes: minutes between writings of the state that a resumed run starts from.
        seed: of everything random.

    Raises:
        ParameterError: a value out of range.
    """

    steps: int = 4000
    batch_size: int = 8
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    ema: float = 0.999
    precision: Literal["fp32", "bf16"] = "fp32"
    validate_every: int = 250
    save_minutes: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("steps", "batch_size", "validate_every"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} = {getattr(self, name)}: it must be 1 or more")
        for name in ("learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ParameterError(f"{name} = {getattr(self, name)}: it must be above 0")
        for name in ("warmup_steps", "weight_decay", "save_minutes"):
            if not getattr(self, name) >= 0:
                raise ParameterError(f"{name} = {getattr(self, name)}: it must be 0 or more")
        if not 0 <= self.ema < 1:
            raise ParameterError(f"ema = {self.ema}: it must be at least 0 and below 1")
