"""A template of this folder -> a page of HTML that needs no other file."""

from __future__ import annotations

import base64
from typing import Any

from stemsep.evaluation.tables import number

__all__ = ["render"]


def render(template: str, **values: Any) -> str:
    """Return a page; ``title`` must be among the values.

    In templates, ``number`` shows one with so many decimals, and ``base64`` encodes bytes for a
    data address. Text is escaped.
    """
    # Importing jinja2 takes time, which a run that fails early should not.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("stemsep.evaluation", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode()
    return environment.get_template(template).render(values)
