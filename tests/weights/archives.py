"""Archives as Spleeter's releases have them, of networks small enough for tests."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from stemsep.models import (
    SPLEETER_MODELS,
    OpenUnmix,
    OpenUnmixConfig,
    SCNet,
    SCNetConfig,
    Spleeter,
    spleeter,
)
from stemsep.weights.spleeter import _names
from tests.weights.bundles import write_bundle


def small_widths(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make Spleeter's networks, and those that are read, a hundredth of their size."""
    monkeypatch.setattr(spleeter, "WIDTHS", (2, 2, 2, 4, 4, 4))


def network(model: str, seed: int = 0) -> Spleeter:
    """Return a network with random weights and statistics."""
    torch.manual_seed(seed)
    made = Spleeter(SPLEETER_MODELS[model]).eval()
    with torch.no_grad():
        for name, tensor in made.state_dict().items():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5) if "var" in name else tensor.uniform_(-0.5, 0.5)
    return made


def write_spleeter(folder: Path, made: Spleeter) -> None:
    """Write a network as TensorFlow keeps it, into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    state = made.state_dict()
    variables = {
        theirs: np.ascontiguousarray(state[ours].numpy().T)
        for theirs, ours in _names(len(made.config.stems))
    }
    write_bundle(folder / "model", {**variables, "global_step": np.array(0, "<i8")})


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar_gz(members: list[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), 1, mtime=0)


def spleeter_archive(folder: Path, model: str, seed: int = 0) -> bytes:
    """Return a flat archive, with the leftovers that the published ones have."""
    write_spleeter(folder / model, network(model, seed))
    files = [member(f"./{path.name}", path.read_bytes()) for path in (folder / model).iterdir()]
    leftovers = [member("._checkpoint", b"macOS"), member("./model.meta", b"a graph")]
    return tar_gz([*leftovers, *files])


def openunmix(hidden_size: int = 4) -> OpenUnmix:
    """Return a narrow network of the published ones' kind."""
    torch.manual_seed(hidden_size)
    return OpenUnmix(OpenUnmixConfig(hidden_size=hidden_size, n_bins=10)).eval()


def openunmix_files(made: OpenUnmix) -> dict[str, bytes]:
    """Return stem -> its state dict as a file, with the leftovers that the published ones have."""
    files = {}
    for stem, part in zip(made.config.stems, made.networks, strict=True):
        out = io.BytesIO()
        leftovers = {"sample_rate": torch.tensor(44100), "stft.window": torch.ones(4)}
        torch.save({**part.state_dict(), **leftovers}, out)
        files[stem] = out.getvalue()
    return files


def scnet() -> SCNet:
    """Return a narrow network of the published one's kind."""
    torch.manual_seed(0)
    return SCNet(SCNetConfig(widths=(4, 4, 4))).eval()


def scnet_state(made: SCNet) -> dict[str, torch.Tensor]:
    """Return a network's tensors under the names of the published checkpoint."""
    names = {
        ("down", "bands"): "encoder.{0}.SDlayer.convs.{2}.{3}",
        ("down", "blocks"): "encoder.{0}.conv_modules.{2}.layers.{3}.{5}.{6}",
        ("down", "merge"): "encoder.{0}.globalconv.{2}",
        ("paths", "norms"): "separation_net.dp_modules.{0}.norm_layers.{2}.{3}",
        ("paths", "recurrent"): "separation_net.dp_modules.{0}.lstm_layers.{2}.{3}",
        ("paths", "linear"): "separation_net.dp_modules.{0}.linear_layers.{2}.{3}",
        ("up", "fuse"): "decoder.{0}.0.conv.{2}",
        ("up", "bands"): "decoder.{0}.1.convtrs.{2}.{3}",
    }
    state = {}
    for name, tensor in made.state_dict().items():
        place, *rest = name.split(".")
        state[names[place, rest[1]].format(*rest)] = tensor
    return state


def scnet_file(made: SCNet) -> bytes:
    """Return a checkpoint as it was published."""
    out = io.BytesIO()
    torch.save(scnet_state(made), out)
    return out.getvalue()
