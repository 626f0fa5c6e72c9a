"""Where a run can be watched: CSV files, TensorBoard, Weights & Biases."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stemsep.audio.atomic import partial_file
from stemsep.errors import ParameterError, require

__all__ = ["LOGGERS", "Logger", "open_logger"]

LOGGERS = ("none", "csv", "tensorboard", "wandb")


class Logger(Protocol):
    """Takes what a run has to show."""

    shows_pictures: bool

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Take numbers of a step; names are ``group/name``."""

    def histograms(self, step: int, network: nn.Module) -> None:
        """Take the weights of a network and their gradients."""

    def pictures(self, step: int, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
        """Take pictures ``(height, width, 3)``."""

    def close(self) -> None:
        """Write what is not written yet."""


@contextmanager
def open_logger(name: str, output: Path, *, step: int) -> Iterator[Logger]:
    """Give the logger of a name.

    Args:
        name: one of `LOGGERS`.
        output: the folder of the run.
        step: from which the run goes on; what an earlier one logged after it is dropped.

    Raises:
        ParameterError: an unknown name.
        MissingExtraError: it is not installed.
    """
    makers = {"none": _Nothing, "csv": _Csv, "tensorboard": _TensorBoard, "wandb": _Wandb}
    if name not in makers:
        raise ParameterError(f"logger '{name}': choose from {', '.join(LOGGERS)}")
    logger: Logger = makers[name](output, step)
    try:
        yield logger
    finally:
        logger.close()


class _Nothing:
    shows_pictures = False

    def __init__(self, output: Path, step: int) -> None:
        pass

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        pass

    def histograms(self, step: int, network: nn.Module) -> None:
        pass

    def pictures(self, step: int, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
        pass

    def close(self) -> None:
        pass


class _Csv(_Nothing):
    """``train.csv`` and ``valid.csv``, a file for each group, with a column for each number."""

    def __init__(self, output: Path, step: int) -> None:
        self.output, self.first = output, step
        self.open: set[str] = set()

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        groups = {name.partition("/")[0] for name in values}
        for group in sorted(groups):
            row = {n.partition("/")[2]: v for n, v in values.items() if n.startswith(f"{group}/")}
            self._append(self.output / f"{group}.csv", {"step": step, **row})

    def _append(self, path: Path, row: dict[str, float]) -> None:
        if path.name not in self.open:
            self.open.add(path.name)
            self._begin(path, list(row))
        with path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow(row.values())

    def _begin(self, path: Path, columns: list[str]) -> None:
        """Write the columns, and what an earlier run logged up to the step that this one is at."""
        rows: list[dict[str, str]] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                rows = [row for row in csv.DictReader(file) if _number(row["step"]) <= self.first]
        with partial_file(path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)


class _TensorBoard(_Nothing):
    """A folder ``tensorboard``: ``tensorboard --logdir`` shows it."""

    shows_pictures = True

    def __init__(self, output: Path, step: int) -> None:
        require("tensorboard", extra="train")
        from torch.utils.tensorboard.writer import SummaryWriter

        self.writer: Any = SummaryWriter(str(output / "tensorboard"), purge_step=step + 1)

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def histograms(self, step: int, network: nn.Module) -> None:
        for name, values in _tensors(network):
            self.writer.add_histogram(name, values, step)

    def pictures(self, step: int, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
        for name, picture in pictures.items():
            self.writer.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        self.writer.close()


class _Wandb(_Nothing):
    """A run of Weights & Biases, its files in a folder ``wandb``; set up by its own variables."""

    shows_pictures = True

    def __init__(self, output: Path, step: int) -> None:
        self.wandb: Any = require("wandb", extra="wandb")
        # The same folder is the same run there, so that one that goes on has one curve.
        own = hashlib.sha256(str(output.resolve()).encode()).hexdigest()[:16]
        self.run: Any = self.wandb.init(
            project="stemsep",
            id=own,
            name=output.resolve().name,
            dir=str(output),
            resume="allow" if step else None,
        )

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def histograms(self, step: int, network: nn.Module) -> None:
        shown = {name: self.wandb.Histogram(values.numpy()) for name, values in _tensors(network)}
        self.run.log(shown, step=step)

    def pictures(self, step: int, pictures: Mapping[str, NDArray[np.uint8]]) -> None:
        shown = {name: self.wandb.Image(picture) for name, picture in pictures.items()}
        self.run.log(shown, step=step)

    def close(self) -> None:
        self.run.finish()


def _tensors(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Yield weights and gradients with names, on the CPU; only what is finite can be drawn."""
    for name, parameter in network.named_parameters():
        for kind, values in (("weights", parameter.detach()), ("gradients", parameter.grad)):
            if values is not None and bool(torch.isfinite(values).all()):
                yield f"{kind}/{name}", values.float().cpu()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # the last line of a killed run
        return float("inf")
