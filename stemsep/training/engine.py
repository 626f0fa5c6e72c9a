"""The training loop. It knows neither sound nor images: a `Task` does."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Generic, Literal, TypeVar

import torch
from torch import nn

from stemsep.audio.atomic import remove_leftovers
from stemsep.errors import DatasetError, ParameterError
from stemsep.training.average import update_average
from stemsep.training.config import TrainConfig
from stemsep.training.distributed import (
    Ranks,
    from_first,
    gathered,
    local_device,
    parallel,
    process_group,
    split,
)
from stemsep.training.loggers import Logger, open_logger
from stemsep.training.optimizer import build_optimizer
from stemsep.training.precision import usable_precision
from stemsep.training.prefetch import prefetched
from stemsep.training.state import (
    Run,
    load_state,
    random_state,
    save_state,
    seed_everything,
)
from stemsep.training.step import Step, bad_sources, take_step
from stemsep.training.task import Task, on_device
from stemsep.training.validation import draw_curve, finite_mean, keep, note_score

__all__ = ["Result", "train"]

Batch = TypeVar("Batch")

NEAR = 10
"""A second step that is not finite within so many ends the run."""

BATCH_NORMS = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d

LOG_EVERY = 10
"""Steps between the entries of a logger."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a run ended.

    Args:
        step: steps that are done.
        best: the best score.
        ended: all steps were done, scores had not become better for too long, or it was stopped.
    """

    step: int
    best: float
    ended: Literal["finished", "patience", "stopped"]


def train(
    task: Task[Batch],
    config: TrainConfig,
    output: Path,
    *,
    device: torch.device | None = None,
    logger: str = "none",
    resume: bool = True,
    say: Callable[[str], None] | None = None,
    progress: Callable[[int, int, float], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Result:
    """Train ``task.network`` and leave ``best.safetensors``, ``last.safetensors`` in ``output``.

    Goes on from ``output/last.state`` where there is one: on one machine's CPU, the result is that
    of a run that was never stopped, bit for bit. ``output/log.json`` has one entry a validation;
    its ``loss`` is the mean since the one before, its ``skipped`` the number of steps left out
    because loss or gradient was not finite. ``output/curve.png`` shows it at the end.

    Started by ``torchrun``, all its processes train the one network; the first one writes.

    Args:
        task: what to train.
        config: how.
        output: a folder, made if missing.
        device: where; the CPU unless given.
        logger: what else to write: ``none``, ``csv``, ``tensorboard`` or ``wandb``.
        resume: whether to go on with a run that is in ``output``, rather than to refuse it.
        say: called with a line about what happens, now and then.
        progress: called after each step with the steps done, those in all, and the loss.
        stop: asked after each step; True saves the state and ends the run.

    Raises:
        WeightsError: ``output/last.state`` is damaged or of another network; or the weights are not
            finite.
        DatasetError: twice within ten steps loss or gradient was not finite; the message names the
            sources of the examples.
        ParameterError: no such logger; fewer examples than processes; out of memory; or there is a
            run in ``output`` and ``resume`` is False.
        MissingExtraError: the logger is not installed.
    """
    device = local_device(device or torch.device("cpu"))
    with process_group(device) as ranks:
        if not ranks.first:
            say, progress, logger = None, None, "none"
        say = say or _ignore
        usable = usable_precision(config.precision, device)
        if usable != config.precision:
            say(f"no {config.precision} hardware here ({device}): training in {usable}")
        config = replace(config, precision=usable)
        loop = partial(_Loop, task, config, output, device=device, ranks=ranks, say=say)
        return _ended(loop, logger, resume=resume, show=progress or _ignore, stop=stop or _never)


def _ended(
    make: Callable[[], _Loop[Batch]],
    logger: str,
    *,
    resume: bool,
    show: Callable[[int, int, float], None],
    stop: Callable[[], bool],
) -> Result:
    """Return how a loop ended, and leave nothing of it behind."""
    loop = make()
    loop.begin(resume=resume)
    with open_logger(logger, loop.output, step=loop.run.progress.step) as log:
        return loop.go(log, show=show, stop=stop)


class _Loop(Generic[Batch]):
    """One call of `train`."""

    def __init__(
        self,
        task: Task[Batch],
        config: TrainConfig,
        output: Path,
        *,
        device: torch.device,
        ranks: Ranks,
        say: Callable[[str], None],
    ) -> None:
        if config.batch_size < (least := ranks.count * config.accumulate):
            raise ParameterError(
                f"batch_size = {config.batch_size}: {ranks.count} processes that take "
                f"{config.accumulate} parts each need {least} or more"
            )
        self.task, self.config, self.output, self.say = task, config, output, say
        self.device, self.ranks, self.state_path = device, ranks, output / "last.state"
        seed_everything(config.seed + ranks.index)
        network = task.network.to(device).train()
        if config.fixed_norm:
            _fix_norms(network)
        if config.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.run = Run(
            network=network,
            average=copy.deepcopy(network).eval().requires_grad_(False),
            optimizer=build_optimizer(network.parameters(), config),
            scaler=torch.amp.GradScaler(device.type, enabled=config.precision == "fp16"),
        )
        self.model = parallel(network, device)
        if config.compile:
            self.model = torch.compile(self.model)  # type: ignore[assignment]
        self.saved = time.monotonic()

    @property
    def ended(self) -> bool:
        progress, config = self.run.progress, self.config
        return progress.step >= config.steps or 0 < config.patience <= progress.stale

    def begin(self, *, resume: bool) -> None:
        """Make the folder, or go on with the run that is there."""
        self.output.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.output)
        if not self.state_path.exists():
            return
        if not resume:
            raise ParameterError(
                f"there is a run in '{self.output}' already: resume it or give another folder"
            )
        before = load_state(self.state_path, self.run, self.ranks.index)
        step, steps = self.run.progress.step, self.config.steps
        self.say(f"{'ended already' if self.ended else 'resumed'} at step {step} of {steps}")
        for name, value in asdict(self.config).items():
            if not self.ended and before.get(name, value) != value:
                self.say(f"{name} was {before[name]} until here, is {value} from now on")

    def go(
        self,
        log: Logger,
        *,
        show: Callable[[int, int, float], None],
        stop: Callable[[], bool],
    ) -> Result:
        """Take steps until the run ends."""
        progress, stopped, started = self.run.progress, False, time.monotonic()
        first = progress.step
        with closing(self._batches()) as batches:
            while not (self.ended or stopped):
                parts = [(key[1], part) for key, part in islice(batches, self.config.accumulate)]
                due = time.monotonic() - self.saved >= 60 * self.config.save_minutes
                step = self._take(parts, flags=(stop(), due))
                stopped = any(flags[0] for flags in step.flags)
                if progress.step % LOG_EVERY == 0:
                    speed = (progress.step - first) / (time.monotonic() - started)
                    log.numbers(progress.step, _numbers(step, progress.losses, speed))
                if (
                    progress.step % self.config.validate_every == 0
                    or progress.step == self.config.steps
                ):
                    self._validate(log)
                if step.flags[0][1] or self.ended or stopped:
                    self._save()
                show(progress.step, self.config.steps, step.loss)
        if self.ranks.first and not stopped and progress.step > first:
            draw_curve(self.output, self.say)
        ended: Literal["finished", "patience", "stopped"] = "patience" if self.ended else "stopped"
        ended = "finished" if progress.step >= self.config.steps else ended
        return Result(step=progress.step, best=progress.best, ended=ended)

    def _batches(self) -> Generator[tuple[tuple[int, range], Batch], None, None]:
        """Yield this rank's parts of the batches of the steps to come, made ahead."""
        config = self.config
        share = split(range(config.batch_size), self.ranks.count)[self.ranks.index]
        parts = split(share, config.accumulate)
        keys = ((s, part) for s in range(self.run.progress.step, config.steps) for part in parts)

        def make(key: tuple[int, range]) -> Batch:
            return on_device(self.task.batch(*key), self.device)

        return prefetched(make, keys, workers=config.workers)

    def _take(self, parts: Sequence[tuple[range, Batch]], flags: Sequence[bool]) -> Step:
        """Take one step; end the run at the second bad one of a few."""
        run, number = self.run, self.run.progress.step
        step = take_step(
            self.task,
            run,
            self.model,
            parts,
            self.config,
            device=self.device,
            ranks=self.ranks,
            flags=flags,
        )
        run.progress.step += 1
        run.progress.losses.append(step.loss)
        if not step.bad:
            decay = min(self.config.ema, (1 + number) / (10 + number))
            update_average(run.average, run.network, decay)
        elif not step.overflow:
            self._bad(number, step)
        return step

    def _bad(self, number: int, step: Step) -> None:
        before, self.run.progress.bad_step = self.run.progress.bad_step, number
        names = ""
        if self.ranks.first:
            names = bad_sources(
                self.task, self.run.network, number, step.bad, self.config, self.device
            )
        names = from_first(names)
        if before is not None and number - before < NEAR:
            self._save()
            raise DatasetError(
                f"loss or gradient was not finite at step {number}, as at step {before}: look for "
                f"bad data in {names}; or lower learning_rate"
            )
        self.say(f"step {number} left out, as loss or gradient was not finite; it had {names}")

    def _validate(self, log: Logger) -> None:
        """Score the averaged weights, keep them, and write the line of the log."""
        run, progress = self.run, self.run.progress
        scores = from_first(self.task.scores(run.average) if self.ranks.first else {})
        better = note_score(progress, self.config, scores["score"])
        if self.ranks.first:
            line = keep(self.task, run, self.output, scores, better=better)
            marks = " (best)" if better else ""
            self.say(", ".join(f"{key} {_short(value)}" for key, value in line.items()) + marks)
            log.numbers(progress.step, {f"valid/{key}": value for key, value in scores.items()})
            log.histograms(progress.step, run.network)
            if log.shows_pictures:
                log.pictures(progress.step, self.task.pictures(run.average))
        progress.losses.clear()

    def _save(self) -> None:
        randoms = gathered(random_state())
        if self.ranks.first:
            save_state(self.state_path, self.run, self.config, randoms)
        self.saved = time.monotonic()


def _fix_norms(network: nn.Module) -> None:
    for layer in network.modules():
        if isinstance(layer, BATCH_NORMS):
            layer.eval()


def _numbers(step: Step, losses: Sequence[float], speed: float) -> dict[str, float]:
    return {
        "train/loss": finite_mean(losses[-LOG_EVERY:]),
        "train/gradient_norm": step.gradient_norm,
        "train/learning_rate": step.rate,
        "train/steps_per_second": speed,
    }


def _short(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"


def _ignore(*_told: object) -> None:
    pass


def _never() -> bool:
    return False
