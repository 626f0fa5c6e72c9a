"""A network <-> one ``.safetensors`` file: tensors, and its configuration as JSON in the header.

Loading cannot run code. The header says everything about a network: sizes, stems, where it comes
from, what it scored and under what terms it may be used.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from stemsep.audio.atomic import partial_file
from stemsep.dsp import STFTConfig
from stemsep.errors import WeightsError
from stemsep.models import (
    ImageNetworkConfig,
    MaskNetworkConfig,
    OpenUnmixConfig,
    SCNetConfig,
    SeparationConfig,
    SeparationNetwork,
    SpleeterConfig,
    UNet,
    UNetConfig,
    build_separation_network,
)

__all__ = [
    "FORMAT_VERSION",
    "IMAGE_KIND",
    "Card",
    "copy_checkpoint",
    "header_of",
    "kind_of",
    "load_image_network",
    "load_network",
    "network_kind",
    "parse_header",
    "read_any_card",
    "read_card",
    "read_image_card",
    "save_network",
]

FORMAT_VERSION = 1

KINDS: dict[str, type[SeparationConfig]] = {
    "separation": MaskNetworkConfig,
    "spleeter": SpleeterConfig,
    "openunmix": OpenUnmixConfig,
    "scnet": SCNetConfig,
}
"""What the header calls each kind of network that separates."""

IMAGE_KIND = "segmentation"
"""What the header calls a network for pictures."""

Network = TypeVar("Network", bound=nn.Module)

Parsed = TypeVar("Parsed")


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a checkpoint says about itself besides its sizes.

    Args:
        license: terms of the weights.
        training_data: what it learned from, and the terms of that.
        steps: training steps taken.
        recipe: the resolved recipe, as nested dictionaries.
        scores: one entry a measurement: ``measure``, ``data``, ``command`` and values per stem.
        description: one line for lists.
        sources: of a network that somebody else published, one entry a file: ``url`` or ``file``,
            ``sha256`` and whether it is the ``published`` one.
    """

    license: str = "not stated"
    training_data: str = "not stated"
    steps: int = 0
    recipe: Mapping[str, Any] = field(default_factory=dict)
    scores: tuple[Mapping[str, Any], ...] = ()
    description: str = ""
    sources: tuple[Mapping[str, Any], ...] = ()

    @property
    def recipe_hash(self) -> str:
        """First 16 hex digits of the SHA-256 of the recipe's JSON."""
        text = json.dumps(self.recipe, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_network(
    path: Path,
    state: Mapping[str, Tensor],
    config: SeparationConfig | ImageNetworkConfig,
    card: Card,
    *,
    half: bool = False,
) -> None:
    """Write a network to ``path``, atomically.

    Args:
        path: ends in ``.safetensors``.
        state: the network's ``state_dict``.
        config: its configuration.
        card: what is told about it.
        half: store floating-point tensors in 16 bits, except those with values beyond that range
            (all are computed with in 32).

    Raises:
        WeightsError: a tensor is not finite: such a network is never written.
    """
    tensors = {}
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise WeightsError(f"not written: '{path}': tensor '{name}' has non-finite values")
        tensors[name] = (_halved(tensor) if half else tensor).detach().cpu().contiguous()
    with partial_file(path) as temporary:
        # `save_file` would put a file of its own in place, readable by its owner alone.
        temporary.write_bytes(save(tensors, metadata=header_of(config, card)))


def header_of(config: SeparationConfig | ImageNetworkConfig, card: Card) -> dict[str, str]:
    """Return what the file of a network says about it, all as text."""
    return {
        "format": "stemsep",
        "format_version": str(FORMAT_VERSION),
        "kind": kind_of(config),
        "network": json.dumps(asdict(config)),
        "card": json.dumps(asdict(card)),
    }


def copy_checkpoint(source: Path, path: Path, *, sources: Sequence[Mapping[str, Any]]) -> None:
    """Write a checkpoint's twin, atomically, whose card says where it came from.

    Args:
        source: the checkpoint.
        path: ends in ``.safetensors``.
        sources: see `Card`.

    Raises:
        WeightsError: no checkpoint, or a damaged one.
    """
    header = _read_header(source)
    card = _parsed(source, header["card"], _card)
    header["card"] = json.dumps(asdict(replace(card, sources=tuple(sources))))
    with _opened(source) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    with partial_file(path) as temporary:
        temporary.write_bytes(save(tensors, metadata=header))


def load_network(path: Path) -> SeparationNetwork:
    """Return the separation network stored in ``path``, in evaluation mode, float32, on the CPU.

    Raises:
        WeightsError: no such file, not a checkpoint, another format version, or tensors that do
            not fit its own configuration.
    """
    config, _ = read_card(path)
    with torch.device("meta"):
        network = build_separation_network(config)
    return _filled(network, path)


def load_image_network(path: Path) -> tuple[UNet, ImageNetworkConfig]:
    """Return the image network stored in ``path``, as `load_network`, and its configuration.

    Raises:
        WeightsError: as `load_network`.
    """
    config, _ = read_image_card(path)
    with torch.device("meta"):
        network = UNet(config.unet)
    return _filled(network, path), config


def read_card(path: Path) -> tuple[SeparationConfig, Card]:
    """Return the configuration and the card of a checkpoint, without its tensors.

    Raises:
        WeightsError: as `load_network`.
    """
    return parse_header(path, _read_header(path))


def parse_header(path: Path, header: Mapping[str, str]) -> tuple[SeparationConfig, Card]:
    """Return the configuration and the card that a file's header holds; see `header_of`.

    Args:
        path: for messages.
        header: may have other entries too.

    Raises:
        WeightsError: as `load_network`.
    """
    _check_header(path, header)
    if header["kind"] not in KINDS:
        raise WeightsError(f"'{path}' holds a {header['kind']} network, not one for separation")
    config = _parsed(path, header["network"], lambda stored: _config(header["kind"], stored))
    return config, _parsed(path, header["card"], _card)


def read_image_card(path: Path) -> tuple[ImageNetworkConfig, Card]:
    """Return the configuration and the card of an image network, as `read_card`.

    Raises:
        WeightsError: as `load_network`.
    """
    header = _read_header(path)
    if header["kind"] != IMAGE_KIND:
        raise WeightsError(f"'{path}' holds a {header['kind']} network, not one for pictures")
    config = _parsed(path, header["network"], _image_config)
    return config, _parsed(path, header["card"], _card)


def read_any_card(path: Path) -> tuple[SeparationConfig | ImageNetworkConfig, Card]:
    """Return the configuration and the card of a network of any kind, as `read_card`.

    Raises:
        WeightsError: as `load_network`.
    """
    return read_image_card(path) if network_kind(path) == IMAGE_KIND else read_card(path)


def network_kind(path: Path) -> str:
    """Return what kind of network a checkpoint holds: a key of `KINDS`, or `IMAGE_KIND`.

    Raises:
        WeightsError: no such file, not a checkpoint, or another format version.
    """
    return _read_header(path)["kind"]


def kind_of(config: SeparationConfig | ImageNetworkConfig) -> str:
    """Return what the header calls a network with that configuration."""
    return next((kind for kind, cls in KINDS.items() if isinstance(config, cls)), IMAGE_KIND)


def _filled(network: Network, path: Path) -> Network:
    """Return a network from the meta device with the tensors of a file."""
    with _opened(path) as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    state = {name: t.float() if t.is_floating_point() else t for name, t in state.items()}
    try:
        network.load_state_dict(state, assign=True)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise WeightsError(f"'{path}' does not fit its own configuration: {first}") from error
    return network.eval()


def _halved(tensor: Tensor) -> Tensor:
    """Return a floating-point tensor in 16 bits if all its values fit, else as it is."""
    if not tensor.is_floating_point():
        return tensor
    halved = tensor.half()
    return halved if torch.isfinite(halved).all() else tensor


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, framework="pt")
    except FileNotFoundError as error:
        raise WeightsError(f"no checkpoint '{path}'") from error
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"'{path}' is not a checkpoint, or is damaged: {error}") from error


def _read_header(path: Path) -> dict[str, str]:
    with _opened(path) as file:
        header: dict[str, str] = file.metadata() or {}
    _check_header(path, header)
    return header


def _check_header(path: Path, header: Mapping[str, str]) -> None:
    missing = {"format", "format_version", "kind", "network", "card"} - header.keys()
    if missing:
        raise WeightsError(f"'{path}' is no stemsep checkpoint: no '{min(missing)}' in its header")
    if header["format_version"] != str(FORMAT_VERSION):
        raise WeightsError(
            f"'{path}' has format version {header['format_version']}, this stemsep reads version "
            f"{FORMAT_VERSION}; install a newer stemsep"
        )


def _parsed(path: Path, text: str, build: Callable[[dict[str, Any]], Parsed]) -> Parsed:
    try:
        return build(json.loads(text))
    except KeyError as error:
        raise WeightsError(f"'{path}' has a damaged header: no {error} in it") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"'{path}' has a damaged header: {error}") from error


def _config(kind: str, stored: dict[str, Any]) -> SeparationConfig:
    parts: dict[str, Any] = {"stft": STFTConfig(**stored["stft"])}
    if kind == "separation":
        parts["unet"] = UNetConfig(**stored["unet"])
    return KINDS[kind](**{**stored, **parts})


def _image_config(stored: dict[str, Any]) -> ImageNetworkConfig:
    return ImageNetworkConfig(**{**stored, "unet": UNetConfig(**stored["unet"])})


def _card(stored: dict[str, Any]) -> Card:
    lists = {name: tuple(stored.get(name, ())) for name in ("scores", "sources")}
    return Card(**{**stored, **lists})
