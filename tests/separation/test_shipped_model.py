"""The network that users get: what it promises, on the example song."""

import copy
from typing import Any

import pytest
import torch

from stemsep import Separator
from stemsep.audio import read_audio
from stemsep.data.shipped import shipped_folder
from stemsep.dsp import istft, stft
from stemsep.models import network_input
from stemsep.separation.chunking import ChunkConfig
from stemsep.separation.masking import filtered_stems

SECONDS = 15


@pytest.fixture(scope="module")
def separator() -> Separator:
    return Separator.from_pretrained(device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def song() -> tuple[torch.Tensor, int]:
    waveform, rate = read_audio(shipped_folder("data") / "example.ogg")
    return torch.from_numpy(waveform[:, : SECONDS * rate]), rate


@pytest.fixture(scope="module")
def stems(separator, song) -> dict[str, torch.Tensor]:
    return separator.separate(*song)


def level_db(waveform: torch.Tensor) -> float:
    return float(10 * torch.log10(waveform.double().square().mean()))


def test_the_stems_are_the_song(stems, song):
    total = torch.stack(list(stems.values())).double().sum(0)
    assert (total - song[0]).abs().max() < 1e-6


def test_no_stem_is_empty_or_everything(stems, song):
    for stem in stems.values():
        assert level_db(song[0]) - 40 < level_db(stem) < level_db(song[0]) + 1


def test_chunks_give_what_one_single_chunk_gives(separator, song):
    """But for the filters and what is heard at all, which are each chunk's own."""
    network = copy.deepcopy(separator.network)
    for parameter in network.unet.presence.heard.parameters():
        torch.nn.init.zeros_(parameter)

    def separate(chunks: ChunkConfig) -> dict[str, torch.Tensor]:
        options: Any = {"device": "cpu", "precision": "fp32", "spatial": False}
        return Separator(network, chunks=chunks, **options).separate(*song)

    whole = separate(ChunkConfig(core_frames=656))
    everything = separate(ChunkConfig(context_frames=112))  # as far as the network sees
    for name, stem in separate(ChunkConfig()).items():
        assert level_db(stem - whole[name]) < level_db(song[0]) - 60
        assert level_db(everything[name] - whole[name]) < level_db(song[0]) - 100


def test_the_network_sees_nothing_outside_of_a_song(separator, song):
    mixture = song[0][:, : 5 * song[1]]  # 216 frames: whole steps of the network
    spectrum = stft(mixture, separator.config.stft)[None]
    with torch.no_grad():
        masks = separator.network(network_input(spectrum, separator.config))
    stems = filtered_stems(masks, spectrum)
    whole = istft(stems[0], separator.config.stft, length=mixture.shape[1])
    for estimate, stem in zip(whole, separator.separate(mixture, song[1]).values(), strict=True):
        assert level_db(stem - estimate) < level_db(mixture) - 100


def test_silence_gives_digital_silence(separator):
    stems = separator.separate(torch.zeros(2, 50_000), 44100)
    assert not any(stem.any() for stem in stems.values())


def test_it_knows_a_drum_from_a_bass(separator):
    time = torch.arange(4 * 44100) / 44100
    bass = sum(torch.sin(2 * torch.pi * 55 * n * time) / n for n in range(1, 6)) * 0.2
    noise = torch.randn(time.shape, generator=torch.Generator().manual_seed(0))
    hits = noise * torch.exp(-40 * (time % 0.5)) * 0.3
    for sound, expected in ((bass, "bass"), (hits, "drums")):
        stems = separator.separate(sound.repeat(2, 1), 44100)
        levels = {name: level_db(stem) for name, stem in stems.items()}
        assert max(levels, key=levels.__getitem__) == expected, levels
