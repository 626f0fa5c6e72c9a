"""What ties a U-Net to pictures: the masks' values, and how pixels are prepared.

The network itself is a plain `UNet`: colours in, one map of logits per class out (or a single one,
for two classes, through a sigmoid).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stemsep.errors import ParameterError, check_choices
from stemsep.models.unet import UNetConfig

__all__ = ["ImageNetworkConfig"]


@dataclass(frozen=True, kw_only=True)
class ImageNetworkConfig:
    """What an image checkpoint has to say about its network.

    Args:
        unet: the network; it gives logits, one map per class, or one map for two classes.
        mask_values: grey values or colours of the classes in the masks learned from, sorted; the
            place of a value is its class.
        palette: colours by value, where those masks had a palette.
        scale: pictures are resized by this before the network, its logits back after it.
        normalise: each picture to mean 0 and deviation 1, or only to the range 0 to 1.

    Raises:
        ParameterError: parts that do not fit together.
    """

    unet: UNetConfig
    mask_values: tuple[int | tuple[int, int, int], ...]
    palette: tuple[tuple[int, int, int], ...] | None = None
    scale: float = 1.0
    normalise: Literal["picture", "none"] = "picture"

    def __post_init__(self) -> None:
        values = tuple(_value(value) for value in self.mask_values)
        object.__setattr__(self, "mask_values", values)
        if self.palette is not None:
            palette = tuple((red, green, blue) for red, green, blue in self.palette)
            object.__setattr__(self, "palette", palette)
        check_choices(self)
        if self.unet.stems or self.unet.head != "logits":
            raise ParameterError("pictures need a U-Net with stems = 0 and head = 'logits'")
        if self.unet.in_channels not in (1, 3):
            raise ParameterError(
                f"in_channels = {self.unet.in_channels}: pictures have 1 (grey) or 3 (colours)"
            )
        classes, outputs = len(values), self.unet.out_channels
        if classes < 2 or len(set(values)) != classes:
            raise ParameterError(f"mask_values = {values}: give two or more different ones")
        if outputs != classes and (outputs, classes) != (1, 2):
            raise ParameterError(f"{classes} mask values, but the U-Net has {outputs} outputs")
        if not 0 < self.scale <= 1:
            raise ParameterError(f"scale = {self.scale}: it must be above 0 and at most 1")

    @property
    def classes(self) -> int:
        """Number of classes, the background included."""
        return len(self.mask_values)


def _value(value: object) -> int | tuple[int, int, int]:
    """Return a grey value or a colour, which JSON keeps as a list."""
    if isinstance(value, list | tuple):
        red, green, blue = value
        return (int(red), int(green), int(blue))
    if isinstance(value, int):  # also True and False, as milesial/Pytorch-UNet stores 1-bit masks
        return int(value)
    raise ParameterError(f"mask value {value!r}: it must be a whole number or three of them")
