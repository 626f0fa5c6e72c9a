"""Separate recorded music into stems, train the networks that do it, and measure them.

The library's front door is `Separator`; ``docs/dataflow.md`` shows the way of a song through the
packages.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stemsep.separation.separator import Separator as Separator

__all__ = ["Separator", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Importing torch takes seconds, and `stemsep --help` should not wait for it.
    if name == "Separator":
        from stemsep.separation.separator import Separator

        return Separator
    raise AttributeError(f"module 'stemsep' has no attribute '{name}'")
