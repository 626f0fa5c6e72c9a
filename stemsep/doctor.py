"""What ``stemsep doctor`` runs: does this installation work, and what can this machine do?"""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from stemsep import __version__
from stemsep.audio import open_writer, read_audio, readable_formats
from stemsep.data.shipped import shipped_folder
from stemsep.models.presets import build
from stemsep.separation import Separator
from stemsep.separation.device import available_devices, choose_precision, cpu_has_bf16
from stemsep.weights.catalog import find_checkpoint
from stemsep.weights.checkpoint import file_digest, read_card

__all__ = ["Check", "run_checks"]

SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was tried.

    Args:
        name: what.
        status: ``"absent"`` is an optional part that is not installed or does not work here.
        detail: what came out, or what is wrong and what to do.
    """

    name: str
    status: Literal["ok", "absent", "failed"]
    detail: str


def run_checks() -> Iterator[Check]:
    """Yield the outcome of each check as soon as it has run; none of them raises."""
    checks: dict[str, Callable[[], str]] = {
        "stemsep": lambda: f"{__version__} on Python {platform.python_version()}, {_machine()}",
        "torch": lambda: f"{torch.__version__}, {torch.get_num_threads()} threads",
        "devices": _devices,
        "arithmetic": _arithmetic,
        "U-Net": _unet,
        "sound files": _sound_files,
        "torchaudio": _torchaudio,
        "default model": _model,
        "separation": _separation,
    }
    for name, check in checks.items():
        try:
            yield Check(name=name, status="ok", detail=check())
        except ImportError as error:
            yield Check(name=name, status="absent", detail=_first_line(error))
        except Exception as error:  # a check that breaks is what the user wants to read about
            detail = f"{type(error).__name__}: {_first_line(error)}"
            yield Check(name=name, status="failed", detail=detail)


def _machine() -> str:
    return f"{platform.system()} {platform.machine()}"


def _devices() -> str:
    cpu = torch.backends.cpu.get_cpu_capability()
    bf16 = "bf16 in hardware" if cpu_has_bf16() else "no bf16 hardware"
    precision = choose_precision("auto", torch.device("cpu"))
    return f"{', '.join(available_devices())}; CPU {cpu}, {bf16}: --precision auto is {precision}"


def _arithmetic() -> str:
    total = torch.tensor([1, 2, 3]) + torch.tensor([4, 5, 6])
    left, right = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 6.0], [7.0, 8.0]])
    product = left @ right
    if total.tolist() != [5, 7, 9] or product.tolist() != [[19.0, 22.0], [43.0, 50.0]]:
        raise ArithmeticError(f"torch computes {total.tolist()} and {product.tolist()}")
    return (
        "[1, 2, 3] + [4, 5, 6] = [5, 7, 9]; "
        "[[1, 2], [3, 4]] @ [[5, 6], [7, 8]] = [[19, 22], [43, 50]]"
    )


def _unet() -> str:
    network = build("ronneberger").eval()
    started = time.monotonic()
    with torch.inference_mode():
        output = network(torch.rand(1, 1, 572, 572))
    if output.shape != (1, 2, 388, 388) or not torch.isfinite(output).all():
        raise ArithmeticError(
            f"the U-Net of 2015 gives {tuple(output.shape)}, not (1, 2, 388, 388)"
        )
    elapsed = time.monotonic() - started
    return f"ronneberger: random 572 x 572 input, finite 388 x 388 output, {elapsed:.1f} s"


def _sound_files() -> str:
    tone = np.sin(np.arange(4410) * 0.1)[None] * 8192
    steps = np.rint(tone).astype(np.int32)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("wav", "flac"):
            path = Path(folder, f"tone.{name}")
            with open_writer(
                path, format=name, sample_rate=44100, channels=1, bit_depth=16
            ) as writer:
                writer.write(steps)
            if not np.array_equal(read_audio(path)[0] * 32768, steps):
                raise OSError(f"a tone written as {name} reads back changed")
    return f"wav, flac written and read back; reads {', '.join(readable_formats())}"


def _torchaudio() -> str:
    try:
        import torchaudio
        import torchaudio.transforms
    except ModuleNotFoundError as error:
        raise ImportError(
            "not installed; only needed for on-device resampling and comparisons: "
            "pip install 'stemsep[torchaudio]'"
        ) from error
    except (ImportError, OSError) as error:
        raise ImportError(
            f"installed, but its native part does not load ({_first_line(error)}): a wheel made "
            "for CUDA beside a torch for the CPU; stemsep works without it"
        ) from error
    spectrogram = torchaudio.transforms.Spectrogram(n_fft=64, power=None)(torch.zeros(1, 640))
    return f"{torchaudio.__version__}, usable ({spectrogram.shape[-1]} frames of a test signal)"


def _model() -> str:
    path = find_checkpoint("default")
    _, card = read_card(path)
    return (
        f"sha256 {file_digest(path)[:16]}, {path.stat().st_size / 1e6:.1f} MB, "
        f"licence: {card.license}; trained on: {card.training_data}"
    )


def _separation() -> str:
    waveform, sample_rate = _example()
    separator = Separator.from_pretrained()
    separator.separate(waveform[:, :sample_rate], sample_rate)  # the first run sets things up
    started = time.monotonic()
    stems = separator.separate(waveform, sample_rate)
    elapsed = time.monotonic() - started
    total = sum(stem.numpy() for stem in stems.values())
    error = float(np.abs(total - waveform).max())
    if error > 1e-6:
        raise ArithmeticError(f"stems do not sum to the song: off by {error:.1e}")
    seconds = waveform.shape[1] / sample_rate
    return (
        f"{seconds:.0f} s into {', '.join(stems)} in {elapsed:.2f} s "
        f"({seconds / elapsed:.1f} x real time, {separator.device}, {separator.precision})"
    )


def _example() -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], int]:
    for path in sorted(shipped_folder("data").glob("example.*")):
        waveform, sample_rate = read_audio(path)
        return waveform[:, : SECONDS * sample_rate], sample_rate
    noise = np.random.default_rng(0).normal(scale=0.1, size=(2, SECONDS * 44100))
    return noise.astype(np.float32), 44100


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
