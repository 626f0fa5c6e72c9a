"""A picture of any size through a network, tile by tile: the overlap-tile strategy.

Each tile is seen with all the surroundings that its output depends on, and only its middle is
kept; the middles abut. Memory for the network is bounded by the tile, and the result is that of
the whole picture in one piece:

- exactly (up to rounding) for networks whose output depends on near pixels alone, as tiles begin at
  multiples of the network's stride, so that pooling groups the same pixels;
- nearly with bilinear upsampling, whose aligned corners depend on a tile's size;
- not with instance or group norm, whose statistics are those of a tile.

A padded network sees zeros beyond the picture, as in training. One without padding (the paper's)
needs surroundings everywhere: beyond its edges the picture is mirrored.

Reference: O. Ronneberger, P. Fischer, T. Brox, "U-Net: Convolutional Networks for Biomedical Image
Segmentation", MICCAI 2015 (arXiv 1505.04597), figure 2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stemsep.errors import ParameterError
from stemsep.models import UNetConfig

__all__ = ["TileConfig", "lost_border", "mirrored", "overlap_tile", "tile_config"]


@dataclass(frozen=True, kw_only=True)
class TileConfig:
    """How a picture is cut for one network.

    Args:
        stride: tiles begin at multiples of it: what one pixel of the lowest level covers.
        context: surroundings of a tile that the network sees, at the top and left, in pixels.
        extra: how much more at the bottom and right.
        lost: pixels that the network's output lacks at the top and left.
        mirror: the picture goes on mirrored beyond its edges, else it ends there.
    """

    stride: int
    context: int
    extra: int = 0
    lost: int = 0
    mirror: bool = False


@dataclass(frozen=True)
class _Span:
    """One axis of a tile.

    Args:
        first: pixel of the picture that the tile's own part begins at.
        last: pixel that it ends before.
        seen: pixels of the picture that the network sees.
        kept: where in the network's output the tile's own part is.
    """

    first: int
    last: int
    seen: NDArray[np.int64]
    kept: slice


def lost_border(config: UNetConfig) -> int:
    """Return how far from a pixel the convolutions reach, in pixels of the top level.

    It is what a network without padding loses on each side: 92 for the paper's.
    """
    reach = config.kernel_size - 1  # of one block, at its own level
    lowest = config.levels - 1
    blocks = sum(reach * 2**level * (1 if level == lowest else 2) for level in range(lowest + 1))
    return int(blocks + 2**lowest * sum(config.time_dilations))


def tile_config(config: UNetConfig) -> TileConfig:
    """Return how pictures are cut for a network."""
    stride, reach = 2 ** (config.levels - 1), lost_border(config)
    if config.padding == "valid":
        # What the last pixels depend on can reach further by what one pooled pixel covers.
        return TileConfig(stride=stride, context=reach, extra=stride, lost=reach, mirror=True)
    return TileConfig(stride=stride, context=(-(-reach // stride) + 1) * stride)


def overlap_tile(
    network: Callable[[Tensor], Tensor],
    picture: Tensor,
    *,
    config: TileConfig,
    tile: int,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Tensor:
    """Return the network's output ``(outputs, height, width)`` for a whole picture, on the CPU.

    Args:
        network: ``(1, channels, height, width)`` to ``(1, outputs, …)``, smaller by ``lost`` on
            each side.
        picture: ``(channels, height, width)``.
        config: of the network.
        tile: height and width of what is kept of a tile, a multiple of the stride; 0: the picture
            in one piece. Pictures little larger than that go in one piece too.
        progress: called with the tiles done and their number.

    Raises:
        ParameterError: a tile that is no multiple of the stride.
    """
    if tile < 0 or tile % config.stride:
        raise ParameterError(f"tile = {tile}: it must be 0 or a multiple of {config.stride}")
    height, width = picture.shape[1:]
    rows, columns = (list(_spans(n, tile, config)) for n in (height, width))
    pieces = [(row, column) for row in rows for column in columns]
    result = torch.empty(0)
    for done, (row, column) in enumerate(pieces, start=1):
        seen = picture[:, torch.from_numpy(row.seen)][:, :, torch.from_numpy(column.seen)]
        output = network(seen[None])[0]
        if done == 1:
            result = torch.empty(len(output), height, width)
        kept = output[:, row.kept, column.kept]
        result[:, row.first : row.last, column.first : column.last] = kept
        progress(done, len(pieces))
    return result


def mirrored(first: int, last: int, size: int) -> NDArray[np.int64]:
    """Return the pixels of an axis from ``first`` to ``last``, reflected at both ends.

    The edge pixel is not repeated: -1 is pixel 1, ``size`` is pixel ``size - 2``.
    """
    period = max(1, 2 * (size - 1))
    place = np.arange(first, last) % period
    return np.minimum(place, period - place) if size > 1 else np.zeros_like(place)


def _spans(size: int, tile: int, config: TileConfig) -> Iterator[_Span]:
    step = size if tile == 0 or size <= tile + 2 * config.context else tile
    for first in range(0, size, step):
        last = min(first + step, size)
        begin, end = first - config.context, last + config.context + config.extra
        if not config.mirror:
            begin, end = max(0, begin), min(size, end)
        skipped = first - begin - config.lost
        kept = slice(skipped, skipped + last - first)
        yield _Span(first, last, mirrored(begin, end, size), kept)
