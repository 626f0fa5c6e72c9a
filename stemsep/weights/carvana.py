"""The published weights of milesial/Pytorch-UNet, trained on Carvana's photographs of cars.

They are fetched from the address that their author published them at. The author names no digest,
so the first download is taken as it comes and its digest is kept beside it; from then on the file
must have it.
"""

from __future__ import annotations

from pathlib import Path

from stemsep.audio.atomic import partial_file
from stemsep.errors import ParameterError, WeightsError
from stemsep.models import ImageNetworkConfig, UNet
from stemsep.weights.digest import file_digest
from stemsep.weights.download import Progress, download
from stemsep.weights.milesial import load_milesial
from stemsep.weights.published import CARVANA_ADDRESS

__all__ = ["CARVANA_SCALES", "load_carvana"]

CARVANA_SCALES = (0.5, 1.0)


def load_carvana(
    folder: Path,
    *,
    scale: float = 0.5,
    address: str = CARVANA_ADDRESS,
    progress: Progress | None = None,
) -> tuple[UNet, ImageNetworkConfig]:
    """Return the published network for cars, and its configuration; downloaded when first used.

    Args:
        folder: where the file is kept.
        scale: that pictures are resized by: one of `CARVANA_SCALES`.
        address: with ``{scale}`` in it.
        progress: called as bytes come.

    Raises:
        ParameterError: another scale.
        DownloadError: no connection, or a file that is not the one of the first time.
        WeightsError: the file is not a state dict of that program; it is not kept.
    """
    if scale not in CARVANA_SCALES:
        raise ParameterError(f"scale = {scale}: there are weights for 0.5 and 1.0 only")
    url = address.format(scale=float(scale))
    path = folder / url.rpartition("/")[2]
    note = path.with_name(f"{path.name}.sha256")
    known = note.read_text().split()[0] if note.exists() else None
    download(url, path, sha256=known, progress=progress)
    try:
        loaded = load_milesial(path, scale=scale)
    except WeightsError:
        if known is None:
            path.unlink()
        raise
    if known is None:
        with partial_file(note) as temporary:
            temporary.write_text(f"{file_digest(path)}  {path.name}\n")
    return loaded
