"""The user's own folder of networks: fetched from where they were published, or imported.

``CACHE/models/FAMILY/MODEL.safetensors``, each with a record of where it comes from and under what
terms. A file gets there complete and checked, or not at all.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import platformdirs

from stemsep.audio.atomic import lock_file
from stemsep.errors import DownloadError, ParameterError, WeightsError
from stemsep.weights.checkpoint import Card, copy_checkpoint, read_any_card, save_network
from stemsep.weights.digest import file_digest
from stemsep.weights.download import download
from stemsep.weights.fetching import Fetching, addresses, fetch_file
from stemsep.weights.foreign import read_foreign
from stemsep.weights.published import PublishedModel, published_like

__all__ = [
    "cache_folder",
    "fetch",
    "fetch_address",
    "import_file",
    "published_card",
    "remove",
    "stored_models",
    "stored_path",
]

SUFFIX = ".safetensors"
NAME = re.compile(r"[A-Za-z0-9][\w.+-]*(:[A-Za-z0-9][\w.+-]*)?", re.ASCII)


def cache_folder() -> Path:
    """Return the folder for what can be fetched again: ``STEMSEP_CACHE``, or the platform's."""
    chosen = os.environ.get("STEMSEP_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("stemsep", appauthor=False)


def stored_models() -> dict[str, Path]:
    """Return name -> file of the networks in the store."""
    folder = cache_folder() / "models"
    paths = sorted([*folder.glob(f"*{SUFFIX}"), *folder.glob(f"*/*{SUFFIX}")])
    return {_relative_name(path.relative_to(folder)): path for path in paths}


def stored_path(name: str) -> Path:
    """Return the file that a name has in the store, whether it is there or not.

    Raises:
        ParameterError: a name that no file could have everywhere.
    """
    if not NAME.fullmatch(name):
        raise ParameterError(f"'{name}' cannot name a network: use letters, digits and ._+-")
    return cache_folder() / "models" / (name.replace(":", "/") + SUFFIX)


def fetch(model: PublishedModel, fetching: Fetching) -> Path:
    """Return the file of a published network, which is fetched if it is not in the store.

    With ``STEMSEP_MIRROR`` set, its files come from that address instead of their own.

    Raises:
        DownloadError: it cannot be fetched; the message says what to do by hand.
        WeightsError: what was fetched is damaged, or its terms have not been accepted.
    """
    path = stored_path(model.name)
    if path.exists():
        return path
    if model.accept_licence and not fetching.accept_licence:
        raise WeightsError(
            f"'{model.name}' is under {model.license}: say that you accept that, once, by "
            f"stemsep models download {model.name} --accept-licence"
        )
    if fetching.offline:
        raise DownloadError(f"offline, and '{model.name}' is not here: {_by_hand(model)}")
    with _alone(model.name, fetching):
        if not path.exists():
            try:
                _fetch(model, path, fetching)
            except DownloadError as error:
                raise DownloadError(f"{error}; or {_by_hand(model)}") from error
    return path


def _fetch(model: PublishedModel, path: Path, fetching: Fetching) -> None:
    folder = cache_folder() / "downloads" / model.name.replace(":", "-")
    host = urlsplit(addresses(model.files[0])[0]).netloc
    fetching.tell(f"{model.name}: {model.megabytes:.0f} MB from {host}; terms: {model.license}")
    sources = [fetch_file(file, folder, fetching) for file in model.files]
    foreign = read_foreign(folder if len(model.files) > 1 else folder / model.files[0].name)
    if foreign.config != model.config:
        raise WeightsError(f"{sources[0]['url']} holds another network than {model.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    save_network(path, foreign.network.state_dict(), foreign.config, _card(model, sources))
    shutil.rmtree(folder, ignore_errors=True)


def fetch_address(
    url: str, fetching: Fetching, *, name: str | None = None, sha256: str | None = None
) -> Path:
    """Return the file of a network at any address, which is fetched if it is not in the store.

    Args:
        url: of anything that `import_file` takes.
        fetching: how.
        name: in the store; by default the address's last part without its ending.
        sha256: digest that the file must have.

    Raises:
        DownloadError: it cannot be fetched.
        WeightsError: it is no network, or the store has another one of that name.
        ParameterError: no address, or a name that cannot be one.
    """
    file = urlsplit(url).path.rpartition("/")[2]
    name = name or re.sub(r"(\.tar)?\.\w+$", "", file)
    path = stored_path(name)
    with _alone(name, fetching):
        if path.exists():
            if url in [source.get("url") for source in read_any_card(path)[1].sources]:
                return path
            raise WeightsError(f"the store has another '{name}': choose another --name")
        folder = cache_folder() / "downloads" / name.replace(":", "-")
        if fetching.offline:
            raise DownloadError(f"offline, and '{name}' is not here: it comes from {url}")
        fetching.tell(f"{name}: from {urlsplit(url).netloc}; terms: not known to stemsep")
        with fetching.progress(file) as progress:
            fetched = download(url, folder / file, sha256=sha256, progress=progress)
        import_file(fetched, name=name, source={"url": url})
        shutil.rmtree(folder, ignore_errors=True)
    return path


def import_file(
    path: Path,
    *,
    name: str | None = None,
    output: Path | None = None,
    overwrite: bool = False,
    source: Mapping[str, Any] | None = None,
) -> tuple[str, Path]:
    """Convert a network of another program, or take over a checkpoint of ours.

    Args:
        path: anything that `read_foreign` takes, or a ``.safetensors`` checkpoint.
        name: in the store; by default that of the published model of the same shape, or the
            file's own.
        output: a file to write instead.
        overwrite: replace what is there.
        source: what to record of where the file came from, besides its digest.

    Returns:
        The name, and the file that was written.

    Raises:
        WeightsError: not a network that can be read, or one of that name is there already.
        ParameterError: a name that cannot be one.
    """
    own = path.suffix == SUFFIX and path.is_file()
    foreign = None if own else read_foreign(path)
    digests = [file_digest(file) for file in (foreign.files if foreign else [path])]
    model = published_like(foreign.config, digests) if foreign else None
    name = name or (model.name if model else path.stem)
    final = output or stored_path(name)
    if final.exists() and not overwrite:
        raise WeightsError(f"'{final}' is there already: use --overwrite, or another name")
    files = foreign.files if foreign else (path,)
    published = model is not None and model.is_from(digests)
    records = [
        {**(source or {"file": file.name}), "sha256": digest, "published": published}
        for file, digest in zip(files, digests, strict=True)
    ] or [{"file": path.name, "published": False}]
    final.parent.mkdir(parents=True, exist_ok=True)
    if foreign:
        card = _card(model, records)
        save_network(final, foreign.network.state_dict(), foreign.config, card)
    else:
        copy_checkpoint(path, final, sources=records)
    return name, final


def remove(name: str) -> Path:
    """Remove a network from the store and return its file.

    Raises:
        WeightsError: there is none of that name.
    """
    path = stored_path(name)
    if not path.exists():
        names = ", ".join(stored_models()) or "none"
        raise WeightsError(f"no network '{name}' in the store, which has: {names}")
    path.unlink()
    return path


def published_card(
    model: PublishedModel, sources: Sequence[Mapping[str, Any]] | None = None
) -> Card:
    """Return the record of a published network.

    Args:
        model: the network.
        sources: where it came from; by default where it lies.
    """
    lies = [{"url": file.url, "sha256": file.sha256} for file in model.files]
    return Card(
        license=model.license,
        training_data=model.training_data,
        description=model.description,
        scores=model.scores,
        sources=tuple(lies if sources is None else sources),
    )


def _card(model: PublishedModel | None, sources: list[dict[str, Any]]) -> Card:
    """Return the record of a network that came from those sources, which may be others."""
    if model and all(source["published"] for source in sources):
        return published_card(model, sources)
    description = f"in the place of {model.name}, from another file" if model else ""
    return Card(description=description, sources=tuple(sources))


def _by_hand(model: PublishedModel) -> str:
    """Return what to do where a network cannot be fetched."""
    addresses = " and ".join(file.url for file in model.files)
    source = model.files[0].name
    if len(model.files) > 1:
        addresses, source = f"{addresses} into one folder", "FOLDER"
    return f"bring {addresses} by other means and run stemsep models import {source}"


def _relative_name(path: Path) -> str:
    return path.with_suffix("").as_posix().replace("/", ":")


@contextmanager
def _alone(name: str, fetching: Fetching) -> Iterator[None]:
    """Keep other processes from fetching the same network at the same time."""
    path = cache_folder() / "locks" / name.replace(":", "-")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("wb")
    except OSError as error:
        raise DownloadError(
            f"cannot write to '{cache_folder()}': {error.strerror or error}; let the environment "
            "variable STEMSEP_CACHE name another folder"
        ) from error
    with file:
        try:
            lock_file(file.fileno())
        except OSError:
            fetching.tell(f"another process is fetching '{name}': waiting for it")
            lock_file(file.fileno(), wait=True)
        yield
