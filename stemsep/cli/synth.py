"""``stemsep synth``: seeds -> songs with exact stems."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stemsep.cli.options import debug_option
from stemsep.cli.progress import songs_progress
from stemsep.errors import ParameterError

if TYPE_CHECKING:
    from stemsep.data.synthetic import Library

__all__ = ["command"]


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One song to make, complete in itself: it goes to another process."""

    folder: Path
    seed: int
    seconds: float
    samples: Library | None
    midi: tuple[Path, ...]
    plot: bool


@click.command()
@click.argument("output", metavar="OUT", type=click.Path(path_type=Path, file_okay=False))
@click.argument(
    "more_midi", nargs=-1, metavar="[MIDI]...", type=click.Path(path_type=Path, exists=True)
)
@click.option("--tracks", type=click.IntRange(1), default=10, show_default=True, help="How many.")
@click.option(
    "--seconds",
    type=click.FloatRange(0.1, 3600),
    default=30.0,
    show_default=True,
    help="Length of each.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Equal seeds: equal songs."
)
@click.option(
    "--samples",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder of instruments and drum kits to play, searched to any depth; can be repeated.",
)
@click.option(
    "--midi",
    multiple=True,
    type=click.Path(path_type=Path),
    help="MIDI file, or folder of them; each song plays one. Can be repeated.",
)
@click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    help="Songs made at once (default: one per core).",
)
@click.option("--plot", is_flag=True, help="Also write a piano roll over the spectrogram (PNG).")
@click.option("--skip-existing", is_flag=True, help="Leave songs alone that are there already.")
@click.option("--overwrite", is_flag=True, help="Replace songs that are there already.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@debug_option
def command(
    output: Path,
    more_midi: tuple[Path, ...],
    tracks: int,
    seconds: float,
    seed: int,
    samples: tuple[Path, ...],
    midi: tuple[Path, ...],
    jobs: int | None,
    plot: bool,
    skip_existing: bool,
    overwrite: bool,
    quiet: bool,
) -> int:
    """Make songs from notes, with exact stems, to train and to test with.

    Writes OUT/NAME/ with mixture.wav, vocals.wav, drums.wav, bass.wav and other.wav, as in
    MUSDB18-HQ, for each song. All sounds are synthetic, and free of anybody's rights, unless
    folders of samples are given.

    \b
    Examples:
      stemsep synth songs --tracks 100 --seconds 60
      stemsep synth songs --samples instruments/ --midi grooves/ --plot
    """
    from stemsep.data.synthetic import find_samples, song_seed
    from stemsep.data.synthetic.midi import find_midi

    if more_midi and not midi:
        raise click.UsageError(f"unexpected argument '{more_midi[0]}'; name MIDI files by --midi")
    if skip_existing and overwrite:
        raise click.UsageError("--skip-existing and --overwrite exclude each other")
    library = find_samples(samples) if samples else None
    files = tuple(find_midi([*midi, *more_midi]))
    digits = max(4, len(str(tracks)))
    wanted = [
        _Job(
            folder=output / f"synthetic-{seed}-{number:0{digits}d}",
            seed=song_seed(seed, number),
            seconds=seconds,
            samples=library,
            midi=files,
            plot=plot,
        )
        for number in range(tracks)
    ]
    todo = _without_existing(wanted, skip=skip_existing, overwrite=overwrite)
    with songs_progress(show=not quiet) as songs, songs("songs") as update:
        for done, _ in enumerate(_made(todo, jobs or os.cpu_count() or 1), start=1):
            update(done * seconds, len(todo) * seconds)
    if not quiet:
        click.echo(f"{len(todo)} songs in {output}", err=True)
    return 0


def _without_existing(wanted: list[_Job], *, skip: bool, overwrite: bool) -> list[_Job]:
    from stemsep.data.synthetic.write import MIXTURE

    there = {job.folder for job in wanted if (job.folder / MIXTURE).exists()}
    if there and not (skip or overwrite):
        raise ParameterError(
            f"'{min(there)}' is there already; give another folder or seed, --skip-existing or "
            "--overwrite"
        )
    return [job for job in wanted if overwrite or job.folder not in there]


def _made(jobs: list[_Job], processes: int) -> Iterator[None]:
    """Make the songs, each yielding once it is done."""
    processes = min(processes, len(jobs))
    if processes < 2:
        yield from map(_make, jobs)
        return
    # Fresh processes: a fork of one with threads can hang.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        pending = [pool.submit(_make, job) for job in jobs]
        try:
            for future in as_completed(pending):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _make(job: _Job) -> None:
    from dataclasses import replace

    from stemsep.data.synthetic.song import make_score, perform
    from stemsep.data.synthetic.write import write_track

    score = make_score(job.seed, seconds=job.seconds, midi=job.midi)
    track = replace(perform(score, job.seed, samples=job.samples), name=job.folder.name)
    write_track(track, job.folder)
    if job.plot:
        from stemsep.plotting.pianoroll import plot_pianoroll

        plot_pianoroll(score, track, job.folder / "pianoroll.png")
