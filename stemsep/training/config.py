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
        steps: optimizer steps in all.
        batch_size: examples a step, of all processes together.
        accumulate: parts that a process takes its share of a batch in, to save memory; the step is
            that of the whole batch (batch norm sees the parts).
        optimizer: what takes the steps.
        learning_rate: at its highest.
        momentum: of sgd and rmsprop.
        weight_decay: decoupled with adamw, else added to the gradient.
        schedule: ``cosine`` falls to zero at the last step, ``constant`` stays, ``plateau`` is
            multiplied by ``plateau_factor`` whenever ``plateau_patience`` validations in a row were
            no better than the best.
        warmup_steps: the rate rises linearly over these, whatever the schedule.
        plateau_patience: see ``schedule``.
        plateau_factor: see ``schedule``.
        clip_norm: gradients are scaled down to this norm; 0 leaves them.
        ema: decay of the moving average of the weights, which is what is scored and kept; 0 keeps
            the weights themselves.
        precision: of the network; ``bf16`` only where the hardware has it, else ``fp32``.
        channels_last: memory layout of the weights of convolutions, faster in most cases.
        fixed_norm: batch norms keep the statistics that they begin with, and normalise by them as
            they will after training; for going on from trained weights with batches that are small
            or not alike.
        compile: let ``torch.compile`` build the network; it needs a C++ compiler.
        validate_every: steps between validations.
        patience: validations in a row without a better score that end the run; 0 never does.
        save_minutes: minutes between writings of the state that a resumed run starts from.
        workers: threads that make batches ahead.
        seed: of everything random.

    Raises:
        ParameterError: a value out of range.
    """

    steps: int = 4000
    batch_size: int = 8
    accumulate: int = 1
    optimizer: Literal["adam", "adamw", "rmsprop", "sgd"] = "adamw"
    learning_rate: float = 3e-3
    momentum: float = 0.9
    weight_decay: float = 1e-2
    schedule: Literal["constant", "cosine", "plateau"] = "cosine"
    warmup_steps: int = 100
    plateau_patience: int = 5
    plateau_factor: float = 0.3
    clip_norm: float = 1.0
    ema: float = 0.999
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = True
    fixed_norm: bool = False
    compile: bool = False
    validate_every: int = 250
    patience: int = 0
    save_minutes: float = 5.0
    workers: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        check_choices(self)
        for name in ("steps", "batch_size", "accumulate", "validate_every", "plateau_patience"):
            _check(self, name, getattr(self, name) >= 1, "1 or more")
        _check(self, "workers", self.workers >= 1, "1 or more")
        _check(self, "learning_rate", self.learning_rate > 0, "above 0")
        for name in ("warmup_steps", "weight_decay", "clip_norm", "patience", "save_minutes"):
            _check(self, name, getattr(self, name) >= 0, "0 or more")
        for name in ("momentum", "ema"):
            _check(self, name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        _check(self, "plateau_factor", 0 < self.plateau_factor < 1, "above 0 and below 1")
        _check(self, "seed", 0 <= self.seed < 2**32, "from 0 to 2**32 - 1")
        if self.accumulate > self.batch_size:
            raise ParameterError(
                f"accumulate = {self.accumulate}: a batch of {self.batch_size} has no more parts "
                f"than examples"
            )


def _check(config: TrainConfig, name: str, good: bool, wanted: str) -> None:
    if not good:
        raise ParameterError(f"{name} = {getattr(config, name)}: it must be {wanted}")
