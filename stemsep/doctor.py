"""What ``stemsep doctor`` runs: does this installation work, and what can this machine do?"""

from __future__ import annotations

import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from stemsep import __version__

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# Each check imports what it needs: an installation that cannot import torch is to be told about.

__all__ = ["Check", "run_checks"]

SECONDS = 9
"""Of the example song: a little less than a chunk keeps (see `stemsep.separation.chunking`)."""

Outcome = tuple[str, Mapping[str, Any]]
"""What a check tells in a sentence, and as values for programs."""


class _AbsentError(Exception):
    """An optional part that is not installed or does not work here."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was tried.

    Args:
        name: what.
        status: ``"absent"`` is an optional part that is not installed or does not work here.
        detail: what came out, or what is wrong and what to do.
        values: the same for programs: versions, devices, hashes, speed.
    """

    name: str
    status: Literal["ok", "absent", "failed"]
    detail: str
    values: Mapping[str, Any] = field(default_factory=dict)


def run_checks() -> Iterator[Check]:
    """Yield the outcome of each check as soon as it has run; none of them raises."""
    checks: dict[str, Callable[[], Outcome]] = {
        "stemsep": _stemsep,
        "torch": _torch,
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
            detail, values = check()
            yield Check(name=name, status="ok", detail=detail, values=values)
        except _AbsentError as error:
            yield Check(name=name, status="absent", detail=str(error))
        except Exception as error:  # a check that breaks is what the user wants to read about
            detail = f"{type(error).__name__}: {_first_line(error)}"
            yield Check(name=name, status="failed", detail=detail)


def _stemsep() -> Outcome:
    values = {
        "stemsep": __version__,
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }
    return "{stemsep} on Python {python}, {machine}".format(**values), values


def _torch() -> Outcome:
    import torch

    values = {"torch": torch.__version__, "threads": torch.get_num_threads()}
    return "{torch}, {threads} threads".format(**values), values


def _devices() -> Outcome:
    import torch

    from stemsep.separation.device import available_devices, choose_precision, cpu_has_bf16

    usable = available_devices()
    values = {
        "usable": usable,
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "bf16_hardware": cpu_has_bf16(),
        "precision_auto": choose_precision("auto", torch.device("cpu")),
    }
    known = ", ".join(f"{name} {'yes' if name in usable else 'no'}" for name in ("cuda", "mps"))
    bf16 = "with" if values["bf16_hardware"] else "without"
    precision = values["precision_auto"]
    detail = f"{known}, cpu yes ({values['cpu']}, {bf16} bf16 hardware: auto is {precision})"
    return detail, values


def _arithmetic() -> Outcome:
    import torch

    total = torch.tensor([1, 2, 3]) + torch.tensor([4, 5, 6])
    left, right = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0, 6.0], [7.0, 8.0]])
    product = left @ right
    if total.tolist() != [5, 7, 9] or product.tolist() != [[19.0, 22.0], [43.0, 50.0]]:
        raise ArithmeticError(f"torch computes {total.tolist()} and {product.tolist()}")
    detail = (
        "[1, 2, 3] + [4, 5, 6] = [5, 7, 9]; "
        "[[1, 2], [3, 4]] @ [[5, 6], [7, 8]] = [[19, 22], [43, 50]]"
    )
    return detail, {"sum": total.tolist(), "product": product.tolist()}


def _unet() -> Outcome:
    import torch

    from stemsep.models.presets import build

    network = build("ronneberger").eval()
    started = time.monotonic()
    with torch.inference_mode():
        output = network(torch.rand(1, 1, 572, 572))
    seconds = time.monotonic() - started
    shape = tuple(output.shape)
    if shape != (1, 2, 388, 388) or not torch.isfinite(output).all():
        raise ArithmeticError(f"the U-Net of 2015 gives {shape}, not a finite (1, 2, 388, 388)")
    detail = f"ronneberger: random 572 x 572 input, finite 388 x 388 output, {seconds:.1f} s"
    return detail, {"output": shape, "seconds": seconds}


def _sound_files() -> Outcome:
    import numpy as np

    from stemsep.audio import open_writer, read_audio, readable_formats, writable_formats

    steps = np.rint(np.sin(np.arange(4410) * 0.1)[None] * 8192).astype(np.int32)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("wav", "flac"):
            path = Path(folder, f"tone.{name}")
            with open_writer(
                path, format=name, sample_rate=44100, channels=1, bit_depth=16
            ) as writer:
                writer.write(steps)
            if not np.array_equal(read_audio(path)[0] * 32768, steps):
                raise OSError(f"a tone written as {name} reads back changed")
    values = {"reads": readable_formats(), "writes": writable_formats()}
    detail = f"writes {', '.join(values['writes'])}; reads {', '.join(values['reads'])}"
    return detail, values


def _torchaudio() -> Outcome:
    import torch

    try:
        import torchaudio
        import torchaudio.transforms
    except ModuleNotFoundError as error:
        raise _AbsentError(
            "not installed; only needed for on-device resampling and comparisons: "
            "pip install 'stemsep[torchaudio]'"
        ) from error
    except (ImportError, OSError) as error:
        raise _AbsentError(
            f"installed, but its native part does not load ({_first_line(error)}): a wheel made "
            "for CUDA beside a torch for the CPU; stemsep works without it"
        ) from error
    torchaudio.transforms.Spectrogram(n_fft=64, power=None)(torch.zeros(1, 640))
    return f"{torchaudio.__version__}, usable", {"torchaudio": torchaudio.__version__}


def _model() -> Outcome:
    from stemsep.weights.catalog import find_checkpoint
    from stemsep.weights.checkpoint import read_card
    from stemsep.weights.digest import file_digest

    path = find_checkpoint("default")
    _, card = read_card(path)
    values = {
        "file": str(path),
        "sha256": file_digest(path),
        "megabytes": round(path.stat().st_size / 1e6, 2),
        "license": card.license,
        "training_data": card.training_data,
    }
    detail = (
        f"sha256 {values['sha256']}, {values['megabytes']} MB, licence: {card.license}; "
        f"trained on: {card.training_data}"
    )
    return detail, values


def _separation() -> Outcome:
    import numpy as np

    from stemsep.separation import Separator

    waveform, sample_rate = _example()
    separator = Separator.from_pretrained()
    separator.separate(waveform[:, :sample_rate], sample_rate)  # the first run sets things up
    started = time.monotonic()
    stems = separator.separate(waveform, sample_rate)
    elapsed = time.monotonic() - started
    error = float(np.abs(sum(stem.numpy() for stem in stems.values()) - waveform).max())
    if error > 1e-6:
        raise ArithmeticError(f"stems do not sum to the song: off by {error:.1e}")
    seconds = waveform.shape[1] / sample_rate
    values = {
        "stems": list(stems),
        "seconds": seconds,
        "elapsed": elapsed,
        "real_time_factor": seconds / elapsed,
        "device": str(separator.device),
        "precision": separator.precision,
    }
    detail = (
        f"{seconds:.0f} s into {', '.join(stems)} in {elapsed:.2f} s "
        f"({seconds / elapsed:.1f} x real time, {separator.device}, {separator.precision})"
    )
    return detail, values


def _example() -> tuple[NDArray[np.float32], int]:
    from stemsep.audio import read_audio
    from stemsep.data.shipped import shipped_folder

    waveform, sample_rate = read_audio(shipped_folder("data") / "example.ogg")
    return waveform[:, : SECONDS * sample_rate], sample_rate


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
