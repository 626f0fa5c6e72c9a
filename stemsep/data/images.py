"""A picture or a mask in a file -> an array, whatever its format and depth.

Pictures become ``(channels, height, width)`` with one channel (grey) or three (colours), masks
``(height, width)`` of numbers or ``(height, width, 3)`` of colours. What a mask's values mean is
`stemsep.data.image_masks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from stemsep.errors import DatasetError, ParameterError

__all__ = [
    "Colour",
    "Mask",
    "Palette",
    "as_floats",
    "normalised",
    "picture_image",
    "read_mask",
    "read_picture",
    "resized",
    "scaled_size",
]

Colour = tuple[int, int, int]
Palette = tuple[Colour, ...]


@dataclass(frozen=True)
class Mask:
    """The pixels of a mask as its file has them.

    Args:
        pixels: ``(height, width)`` whole numbers (of a palette: its indices), or
            ``(height, width, 3)`` colours.
        palette: colours by index, where the file has a palette.
    """

    pixels: NDArray[Any]
    palette: Palette | None = None


def read_picture(path: Path) -> NDArray[Any]:
    """Return a picture ``(channels, height, width)``, in the depth of its file.

    Grey (with or without transparency) has one channel; colours and palettes have three;
    transparency is dropped. Photographs are turned as their EXIF data say.

    Args:
        path: a format that Pillow reads, 8 or 16 bit, or a NumPy array (``.npy``) of
            ``(height, width)`` or ``(height, width, channels)``.

    Raises:
        DatasetError: not readable, no picture, or values that are no brightness.
    """
    is_array = path.suffix.lower() == ".npy"
    array = _read_array(path) if is_array else _pixels(path, _opened(path))
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4) or 0 in array.shape:
        raise DatasetError(f"'{path}' has the shape {array.shape}: it must be a picture")
    if not np.isfinite(array).all():
        raise DatasetError(f"'{path}' has values that are not finite")
    colours = array[:, :, : 3 if array.shape[2] > 2 else 1]
    return np.ascontiguousarray(colours.transpose(2, 0, 1))


def read_mask(path: Path) -> Mask:
    """Return a mask as its file has it; transparency is dropped.

    A palette of nothing but grey (as black and white in a GIF) counts as grey values.

    Raises:
        DatasetError: not readable, no picture, or values that are not whole numbers from 0 to
            65535.
    """
    palette = None
    if path.suffix.lower() == ".npy":
        pixels = _read_array(path)
    else:
        image = _opened(path)
        palette = _colours(image)
        pixels = np.asarray(image) if palette else _pixels(path, image)
    if pixels.ndim == 3 and pixels.shape[2] in (1, 2):
        pixels = pixels[:, :, 0]
    elif pixels.ndim == 3 and pixels.shape[2] in (3, 4):
        pixels = _as_grey(pixels[:, :, :3])
    if pixels.ndim not in (2, 3) or 0 in pixels.shape or pixels.shape[2:] not in ((), (3,)):
        raise DatasetError(f"'{path}' has the shape {pixels.shape}: it must be a mask")
    with np.errstate(invalid="ignore"):  # NaN and infinities are found by the comparison
        whole = pixels.astype(np.uint16)
    if not np.array_equal(whole, pixels):
        raise DatasetError(f"'{path}' has values that are not whole numbers from 0 to 65535")
    return Mask(whole, palette)


def picture_image(picture: NDArray[Any]) -> Image.Image:
    """Return the image of a picture ``(channels, height, width)`` of 8 bit, or 16 bit and grey.

    16-bit colours, which Pillow does not have, become 8 bit.
    """
    if len(picture) == 1:
        return Image.fromarray(picture[0])
    if picture.dtype == np.uint16:
        picture = (picture >> 8).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))


def as_floats(picture: NDArray[Any]) -> NDArray[np.float32]:
    """Return a picture in float32: whole numbers from 0 to 1 by their depth, others as they are."""
    if picture.dtype == bool:
        return picture.astype(np.float32)
    if np.issubdtype(picture.dtype, np.integer):
        # Divided in double precision, then rounded: what a division by 255 is expected to give.
        return (picture / np.float64(np.iinfo(picture.dtype).max)).astype(np.float32)
    return picture.astype(np.float32)


def normalised(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a picture with the mean 0 and the deviation 1 over all its pixels and channels.

    Dark and bright exposures then look alike to a network. A picture of one value becomes 0.
    """
    mean = picture.mean(dtype=np.float64)
    deviation = picture.std(dtype=np.float64)
    return np.asarray((picture - mean) / max(deviation, 1e-6), dtype=np.float32)


def scaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Return height and width after scaling, rounded down.

    Raises:
        ParameterError: nothing is left.
    """
    size = int(scale * height), int(scale * width)
    if min(size) < 1:
        raise ParameterError(f"scale = {scale}: nothing is left of {height} x {width} pixels")
    return size


def resized(array: NDArray[Any], height: int, width: int, *, smooth: bool) -> NDArray[Any]:
    """Return an array ``(…, height, width)`` of another size, in its own type.

    Args:
        array: a picture ``(channels, height, width)``, or class numbers ``(height, width)``.
        height: pixels.
        width: pixels.
        smooth: bicubic, for pictures; else the nearest pixel, for class numbers.
    """
    if array.shape[-2:] == (height, width):
        return array
    if not smooth:
        rows = ((np.arange(height) + 0.5) * array.shape[-2] / height).astype(int)
        columns = ((np.arange(width) + 0.5) * array.shape[-1] / width).astype(int)
        return np.ascontiguousarray(array[..., rows[:, None], columns])
    if array.dtype == np.uint8:
        planes = [_bicubic(plane, height, width) for plane in array]
        return np.stack(planes)
    kind: np.dtype[Any] = np.dtype(np.uint8) if array.dtype == bool else array.dtype
    planes = [_bicubic(plane.astype(np.float32), height, width) for plane in array]
    if np.issubdtype(kind, np.integer):
        limit = 1 if array.dtype == bool else np.iinfo(kind).max
        planes = [plane.clip(0, limit).round() for plane in planes]
    return np.stack(planes).astype(array.dtype)


def _bicubic(plane: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC))


def _opened(path: Path) -> Image.Image:
    """Return the decoded picture of a file, turned upright."""
    try:
        with Image.open(path) as image:
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":  # that is a photograph with its thumbnails
                raise DatasetError(f"'{path}' holds {frames} pictures; save each in its own file")
            return ImageOps.exif_transpose(image)
    except DatasetError:
        raise
    except FileNotFoundError as error:
        raise DatasetError(f"no picture '{path}'") from error
    except UnidentifiedImageError as error:
        raise DatasetError(f"cannot read '{path}': no picture, or of an unknown format") from error
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, EOFError) as error:
        raise DatasetError(f"cannot read '{path}': {error}") from error


def _colours(image: Image.Image) -> Palette | None:
    """Return the palette of a picture, if it has one with colours."""
    if image.mode != "P":
        return None
    flat = image.getpalette() or []
    palette = tuple(zip(flat[::3], flat[1::3], flat[2::3], strict=False))
    return None if all(len(set(colour)) == 1 for colour in palette) else palette


def _pixels(path: Path, image: Image.Image) -> NDArray[Any]:
    """Return ``(height, width)`` or ``(height, width, channels)``; palettes become colours."""
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    if image.mode == "I":  # 16 bit to most programs, 32 bit to Pillow
        wide = np.asarray(image)
        if wide.min() < 0 or wide.max() > np.iinfo(np.uint16).max:
            raise DatasetError(f"'{path}' has values outside 0 to 65535; save it with 16 bit")
        return wide.astype(np.uint16)
    if image.mode not in ("1", "L", "LA", "La", "F", "RGB", "RGBA"):
        image = image.convert("RGB")
    return np.asarray(image)


def _read_array(path: Path) -> NDArray[Any]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"cannot read '{path}': {' '.join(str(error).split())}") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise DatasetError(f"'{path}' is not an array of numbers")
    return array if array.dtype in (np.bool_, np.uint8, np.uint16) else array.astype(np.float32)


def _as_grey(colours: NDArray[Any]) -> NDArray[Any]:
    """Return one plane where the three of a mask are equal: grey saved as colour."""
    first = colours[:, :, 0]
    equal = (first == colours[:, :, 1]).all() and (first == colours[:, :, 2]).all()
    return first if equal else colours
