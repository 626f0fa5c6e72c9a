"""The networks of others that can be had by name: where they lie, and under what terms.

Names are ``family:model``; a family alone stands for one of its models.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from stemsep.models import (
    SPLEETER_MODELS,
    ImageNetworkConfig,
    OpenUnmixConfig,
    SCNetConfig,
    SeparationConfig,
    UNetConfig,
)

__all__ = [
    "CARVANA_ADDRESS",
    "FAMILIES",
    "PUBLISHED",
    "PublishedFile",
    "PublishedModel",
    "published_like",
    "published_name",
]

SPLEETER = "https://github.com/deezer/spleeter/releases/download/v1.4.0"
OPENUNMIX = "https://zenodo.org/records"
SCNET = "https://github.com/ZFTurbo/Music-Source-Separation-Training/releases/download/v.1.0.6"
CARVANA_ADDRESS = (
    "https://github.com/milesial/Pytorch-UNet/releases/download/v3.0/"
    "unet_carvana_scale{scale}_epoch2.pth"
)
"""Of the networks for cars, with the scale that pictures are resized by."""


@dataclass(frozen=True, kw_only=True)
class PublishedFile:
    """A file to fetch.

    Args:
        url: its address.
        sha256: its digest or the first digits of it; empty where it is not known.
        megabytes: its size, about.
    """

    url: str
    sha256: str
    megabytes: float

    @property
    def name(self) -> str:
        """Its own name."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """A network that somebody published.

    Args:
        name: what users type.
        files: what it is made from.
        config: of the network.
        license: its terms, as stated by those who published it.
        training_data: what it learned from, as far as they say.
        description: one line for lists.
        scores: published ones, as in `stemsep.weights.checkpoint.Card`.
        accept_licence: whether its terms have to be accepted before it is fetched.
    """

    name: str
    files: tuple[PublishedFile, ...]
    config: SeparationConfig | ImageNetworkConfig
    license: str
    training_data: str
    description: str
    scores: tuple[Mapping[str, Any], ...] = ()
    accept_licence: bool = False

    @property
    def megabytes(self) -> float:
        """Size of all its files, about."""
        return sum(file.megabytes for file in self.files)

    def is_from(self, digests: Collection[str]) -> bool:
        """Return whether files with those digests are the published ones, all of them."""
        return all(
            file.sha256 and any(digest.startswith(file.sha256) for digest in digests)
            for file in self.files
        )


def _spleeter(
    model: str, sha256: str, megabytes: float, scores: tuple[Mapping[str, Any], ...] = ()
) -> PublishedModel:
    config = SPLEETER_MODELS[model]
    file = PublishedFile(url=f"{SPLEETER}/{model}.tar.gz", sha256=sha256, megabytes=megabytes)
    return PublishedModel(
        name=f"spleeter:{model}",
        files=(file,),
        config=config,
        license="MIT (Deezer SA.; that of the program, the release names none for the networks)",
        training_data="a collection of Deezer's that is not public",
        description=f"Spleeter's network of {len(config.stems)} stems (Hennequin et al. 2020)",
        scores=scores,
    )


def _openunmix(
    model: str,
    record: int,
    digests: tuple[str, str, str, str],
    scores: tuple[float, float, float, float, float],
    **changes: Any,
) -> PublishedModel:
    """Return a model whose files lie in a record of Zenodo's, named by stem and digest."""
    config = OpenUnmixConfig(hidden_size=changes.pop("hidden_size", 512))
    size = changes.pop("megabytes", 35.6)
    files = (
        PublishedFile(
            url=f"{OPENUNMIX}/{record}/files/{stem}-{digest}.pth", sha256=digest, megabytes=size
        )
        for stem, digest in zip(config.stems, digests, strict=True)
    )
    told = {
        "license": "MIT",
        "training_data": "MUSDB18-HQ (academic, non-commercial)",
        "description": f"Open-Unmix {model} (Stöter et al. 2019)",
        **changes,
    }
    values = dict(zip((*config.stems, "mean"), scores, strict=True))
    score = {**MUSDB, "with": "Wiener filter", **values}
    return PublishedModel(
        name=f"openunmix:{model}", files=tuple(files), config=config, scores=(score,), **told
    )


MUSDB = {"measure": "museval SDR, median of frames, then of tracks", "data": "MUSDB18 test"}

MODELS = (
    _spleeter("2stems", "f3a90b39dd2874269e8b05a48a86745df897b848c61f3958efc80a39152bd692", 73.1),
    _spleeter(
        "4stems",
        "3adb4a50ad4eb18c7c4d65fcf4cf2367a07d48408a5eb7d03cd20067429dfaa8",
        146,
        scores=(
            {**MUSDB, "vocals": 6.55, "drums": 5.93, "bass": 5.10, "other": 4.24, "mean": 5.46},
            {
                **MUSDB,
                "with": "Wiener filter",
                "vocals": 6.86,
                "drums": 6.71,
                "bass": 5.51,
                "other": 4.55,
                "mean": 5.91,
            },
        ),
    ),
    _spleeter("5stems", "25a1e87eb5f75cc72a4d2d5467a0a50ac75f05611f877c278793742513cc7218", 183),
    _openunmix(
        "umxhq",
        3370489,
        ("b62c91ce", "9619578f", "8d85a5bd", "b52fbbf7"),
        (6.25, 6.04, 5.07, 4.28, 5.41),
    ),
    _openunmix(
        "umx",
        3370486,
        ("c8df74a5", "5a48008b", "646024d3", "f8e132cc"),
        (6.32, 5.73, 5.23, 4.02, 5.33),
        training_data="MUSDB18 (academic, non-commercial)",
    ),
    _openunmix(
        "umxl",
        5069601,
        ("bccbd9aa", "69e0ebd4", "2ca1ce51", "c8c5b3e6"),
        (7.21, 7.15, 6.02, 4.89, 6.32),
        hidden_size=1024,
        megabytes=106,
        license="CC BY-NC-SA 4.0 (not for commercial use)",
        training_data="a collection that is not public",
        accept_licence=True,
    ),
    PublishedModel(
        name="scnet:base",
        files=(
            PublishedFile(
                url=f"{SCNET}/scnet_checkpoint_musdb18.ckpt",
                sha256="1bc0d1abb20bfdf966dcd07637bafd03e4bc13653d09ef18bc9b3e342eafe2aa",
                megabytes=42.4,
            ),
        ),
        config=SCNetConfig(),
        license="MIT (Copyright (c) 2024 starrytong; of the weights as confirmed by their author)",
        training_data="MUSDB18-HQ (academic, non-commercial)",
        description="SCNet (Tong et al. 2024)",
        scores=(
            {
                "measure": "SDR as in its paper, which was not run here",
                "data": "MUSDB18-HQ test",
                "vocals": 9.89,
                "drums": 10.51,
                "bass": 8.82,
                "other": 6.76,
                "mean": 9.0,
            },
        ),
    ),
    PublishedModel(
        name="milesial:carvana",
        files=(PublishedFile(url=CARVANA_ADDRESS.format(scale=0.5), sha256="", megabytes=124),),
        config=ImageNetworkConfig(
            unet=UNetConfig(), mask_values=(0, 1), scale=0.5, normalise="none"
        ),
        license="GPL-3.0 (that of the program, the release names none for the network)",
        training_data="Carvana Image Masking Challenge (Kaggle)",
        description="milesial/Pytorch-UNet's network that finds cars, for pictures at half size",
    ),
)

PUBLISHED: dict[str, PublishedModel] = {model.name: model for model in MODELS}
"""All of them, by name."""

FAMILIES = {
    "spleeter": "spleeter:4stems",
    "openunmix": "openunmix:umxhq",
    "scnet": "scnet:base",
}
"""What a family's name alone stands for."""


def published_name(name: str, stems: str | None = None) -> str:
    """Return the full name of a model, of which a family's name and a number of stems will do.

    Args:
        name: what the user typed.
        stems: what stems the user asks for; ``"5"`` of ``spleeter`` is ``spleeter:5stems``.
    """
    if name not in FAMILIES:
        return name
    counted = f"{name}:{stems}stems"
    return counted if counted in PUBLISHED else FAMILIES[name]


def published_like(
    config: SeparationConfig | ImageNetworkConfig, digests: Collection[str]
) -> PublishedModel | None:
    """Return the published model that a network is, or else one that has its configuration.

    Args:
        config: of the network.
        digests: SHA-256 of the files that it was read from, in hex.
    """
    alike = [model for model in PUBLISHED.values() if model.config == config]
    same = [model for model in alike if model.is_from(digests)]
    return next(iter([*same, *alike]), None)
