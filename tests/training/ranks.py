"""Runs of a task in processes that can be killed, for test_distributed.py.

python -m tests.training.ranks FOLDER KILLED_STEP

PyTorch is imported once and the processes are forked from here. FOLDER gets the runs ``plain`` (two
processes), and ``straight`` and ``killed``, with batch norm and dropout: one process's in ``one``,
two processes' in ``two``.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path

import torch

from stemsep.training import engine
from stemsep.training.config import TrainConfig
from stemsep.training.engine import train
from stemsep.training.optimizer import build_optimizer
from tests.training.regression import Regression

CONFIG = TrainConfig(
    steps=12, batch_size=6, learning_rate=0.05, warmup_steps=2, validate_every=5, save_minutes=0.0
)


class Suicidal(Regression):
    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def batch(self, step: int, examples: range):
        if step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().batch(step, examples)


def start(ranks: int, work) -> bool:
    """Fork processes that do ``work``; return whether all succeeded. One death kills the others."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(ranks):
        if (child := os.fork()) == 0:
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(ranks)}
            status = 1
            try:
                work(rank)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    good = True
    while children:
        child, status = os.wait()
        children.remove(child)
        good = good and status == 0
        if status:
            for other in children:
                os.kill(other, signal.SIGKILL)
    return good


def main(folder: Path, step: int) -> None:
    engine.draw_curve = lambda *_: None  # takes longer than a run
    # What PyTorch imports at the first step is imported once, here.
    build_optimizer([torch.nn.Parameter(torch.ones(1))], CONFIG).step()

    def run(task, name: str, config: TrainConfig = CONFIG) -> None:
        train(task, config, folder / name)

    plain = replace(CONFIG, accumulate=2)
    assert start(2, lambda _: run(Regression(plain=True, bad=[(3, 4)]), "plain", plain))
    for name, ranks in (("one", 1), ("two", 2)):
        assert start(ranks, lambda _, to=name: run(Regression(), f"{to}/straight"))
        # The last of the ranks dies; one that waits for it is killed too.
        last = ranks - 1
        assert not start(
            ranks,
            lambda rank, to=name, last=last: run(
                Suicidal(step) if rank == last else Regression(), f"{to}/killed"
            ),
        )
        assert (folder / name / "killed" / "last.state").exists()
        assert start(ranks, lambda _, to=name: run(Regression(), f"{to}/killed"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
