"""What to compute on, and how precisely: decided from what the hardware has, never by timing."""

from __future__ import annotations

import torch

from stemsep.errors import ParameterError

__all__ = ["available_devices", "choose_device", "choose_precision", "cpu_has_bf16", "use_threads"]


def available_devices() -> list[str]:
    """Return the usable devices, the preferred first: cuda, mps, cpu."""
    cuda = ["cuda"] if torch.cuda.is_available() else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return [*cuda, *mps, "cpu"]


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Return the named device, or the best one for ``"auto"``.

    Raises:
        ParameterError: the device is not there; another one is never taken unasked.
    """
    devices, name = available_devices(), str(name)
    if name == "auto":
        return torch.device(devices[0])
    kind, _, index = name.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else 1
    if kind not in devices or (index and not (index.isdecimal() and int(index) < count)):
        raise ParameterError(f"no device '{name}' here: choose auto or {', '.join(devices)}")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """Return ``"fp32"`` or ``"bf16"``.

    Args:
        name: ``"auto"`` takes bf16 on a CPU with AMX or AVX512-BF16, where it is several times
            faster, and fp32 elsewhere.
        device: what it is for.

    Raises:
        ParameterError: an unknown name.
    """
    if name not in ("auto", "fp32", "bf16"):
        raise ParameterError(f"precision '{name}': choose auto, fp32 or bf16")
    if name != "auto":
        return name
    return "bf16" if device.type == "cpu" and cpu_has_bf16() else "fp32"


def cpu_has_bf16() -> bool:
    """Return whether the CPU multiplies bf16 in hardware (AMX or AVX512-BF16)."""
    # torch keeps these tests private; where a version lacks them the answer is the safe one.
    tests = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, test, lambda: False)() for test in tests)


def use_threads(threads: int | None, *, jobs: int = 1) -> None:
    """Let this process compute on ``threads`` CPU threads; samples depend on it in the last bit.

    Args:
        threads: for each job; None is the cores' number, shared by the jobs.
        jobs: songs at once.
    """
    if threads is None and jobs > 1:
        threads = max(1, torch.get_num_threads() // jobs)
    if threads is not None:
        torch.set_num_threads(threads)
