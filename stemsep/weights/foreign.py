"""Networks of other programs, as they were published -> networks of ours.

What a file is, is told from its bytes, never from its name. Reading none of them runs code.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from stemsep.errors import WeightsError
from stemsep.models import ImageNetworkConfig, SeparationConfig
from stemsep.weights.archive import extract, is_archive
from stemsep.weights.milesial import load_milesial
from stemsep.weights.spleeter import read_spleeter
from stemsep.weights.state_dict import is_state_dict

__all__ = ["Foreign", "read_foreign"]

INDEX = ".index"


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A network that was read from another program's file.

    Args:
        network: the network.
        config: its configuration.
    """

    network: nn.Module
    config: SeparationConfig | ImageNetworkConfig


def read_foreign(path: Path) -> Foreign:
    """Return the network in a file or folder of another program.

    Args:
        path: a ``.tar.gz`` of Spleeter's or the folder that one was unpacked into, or a state dict
            of milesial/Pytorch-UNet.

    Raises:
        WeightsError: not there, not known, damaged, or cut.
    """
    if path.is_dir():
        return _spleeter(path, list(path.glob(f"*{INDEX}")))
    try:
        if is_state_dict(path):
            network, config = load_milesial(path)
            return Foreign(network=network, config=config)
        packed = is_archive(path)
    except OSError as error:
        raise WeightsError(f"cannot read '{path}': {error.strerror or error}") from error
    if not packed:
        raise WeightsError(
            f"'{path}' is no network that stemsep can read: give a checkpoint of its own, an "
            "archive or a folder of Spleeter's, or a state dict of milesial/Pytorch-UNet"
        )
    with tempfile.TemporaryDirectory(prefix="stemsep-") as folder:
        files = extract(path, Path(folder), wanted=lambda name: INDEX in name or ".data-" in name)
        return _spleeter(path, [file for file in files if file.suffix == INDEX])


def _spleeter(path: Path, indices: list[Path]) -> Foreign:
    if len(indices) != 1:
        raise WeightsError(
            f"'{path}' holds {len(indices)} TensorFlow checkpoints (files that end in {INDEX}): "
            "give an archive or a folder of Spleeter's, which has one"
        )
    network = read_spleeter(indices[0].with_suffix(""))
    return Foreign(network=network, config=network.config)
