"""``stemsep augment-images``: a set of pictures, or one logo -> a larger set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from stemsep.cli.options import data_errors, debug_option
from stemsep.cli.progress import count_progress

__all__ = ["command"]


@click.command("augment-images")
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.argument("output", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--copies",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Of each pair, or pictures with the logo.",
)
@click.option(
    "--augment",
    default="all",
    show_default=True,
    help="none, all, or a list of flips, turns, rotation, shift, scale, brightness, contrast, "
    "elastic, each perhaps with =STRENGTH.",
)
@click.option("--mask-values", help="Grey values of noisy masks: 0,255. Pixels take the nearest.")
@click.option("--colour", default="", help="Of a logo: its colour, such as #d02020.")
@click.option("--threshold", type=click.IntRange(1, 255), help="Of a logo: it is darker than this.")
@click.option("--invert", is_flag=True, help="The logo is brighter than the threshold.")
@click.option(
    "--backgrounds",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Pictures to put a logo on (default: drawn).",
)
@click.option("--size", type=int, default=256, show_default=True, help="Of pictures with a logo.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of everything random.")
@debug_option
def command(data: Path, output: Path, **options: Any) -> int:
    """Write varied copies of the pairs in DATA, or of one logo, to OUTPUT.

    DATA is a folder as for `stemsep train-images`, or a picture of a logo: its transparency, a
    colour or a threshold says what of it is the logo, and it is put on many backgrounds. OUTPUT
    gets imgs, masks and contact-sheet.png.

    \b
    Examples:
      stemsep augment-images cells/ more-cells/ --copies 10 --augment flips,turns,elastic=10
      stemsep augment-images logo.png logos/ --copies 60
    """
    from stemsep.data.image_augment import parse_augment
    from stemsep.data.image_copies import logo_copies, set_copies, write_pairs
    from stemsep.data.image_logo import LogoConfig
    from stemsep.data.image_masks import parse_mask_values
    from stemsep.data.image_pairs import read_image_set
    from stemsep.plotting.preview import save_contact_sheet

    given = {name: options[name] for name in ("colour", "threshold", "invert", "size")}
    copies, seed = options["copies"], options["seed"]
    with data_errors():
        if data.is_dir():
            values = parse_mask_values(options["mask_values"] or "")
            image_set = read_image_set(data, mask_values=values)
            variations = parse_augment(options["augment"])
            pairs = set_copies(image_set, copies, variations, seed=seed)
            total = copies * len(image_set.pairs)
        else:
            image_set, total = None, copies
            pairs = logo_copies(
                data, options["backgrounds"], copies, LogoConfig(**given), seed=seed
            )
        with count_progress("writing pairs") as progress:
            shown = write_pairs(pairs, output, image_set, lambda done: progress(done, total))
    save_contact_sheet(output / "contact-sheet.png", shown)
    click.echo(f"{total} pairs and contact-sheet.png in '{output}'", err=True)
    return 0
