import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stemsep.dsp import STFTConfig, stft
from stemsep.errors import ParameterError
from stemsep.separation.chunking import (
    Chunk,
    ChunkConfig,
    core_frames,
    core_waveform,
    cut,
    frames_of,
    heard_frames,
)

STFT = STFTConfig(n_fft=64, hop_length=16)
CHUNKS = ChunkConfig(core_frames=8, context_frames=4)
ROUNDING = 1e-5  # float32 through an FFT and back, at a level of 1


def song(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(1, 2, samples, generator=torch.Generator().manual_seed(seed))


def split(waveform: torch.Tensor, sizes: list[int]) -> list[torch.Tensor]:
    """Cut a waveform into blocks of the given sizes, over and over."""
    blocks, start, turn = [], 0, 0
    while start < waveform.shape[-1]:
        size = sizes[turn % len(sizes)]
        blocks.append(waveform[..., start : start + size])
        start, turn = start + size, turn + 1
    return blocks


def join(chunks: list[Chunk], config: STFTConfig) -> torch.Tensor:
    """Return the song from its chunks, with a network that changes nothing."""
    pieces = []
    for chunk in chunks:
        present = chunk.present[None]
        spectrum = frames_of(chunk.window, present, config)
        kept = core_frames(config, CHUNKS)
        core = core_waveform([spectrum[:, None, ..., kept]], present[:, kept], config, CHUNKS)
        pieces.append(core[:, 0, :, : chunk.length])
    return torch.cat(pieces, dim=-1)


@given(
    samples=st.integers(1, 900),
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=4),
    config=st.sampled_from([STFT, STFTConfig(n_fft=48, hop_length=16)]),
)
def test_cut_and_joined_again_is_the_song(samples, sizes, config):
    waveform = song(samples)
    joined = join(list(cut(split(waveform, sizes), config, CHUNKS)), config)
    assert joined.shape == waveform.shape
    assert (joined - waveform).abs().max() < ROUNDING


@given(samples=st.integers(1, 900), sizes=st.lists(st.integers(0, 300), min_size=1, max_size=4))
def test_chunks_do_not_depend_on_the_sizes_of_the_blocks(samples, sizes):
    waveform = song(samples)
    whole = list(cut([waveform], STFT, CHUNKS))
    blocks = split(waveform, [*sizes, 1])
    for one, other in zip(whole, cut(blocks, STFT, CHUNKS), strict=True):
        assert torch.equal(one.window, other.window)
        assert torch.equal(one.present, other.present)
        assert one.length == other.length


@pytest.mark.parametrize("samples", [1, 33, 128, 129, 400, 777])
def test_the_frames_of_all_chunks_are_those_of_the_song(samples):
    waveform = song(samples)
    expected = stft(waveform, STFT)
    for index, chunk in enumerate(cut([waveform], STFT, CHUNKS)):
        spectrum = frames_of(chunk.window, chunk.present[None], STFT)
        for frame in range(CHUNKS.frames):
            number = index * CHUNKS.core_frames - CHUNKS.context_frames + frame
            if 0 <= number < expected.shape[-1]:
                error = (spectrum[..., frame] - expected[..., number]).abs().max()
                assert error < ROUNDING, (index, frame)
            else:
                assert not spectrum[..., frame].abs().any()


def test_a_chunk_comes_as_soon_as_its_last_sample_has_come():
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 16
            yield song(16)

    next(iter(cut(endless(), STFT, CHUNKS)))
    needed = (CHUNKS.core_frames + CHUNKS.context_frames) * STFT.hop_length + STFT.n_fft // 2
    assert taken <= needed


def test_nothing_in_gives_no_chunks():
    assert list(cut([], STFT, CHUNKS)) == []
    assert list(cut([song(0)], STFT, CHUNKS)) == []


def test_a_size_below_one_is_refused():
    with pytest.raises(ParameterError, match="context_frames = 0"):
        ChunkConfig(context_frames=0)


def test_a_network_hears_a_song_from_its_first_to_its_last_frame():
    inside = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0.0])
    assert heard_frames(inside, 1) == slice(4, 10)
    assert heard_frames(inside, 4) == slice(4, 12)  # whole strides, counted from the chunk's start
    assert heard_frames(torch.ones(12), 4) == slice(0, 12)


@pytest.mark.parametrize(
    ("stride", "core", "context"), [(1, 416, 64), (8, 416, 64), (48, 336, 96), (512, 512, 512)]
)
def test_chunks_have_the_usual_size_in_multiples_of_the_stride(stride, core, context):
    config = ChunkConfig.for_stride(stride, batch_size=3)
    assert (config.core_frames, config.context_frames, config.batch_size) == (core, context, 3)


@pytest.mark.parametrize("block", [4000, 400_000])
def test_joining_blocks_copies_each_sample_a_few_times_at_most(block, monkeypatch):
    waveform, copied, cat = song(400_000), [0], torch.cat

    def counted(tensors, dim=0):
        joined = cat(tensors, dim=dim)
        copied[0] += joined.numel()
        return joined

    monkeypatch.setattr(torch, "cat", counted)
    assert len(list(cut(waveform.split(block, -1), STFT, CHUNKS))) == 3125
    assert copied[0] < 8 * waveform.numel()
