"""What stems a user asks for -> which of the network's they are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stemsep.errors import ParameterError

__all__ = ["ACCOMPANIMENT", "StemSet", "choose_stems"]

ACCOMPANIMENT = "accompaniment"


@dataclass(frozen=True, kw_only=True)
class StemSet:
    """Named stems, each the sum of some of the network's.

    Args:
        groups: name -> indices of the network's stems; together they hold each stem once.
        written: the names that were asked for.
    """

    groups: Mapping[str, tuple[int, ...]]
    written: tuple[str, ...]


def choose_stems(wanted: str | int | Sequence[str] | None, available: Sequence[str]) -> StemSet:
    """Return the set of stems for what a user asked for.

    Args:
        wanted: ``None`` for all of the network's; ``"2"`` for vocals and accompaniment; the
            network's own number of stems; names, in a sequence or separated by commas.
        available: the network's stems, in order.

    Raises:
        ParameterError: a number or name that the network does not have, or a name twice.
    """
    groups: dict[str, tuple[int, ...]] = {name: (index,) for index, name in enumerate(available)}
    wanted = str(wanted) if isinstance(wanted, int) else wanted
    if wanted is None or wanted == str(len(available)):
        return StemSet(groups=groups, written=tuple(available))
    names = [n.strip() for n in wanted.split(",")] if isinstance(wanted, str) else list(wanted)
    if names == ["2"]:
        names = ["vocals", ACCOMPANIMENT]
    if ACCOMPANIMENT in names and "vocals" in available:
        rest = tuple(index for index, name in enumerate(available) if name != "vocals")
        groups = {"vocals": groups["vocals"], ACCOMPANIMENT: rest}
    unknown = [name for name in names if name not in groups]
    if not names or unknown or len(set(names)) != len(names):
        problem = f"no stem '{unknown[0]}'" if unknown else f"no or equal stems in {names}"
        choices = [*available, *([ACCOMPANIMENT] if "vocals" in available else [])]
        raise ParameterError(
            f"{problem}: this model has {', '.join(choices)} "
            f"({ACCOMPANIMENT} goes with vocals alone), or a number: 2 or {len(available)}"
        )
    return StemSet(groups=groups, written=tuple(names))
