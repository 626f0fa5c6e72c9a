"""Networks of other programs, as they were published -> networks of ours.

What a file is, is told from its bytes, never from its name. Reading none of them runs code.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from stemsep.errors import WeightsError
from stemsep.models import ImageNetworkConfig, SeparationConfig, Spleeter
from stemsep.weights import openunmix, scnet
from stemsep.weights.archive import extract, is_archive
from stemsep.weights.milesial import from_state_dict
from stemsep.weights.spleeter import read_spleeter
from stemsep.weights.state_dict import is_state_dict, read_state_dict

__all__ = ["Foreign", "read_foreign"]

INDEX = ".index"


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """A network that was read from another program's file.

    Args:
        network: the network.
        config: its configuration.
        files: what it was read from, as it was published.
    """

    network: nn.Module
    config: SeparationConfig | ImageNetworkConfig
    files: tuple[Path, ...]


def read_foreign(path: Path) -> Foreign:
    """Return the network in a file or folder of another program.

    Args:
        path: a ``.tar.gz`` of Spleeter's or the folder that one was unpacked into, a folder with
            the state dicts of Open-Unmix's stems, or a state dict of SCNet or
            milesial/Pytorch-UNet.

    Raises:
        WeightsError: not there, not known, damaged, or cut.
    """
    if path.is_dir():
        return _folder(path)
    try:
        if is_state_dict(path):
            return _state_dict(path)
        packed = is_archive(path)
    except OSError as error:
        raise WeightsError(f"cannot read '{path}': {error.strerror or error}") from error
    if not packed:
        raise WeightsError(
            f"'{path}' is no network that stemsep can read: give a checkpoint of its own, an "
            "archive or a folder of Spleeter's, a folder with the state dicts of Open-Unmix's "
            "stems, or a state dict of SCNet or milesial/Pytorch-UNet"
        )
    with tempfile.TemporaryDirectory(prefix="stemsep-") as folder:
        files = extract(path, Path(folder), wanted=lambda name: INDEX in name or ".data-" in name)
        network = _spleeter(path, [file for file in files if file.suffix == INDEX])
        return Foreign(network=network, config=network.config, files=(path,))


def _folder(path: Path) -> Foreign:
    state_dicts = {stem: sorted(path.glob(f"{stem}*.pth")) for stem in openunmix.STEMS}
    if not any(state_dicts.values()):
        network = _spleeter(path, list(path.glob(f"*{INDEX}")))
        return Foreign(network=network, config=network.config, files=())
    wrong = [stem for stem, files in state_dicts.items() if len(files) != 1]
    if wrong:
        raise WeightsError(
            f"'{path}' holds {len(state_dicts[wrong[0]])} files {wrong[0]}*.pth: give a folder "
            f"with one for each of {', '.join(openunmix.STEMS)}"
        )
    files = {stem: found[0] for stem, found in state_dicts.items()}
    made = openunmix.read_openunmix(files)
    return Foreign(network=made, config=made.config, files=tuple(files.values()))


def _state_dict(path: Path) -> Foreign:
    stored = read_state_dict(path)
    if openunmix.is_openunmix(stored):
        raise WeightsError(
            f"'{path}' is one stem of Open-Unmix's: give the folder that holds the files of all"
        )
    if scnet.is_scnet(stored):
        made = scnet.from_state_dict(path, stored)
        return Foreign(network=made, config=made.config, files=(path,))
    try:
        network, config = from_state_dict(stored)
    except WeightsError as error:
        raise WeightsError(f"'{path}': {error}") from error
    return Foreign(network=network, config=config, files=(path,))


def _spleeter(path: Path, indices: list[Path]) -> Spleeter:
    if len(indices) != 1:
        raise WeightsError(
            f"'{path}' holds {len(indices)} TensorFlow checkpoints (files that end in {INDEX}): "
            "give an archive or a folder of Spleeter's, which has one"
        )
    return read_spleeter(indices[0].with_suffix(""))
