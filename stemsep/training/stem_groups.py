"""Stems of the data -> stems of a network, which may be sums of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stemsep.data.playing import Example
from stemsep.separation.stems import ACCOMPANIMENT

__all__ = ["group_examples", "stem_groups"]

Groups = Sequence[Sequence[int]]


def stem_groups(
    wanted: Sequence[str], standard: Sequence[str]
) -> tuple[tuple[str, ...], list[list[int]]]:
    """Return the stems to read, and which of them each wanted stem is the sum of.

    A network that separates some of the standard stems hears all of them in the mixture, and
    ``accompaniment`` is all that are not named. Other names are stems of their own.

    Args:
        wanted: the network's stems.
        standard: what music is made of unless ``wanted`` has other names.

    Example:
        >>> stem_groups(["vocals", "accompaniment"], ["vocals", "drums", "bass"])
        (('vocals', 'drums', 'bass'), [[0], [1, 2]])
    """
    named = [stem for stem in wanted if stem != ACCOMPANIMENT]
    read = tuple(standard) if set(named) <= set(standard) else tuple(named)
    rest = [i for i, stem in enumerate(read) if stem not in named]
    return read, [rest if stem == ACCOMPANIMENT else [read.index(stem)] for stem in wanted]


def group_examples(example: Example, groups: Groups) -> Example:
    """Return an example with the stems that a network separates.

    A sum can be trusted if all its stems can; or if all that cannot are in it, since what one of
    them lacks is in another.
    """
    if [list(group) for group in groups] == [[i] for i in range(len(example.stems))]:
        return example
    masked = set(np.flatnonzero(example.reliable == 0).tolist())
    bare = len(masked) == len(example.stems)  # a song without stems
    good = [
        not masked & set(group) or (len(group) > 1 and masked <= set(group) and not bare)
        for group in groups
    ]
    return Example(
        stems=np.stack([example.stems[list(group)].sum(0) for group in groups]),
        mixture=example.mixture,
        reliable=np.array(good, np.float32),
    )
