"""Picture files -> mask files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stemsep.audio.atomic import partial_file
from stemsep.data.image_masks import MaskValue, mask_image
from stemsep.data.images import read_picture
from stemsep.errors import ParameterError, StemsepError
from stemsep.segmentation.predict import Segmenter, shares, warnings_about

__all__ = ["Job", "PredictConfig", "Prediction", "plan_masks", "predict_file"]

FORMATS = {".png": "png", ".tif": "tiff", ".tiff": "tiff", ".bmp": "bmp"}
"""Of masks, by ending: those that keep every value."""


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """What is written of a prediction.

    Args:
        threshold: of two classes, the second is taken where its probability is above this.
        save: write the mask.
        probabilities: write probabilities as 16-bit grey PNG, 65535 for 1: those of the second of
            two classes, else a file for each class.
        overwrite: replace files that are there.

    Raises:
        ParameterError: a threshold out of range.
    """

    threshold: float = 0.5
    save: bool = True
    probabilities: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise ParameterError(f"mask threshold {self.threshold}: it must be between 0 and 1")


@dataclass(frozen=True)
class Job:
    """A picture and where its mask goes."""

    picture: Path
    mask: Path

    def beside(self, ending: str) -> Path:
        """Return a path beside the mask, with the picture's name and this ending."""
        return self.mask.with_name(f"{self.picture.stem}{ending}")


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What was found in a picture.

    Args:
        picture: ``(channels, height, width)``, as its file has it.
        classes: class numbers ``(height, width)``.
        mask_values: the value of each class in the mask.
        shares: of the pixels, by class.
        warning: what is suspicious about them; empty if nothing is.
        written: files that were written.
    """

    picture: NDArray[Any]
    classes: NDArray[np.uint8]
    mask_values: tuple[MaskValue, ...]
    shares: tuple[float, ...]
    warning: str
    written: tuple[Path, ...]

    @property
    def described(self) -> dict[str, Any]:
        """Shape, range of values and shares, ready for JSON."""
        present = [v for v, share in zip(self.mask_values, self.shares, strict=True) if share]
        return {
            "shape": list(self.classes.shape),
            "values": [present[0], present[-1]],
            "shares": {str(v): s for v, s in zip(self.mask_values, self.shares, strict=True)},
            "warning": self.warning,
            "files": [str(path) for path in self.written],
        }


def plan_masks(inputs: Sequence[Path], output: Path, settings: PredictConfig) -> list[Job]:
    """Return a job for each picture; a folder stands for the files in it.

    Args:
        inputs: pictures and folders.
        output: a file for one picture, if it ends like one; else a folder for ``NAME_mask.png``.
        settings: whether files may be replaced.

    Raises:
        ParameterError: no picture, two of one name, a format that loses values, or a file that is
            there already.
    """
    pictures: list[Path] = []
    for path in inputs:
        if path.is_dir():
            inside = sorted(
                file for file in path.iterdir() if file.is_file() and file.name[0] != "."
            )
            if not inside:
                raise ParameterError(f"no picture in the folder '{path}'")
            pictures += inside
        else:
            pictures.append(path)
    if not pictures:
        raise ParameterError("no picture: name files or folders")
    suffix = output.suffix.lower()
    if len(pictures) == 1 and not inputs[0].is_dir() and suffix and not output.is_dir():
        if suffix not in FORMATS:
            raise ParameterError(
                f"'{output}': a mask needs a format that keeps its values: {', '.join(FORMATS)}"
            )
        jobs = [Job(pictures[0], output)]
    else:
        jobs = [Job(path, output / f"{path.stem}_mask.png") for path in pictures]
    seen: dict[Path, Path] = {}
    for job in jobs:
        if job.mask in seen:
            raise ParameterError(
                f"'{seen[job.mask]}' and '{job.picture}' would have one mask, '{job.mask}'"
            )
        seen[job.mask] = job.picture
        if settings.save and job.mask.exists() and not settings.overwrite:
            raise ParameterError(f"'{job.mask}' is there already: --overwrite replaces it")
    return jobs


def predict_file(
    segmenter: Segmenter,
    job: Job,
    settings: PredictConfig,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Prediction:
    """Find the mask of one picture and write what is wanted; files are complete or not there.

    Raises:
        DatasetError: the picture cannot be read.
        ParameterError: it is too small for the network's scale.
        OSError: a file cannot be written.
    """
    picture = read_picture(job.picture)
    try:
        logits = segmenter.logits(picture, progress)
    except StemsepError as error:
        raise ParameterError(f"'{job.picture}': {error}") from error
    classes = segmenter.classes(logits, threshold=settings.threshold)
    config = segmenter.config
    written = []
    if settings.save or settings.probabilities:
        job.mask.parent.mkdir(parents=True, exist_ok=True)
    if settings.save:
        image = mask_image(classes, config.mask_values, config.palette)
        _save(image, job.mask)
        written.append(job.mask)
    if settings.probabilities:
        likely = segmenter.probabilities(logits)
        for number, plane in enumerate(likely):
            if config.classes == 2 and number == 0:
                continue
            ending = "_prob.png" if config.classes == 2 else f"_prob_{number}.png"
            _save(Image.fromarray((plane * 65535).round().astype(np.uint16)), job.beside(ending))
            written.append(job.beside(ending))
    part = shares(classes, config.classes)
    return Prediction(
        picture=picture,
        classes=classes,
        mask_values=config.mask_values,
        shares=tuple(part),
        warning=warnings_about(part, config.mask_values),
        written=tuple(written),
    )


def _save(image: Image.Image, path: Path) -> None:
    with partial_file(path) as temporary:
        image.save(temporary, format=FORMATS[path.suffix.lower()])
