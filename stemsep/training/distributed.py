"""Several processes that train one network, started by ``torchrun``; alone, all of this is nothing.

Each process ("rank") takes a contiguous share of each batch. Gradients are averaged by PyTorch's
DistributedDataParallel, over NCCL between CUDA devices and over Gloo on the CPU.
"""

from __future__ import annotations

import gc
import os
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from stemsep.errors import ParameterError

__all__ = [
    "Ranks",
    "from_first",
    "gathered",
    "gathered_numbers",
    "local_device",
    "parallel",
    "process_group",
    "split",
    "this_rank",
    "unsynchronised",
]

LONGEST_WAIT = timedelta(days=1)
"""The others wait while the first one validates; the default of some minutes ends long ones."""

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Ranks:
    """Which process this is, of how many."""

    index: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this one writes files and messages."""
        return self.index == 0


def this_rank() -> Ranks:
    """Return what ``torchrun`` told this process in its environment."""
    return Ranks(int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1)))


def local_device(device: torch.device) -> torch.device:
    """Return the device of this process: beside others on a machine, a CUDA device of its own.

    Raises:
        ParameterError: a machine has more processes than CUDA devices, or all got the same one.
    """
    if this_rank().count == 1 or device.type != "cuda":
        return device
    local, there = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if device.index is not None:
        raise ParameterError(f"device {device}: give 'cuda', each process takes one of its own")
    if local >= there:
        raise ParameterError(
            f"process {local} of this machine has no CUDA device: give --nproc-per-node {there}"
        )
    return torch.device("cuda", local)


@contextmanager
def process_group(device: torch.device) -> Iterator[Ranks]:
    """Join the other processes for the length of a block."""
    ranks = this_rank()
    if ranks.count == 1:
        yield ranks
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=LONGEST_WAIT)
    try:
        yield ranks
    except BaseException as error:
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        # What still held the group would free it with Python's lock, which the group's own thread
        # may be waiting for: the process would hang. So it goes first, also where an error has it.
        gc.collect()
        distributed.destroy_process_group()


def parallel(network: nn.Module, device: torch.device) -> nn.Module:
    """Return the network with its gradients, and on CUDA batch statistics, those of all ranks."""
    if not distributed.is_initialized():
        return network
    if device.type == "cuda":
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return DistributedDataParallel(network)


def unsynchronised(model: nn.Module, *, when: bool) -> AbstractContextManager[None]:
    """Return a context in which gradients stay those of this rank, to be added to."""
    if when and isinstance(model, DistributedDataParallel):
        context: AbstractContextManager[None] = model.no_sync()
        return context
    return nullcontext()


def gathered(thing: Thing) -> list[Thing]:
    """Return what each rank gave, in their order, on every rank."""
    if not distributed.is_initialized():
        return [thing]
    things: list[Thing] = [thing] * distributed.get_world_size()
    distributed.all_gather_object(things, thing)
    return things


def gathered_numbers(numbers: Sequence[float], device: torch.device) -> list[list[float]]:
    """Return the numbers of each rank, equally many; quicker than `gathered`, for every step."""
    if not distributed.is_initialized():
        return [list(numbers)]
    mine = torch.tensor(numbers, dtype=torch.float64, device=device)
    each = [torch.empty_like(mine) for _ in range(distributed.get_world_size())]
    distributed.all_gather(each, mine)
    return [one.tolist() for one in each]


def from_first(thing: Thing) -> Thing:
    """Return what the first rank gave, on every rank."""
    if not distributed.is_initialized():
        return thing
    things = [thing]
    distributed.broadcast_object_list(things, src=0)
    return things[0]


def split(examples: range, parts: int) -> Sequence[range]:
    """Return contiguous parts of a range, whose lengths differ by one at most.

    Example:
        >>> split(range(5), 2)
        [range(0, 3), range(3, 5)]
    """
    short, longer = divmod(len(examples), parts)
    edges = [i * short + min(i, longer) for i in range(parts + 1)]
    return [examples[a:b] for a, b in pairwise(edges)]
