"""How far chunks, their context and bf16 are from one single chunk in fp32, in dB of the mixture.

Without the filters and what is heard at all, which are each chunk's own.

python benchmarks/chunks.py [SONG] [--seconds 40] [--model default]
"""

from __future__ import annotations

from pathlib import Path

import click
import torch

from stemsep import Separator
from stemsep.audio import read_audio
from stemsep.data.shipped import shipped_folder
from stemsep.separation.chunking import ChunkConfig


def difference_db(one: torch.Tensor, other: torch.Tensor, mixture: torch.Tensor) -> float:
    return float(10 * torch.log10((one - other).square().mean() / mixture.square().mean()))


@click.command()
@click.argument("song", type=click.Path(path_type=Path), required=False)
@click.option("--seconds", default=40, show_default=True)
@click.option("--model", default="default", show_default=True)
def main(song: Path | None, seconds: int, model: str) -> None:
    """Print a Markdown table; -inf is equality to the bit."""
    waveform, rate = read_audio(song or shipped_folder("data") / "example.ogg")
    mixture = torch.from_numpy(waveform[:, : seconds * rate])
    frames = -(-mixture.shape[1] // 1024 // 16) * 16

    def run(core: int, context: int, precision: str) -> dict[str, torch.Tensor]:
        chunks = ChunkConfig(core_frames=core, context_frames=context)
        separator = Separator.from_pretrained(
            model, precision=precision, chunks=chunks, spatial=False
        )
        if separator.config.unet.presence:
            for parameter in separator.network.unet.presence.heard.parameters():
                torch.nn.init.zeros_(parameter)
        return separator.separate(mixture, rate)

    whole = {precision: run(frames, 128, precision) for precision in ("fp32", "bf16")}
    click.echo("| core | context | precision | compared with | worst stem, dB |")
    click.echo("| --- | --- | --- | --- | --- |")
    default = ChunkConfig()
    cases = [(416, 32), (416, 48), (default.core_frames, default.context_frames), (416, 96)]
    for precision in ("fp32", "bf16"):
        for core, context in cases:
            stems = run(core, context, precision)
            worst = max(difference_db(stems[s], whole[precision][s], mixture) for s in stems)
            click.echo(f"| {core} | {context} | {precision} | one chunk, same | {worst:.1f} |")
    worst = max(difference_db(whole["bf16"][s], whole["fp32"][s], mixture) for s in whole["bf16"])
    click.echo(f"| {frames} | 128 | bf16 | one chunk, fp32 | {worst:.1f} |")


if __name__ == "__main__":
    main()
