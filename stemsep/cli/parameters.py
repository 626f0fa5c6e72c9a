"""Kinds of arguments that click does not have: names with a leading dash, and times."""

from __future__ import annotations

import os
from typing import Any

import click

__all__ = ["SECONDS", "LiteralNames"]


class LiteralNames(click.Command):
    """Takes an argument that exists as a file or folder literally, even with a leading dash."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the arguments apart, with ``./`` before names that could be options."""
        if "" in args:
            raise click.UsageError("an argument is empty: name a file, a folder or a value", ctx)
        options = {name for parameter in self.params for name in parameter.opts}
        args = [
            f"./{arg}"
            if arg.startswith("-") and arg not in options and os.path.lexists(arg)
            else arg
            for arg in args
        ]
        return super().parse_args(ctx, args)


class _Seconds(click.ParamType):  # type: ignore[type-arg]
    """A time: seconds such as 90 or 90.5, or minutes and seconds such as 1:30."""

    name = "time"

    def convert(
        self,
        value: Any,
        param: click.Parameter | None,
        ctx: click.Context | None,  # noqa: ARG002
    ) -> float:
        """Return seconds."""
        try:
            parts = [float(part) for part in str(value).split(":")]
        except ValueError:
            parts = []
        if not 1 <= len(parts) <= 3:
            self.fail(f"'{value}' is no time: give seconds, or minutes and seconds as 1:30", param)
        return float(sum(part * 60**power for power, part in enumerate(reversed(parts))))


SECONDS = _Seconds()
