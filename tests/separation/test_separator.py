from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stemsep import Separator
from stemsep.dsp import istft, stft, wiener
from stemsep.errors import ParameterError, StemsepError, WeightsError
from stemsep.models import network_input
from stemsep.separation.chunking import FADE_FRAMES, ChunkConfig
from stemsep.separation.masking import apply_masks, consistent_parts, filtered_stems
from tests.networks import STEMS, small_scnet, small_spleeter, tiny_network

RATE = 8000  # of the tiny network
CHUNKS = ChunkConfig(core_frames=32, context_frames=8)


def separator(**unet) -> Separator:
    return Separator(tiny_network(**unet), device="cpu", precision="fp32", chunks=CHUNKS)


SEPARATOR = separator()


def song(samples: int, channels: int = 2, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(channels, samples, generator=generator) * 0.2


def total(stems: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.stack(list(stems.values())).double().sum(0)


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 3, 6])
@pytest.mark.parametrize("samples", [1, 2, 100, 5000])
def test_stems_have_the_shape_of_the_song_and_sum_to_it(samples, channels, rate):
    waveform = song(samples, channels)
    stems = SEPARATOR.separate(waveform, rate)
    assert tuple(stems) == STEMS
    assert all(stem.shape == waveform.shape for stem in stems.values())
    assert all(stem.dtype == torch.float32 for stem in stems.values())
    assert (total(stems) - waveform).abs().max() < 1e-6


@pytest.mark.parametrize("head", ["sigmoid", "complex", "complex_tanh", "logits"])
def test_stems_sum_to_the_song_with_every_head(head):
    waveform = song(5000)
    assert (total(separator(head=head).separate(waveform, RATE)) - waveform).abs().max() < 1e-6


@pytest.mark.parametrize("channels", [1, 2])
def test_spleeter_s_networks_keep_every_promise_too(channels):
    chunks = ChunkConfig(core_frames=64, context_frames=64)
    spleeter = Separator(small_spleeter(), device="cpu", precision="fp32", chunks=chunks)
    waveform = song(9000, channels)  # two chunks; noise in every bin, those unseen too
    stems = spleeter.separate(waveform, RATE)
    assert tuple(stems) == ("vocals", "accompaniment")
    assert all(stem.shape == waveform.shape for stem in stems.values())
    assert (total(stems) - waveform).abs().max() < 1e-6
    high = torch.stack([torch.fft.rfft(stem)[:, 3000:] for stem in stems.values()])
    assert (high.abs().square().sum((1, 2)) > 1).all()


def test_the_network_decides_what_goes_where():
    stems = SEPARATOR.separate(song(5000), RATE)
    levels = [stem.square().mean().sqrt() for stem in stems.values()]
    assert max(levels) > 1.05 * min(levels)


@settings(max_examples=10)
@given(
    samples=st.integers(1, 12000),
    rate=st.sampled_from([RATE, 11025]),
    sizes=st.lists(st.integers(1, 4000), min_size=1, max_size=3),
)
def test_blocks_of_any_size_give_the_samples_of_the_array_bit_for_bit(samples, rate, sizes):
    waveform = song(samples)
    expected = SEPARATOR.separate(waveform, rate)
    starts = np.cumsum([0, *(sizes * (samples // sum(sizes) + 1))])
    blocks = [waveform[:, a:b] for a, b in zip(starts, [*starts[1:], samples], strict=True)]
    pieces = list(SEPARATOR.stream(blocks, rate))
    for stem in STEMS:
        assert torch.equal(torch.cat([piece[stem] for piece in pieces], -1), expected[stem])


def test_batches_of_chunks_change_nothing_but_rounding():
    batched = Separator(
        tiny_network(),
        device="cpu",
        precision="fp32",
        chunks=ChunkConfig(core_frames=32, context_frames=8, batch_size=3),
    )
    waveform = song(9000)
    one, other = SEPARATOR.separate(waveform, RATE), batched.separate(waveform, RATE)
    assert max((one[s] - other[s]).abs().max() for s in STEMS) < 1e-5


def test_chunks_are_close_to_one_single_chunk():
    waveform = song(9000)
    whole = Separator(
        tiny_network(),
        device="cpu",
        precision="fp32",
        chunks=ChunkConfig(core_frames=160, context_frames=8),
    )
    one, other = SEPARATOR.separate(waveform, RATE), whole.separate(waveform, RATE)
    difference = max((one[s] - other[s]).square().mean() for s in STEMS)
    assert 10 * torch.log10(difference / waveform.square().mean()) < -60


def test_mono_is_doubled_and_folded_back():
    mono = song(3000, channels=1)
    alone = SEPARATOR.separate(mono, RATE)
    doubled = SEPARATOR.separate(mono.repeat(2, 1), RATE)
    for stem in STEMS:
        assert torch.allclose(alone[stem][0], doubled[stem].mean(0), atol=1e-6)


def test_channels_go_through_in_pairs():
    wide = song(3000, channels=4)
    stems, first = SEPARATOR.separate(wide, RATE), SEPARATOR.separate(wide[:2], RATE)
    for stem in STEMS:
        assert torch.allclose(stems[stem][:2], first[stem], atol=1e-6)


def test_one_axis_numpy_and_float64_come_in_too():
    waveform = song(1000, channels=1)[0]
    expected = SEPARATOR.separate(waveform, RATE)
    for given_waveform in (waveform.numpy(), waveform.double(), waveform.double().numpy()):
        stems = SEPARATOR.separate(given_waveform, RATE)
        assert stems["vocals"].shape == (1000,)
        assert torch.equal(stems["vocals"], expected["vocals"])


def test_silence_in_gives_digital_silence_out():
    stems = SEPARATOR.separate(torch.zeros(2, 9000), RATE)
    assert not any(stem.any() for stem in stems.values())


def test_the_song_is_not_changed():
    waveform = song(3000)
    before = waveform.clone()
    SEPARATOR.separate(waveform, RATE)
    assert torch.equal(waveform, before)


def test_progress_ends_with_all_of_the_song():
    seen = []
    SEPARATOR.separate(song(12000), RATE, progress=lambda *now: seen.append(now))
    assert seen[-1] == (1.5, 1.5)
    unknown = []
    list(SEPARATOR.stream([song(12000)], RATE, progress=lambda *now: unknown.append(now)))
    assert unknown[-1] == (1.5, None)


def test_memory_does_not_hold_the_song():
    pulled = 0

    def blocks():
        nonlocal pulled
        while True:
            pulled += 1000
            yield song(1000)

    pieces = SEPARATOR.stream(blocks(), RATE)
    put_out = sum(next(pieces)["vocals"].shape[-1] for _ in range(3))
    chunk = CHUNKS.frames * 64
    assert pulled - put_out < 9 * chunk + 65536  # two for each stage, and the one being gathered


@pytest.mark.parametrize("shape", [(0,), (2, 0), (1, 2, 3)])
def test_a_shape_that_is_no_song_is_refused(shape):
    with pytest.raises(ParameterError, match="give \\(channels, samples\\)"):
        SEPARATOR.separate(torch.zeros(shape), RATE)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_non_finite_sample_is_named_with_its_second(bad):
    waveform = song(16000)
    waveform[1, 12000] = bad
    with pytest.raises(ParameterError, match=r"non-finite sample .* at 1\.500 s"):
        SEPARATOR.separate(waveform, RATE)


def test_blocks_with_different_channels_are_refused():
    with pytest.raises(ParameterError, match=r"all must be \(2, samples\)"):
        list(SEPARATOR.stream([song(100), song(100, channels=1)], RATE))


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf"), "44100", None])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ParameterError, match="sample_rate = "):
        SEPARATOR.separate(song(10), rate)
    with pytest.raises(ParameterError, match="sample_rate = "):
        list(SEPARATOR.stream([song(10)], rate))


@pytest.mark.parametrize("dtype", [torch.int16, torch.bool, torch.complex64])
def test_sound_that_is_not_floating_point_is_refused(dtype):
    with pytest.raises(ParameterError, match="give floating point"):
        SEPARATOR.separate(torch.zeros(2, 100, dtype=dtype), RATE)


def test_swapped_axes_are_refused():
    with pytest.raises(ParameterError, match=r"not \(samples, channels\)"):
        SEPARATOR.separate(song(5000).T, RATE)


def test_arrays_and_tensors_of_all_kinds_come_in():
    waveform = song(1000)
    expected = SEPARATOR.separate(waveform, RATE)["vocals"]
    read_only = waveform.numpy().copy()
    read_only.flags.writeable = False
    kinds = [
        waveform.clone().requires_grad_(),
        waveform.flip(-1).numpy()[:, ::-1],
        waveform.numpy().astype(">f4"),
        np.asfortranarray(waveform.numpy()),
        read_only,
    ]
    for kind in kinds:
        assert torch.equal(SEPARATOR.separate(kind, RATE)["vocals"], expected)
        (piece,) = SEPARATOR.stream([kind], RATE)
        assert torch.equal(piece["vocals"], expected)


def test_a_network_that_gives_no_numbers_is_an_error():
    broken = tiny_network()
    with torch.no_grad():
        broken.unet.head.weight.fill_(float("nan"))
    with pytest.raises(WeightsError, match="not finite"):
        Separator(broken, device="cpu", chunks=CHUNKS).separate(song(100), RATE)


@pytest.mark.parametrize(("core", "context"), [(33, 8), (32, 7), (32, 2)])
def test_chunks_that_the_network_cannot_take_are_refused(core, context):
    with pytest.raises(ParameterError, match="multiples of the network's stride"):
        Separator(
            tiny_network(),
            device="cpu",
            chunks=ChunkConfig(core_frames=core, context_frames=context),
        )


class _SmallMemory(torch.nn.Module):
    """A network on a device with memory for batches of one."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.network, self.most = tiny_network(), most
        self.config = self.network.config

    def forward(self, magnitude: torch.Tensor) -> torch.Tensor:
        if len(magnitude) > self.most:
            raise torch.OutOfMemoryError("too much")
        return self.network(magnitude)


def test_out_of_memory_halves_the_batch():
    chunks = ChunkConfig(core_frames=32, context_frames=8, batch_size=4)
    small = Separator(_SmallMemory(1), device="cpu", precision="fp32", chunks=chunks)
    waveform = song(9000)
    one, other = small.separate(waveform, RATE), SEPARATOR.separate(waveform, RATE)
    assert max((one[s] - other[s]).abs().max() for s in STEMS) < 1e-5


def test_out_of_memory_with_one_chunk_says_what_to_do():
    small = Separator(_SmallMemory(0), device="cpu", chunks=CHUNKS)
    with pytest.raises(StemsepError, match="out of memory on cpu"):
        small.separate(song(100), RATE)


def test_a_device_that_is_not_there_is_refused():
    for name in ("tpu", "cpu:x", "cpu:3", "cuda:99"):
        with pytest.raises(ParameterError, match=f"no device '{name}' here"):
            Separator(tiny_network(), device=name)
    assert Separator(tiny_network(), device=torch.device("cpu")).device.type == "cpu"
    with pytest.raises(ParameterError, match="precision 'int4'"):
        Separator(tiny_network(), device="cpu", precision="int4")


def test_bf16_is_close_to_fp32():
    rough = Separator(tiny_network(), device="cpu", precision="bf16", chunks=CHUNKS)
    waveform = song(5000)
    one, other = rough.separate(waveform, RATE), SEPARATOR.separate(waveform, RATE)
    difference = max((one[s] - other[s]).square().mean().sqrt() for s in STEMS)
    assert 0 < difference < 0.02 * waveform.square().mean().sqrt()


@pytest.mark.parametrize("filters", [{"wiener_iterations": 1}, {"spatial": True}])
def test_a_filter_changes_the_stems_and_keeps_every_promise(filters):
    filtering = Separator(tiny_network(), device="cpu", precision="fp32", chunks=CHUNKS, **filters)
    waveform = song(9000)
    plain, filtered = SEPARATOR.separate(waveform, RATE), filtering.separate(waveform, RATE)
    assert max((plain[s] - filtered[s]).abs().max() for s in STEMS) > 0.01
    assert (total(filtered) - waveform).abs().max() < 1e-6
    pieces = list(filtering.stream(waveform.split(1234, dim=-1), RATE))
    for stem in STEMS:
        assert torch.equal(torch.cat([piece[stem] for piece in pieces], -1), filtered[stem])
    silent = filtering.separate(torch.zeros(2, 5000), RATE)
    assert all((waveform == 0).all() for waveform in silent.values())


def test_negative_iterations_are_refused():
    with pytest.raises(ParameterError, match="wiener_iterations = -1"):
        Separator(tiny_network(), device="cpu", wiener_iterations=-1)


def test_the_spatial_filter_is_that_of_the_whole_chunk_and_of_networks_made_for_it():
    network = tiny_network()
    transform = network.config.stft
    samples = 23 * transform.hop_length  # one chunk, in whole steps of the network
    spectrum = stft(song(samples)[None], transform)
    with torch.no_grad():
        masks = network.eval()(network_input(spectrum, network.config))
    expected = istft(filtered_stems(masks, spectrum)[0], transform, length=samples)
    options: Any = {"device": "cpu", "precision": "fp32", "chunks": CHUNKS}
    given = Separator(network, **options, spatial=True).separate(song(samples), RATE)
    torch.testing.assert_close(torch.stack(list(given.values())), expected, atol=1e-5, rtol=0)
    made_for_it = tiny_network()
    made_for_it.config = replace(network.config, spatial=True)
    own = Separator(made_for_it, **options).separate(song(samples), RATE)
    without = Separator(made_for_it, **options, spatial=False).separate(song(samples), RATE)
    plain = Separator(network, **options).separate(song(samples), RATE)
    for stem in STEMS:
        assert torch.equal(own[stem], given[stem])
        assert torch.equal(without[stem], plain[stem])
    filtered = Separator(made_for_it, **options, wiener_iterations=1).separate(song(samples), RATE)
    in_its_place = Separator(network, **options, wiener_iterations=1).separate(song(samples), RATE)
    assert all(torch.equal(filtered[stem], in_its_place[stem]) for stem in STEMS)


@pytest.mark.parametrize("head", ["complex", "complex_tanh", "logits", "sigmoid"])
def test_masks_that_do_not_sum_to_one_have_no_filtered_stems(head):
    for network in (tiny_network(head=head), small_scnet()):
        with pytest.raises(ParameterError, match="masks that sum to one"):
            Separator(network, device="cpu", spatial=True)
    with pytest.raises(ParameterError, match="needs softmax masks"):
        replace(tiny_network(head=head).config, spatial=True)


def test_the_wiener_filter_is_that_of_all_frequencies_and_frames(monkeypatch):
    monkeypatch.setattr("stemsep.separation.stages.FILTERED_BINS", 16)
    network = tiny_network()
    filtering = Separator(
        network, device="cpu", precision="fp32", chunks=CHUNKS, wiener_iterations=1
    )
    transform = network.config.stft
    # One chunk, in whole steps of the network; beside the loud tone its noise is next to nothing.
    samples = 23 * transform.hop_length
    tone = torch.sin(torch.arange(samples) * 0.3)
    waveform = 50 * tone * torch.tensor([[1.0], [0.5]]) + song(samples) / 10
    spectrum = stft(waveform[None], transform)
    assert spectrum.shape[-1] % network.config.time_stride == 0
    with torch.no_grad():
        masks = network.eval()(network_input(spectrum, network.config))
    stems = wiener(apply_masks(masks, spectrum), spectrum, iterations=1)
    consistent = torch.cat(list(consistent_parts(stems, spectrum)), 1)
    expected = istft(consistent[0], transform, length=samples)
    found = filtering.separate(waveform, RATE)
    torch.testing.assert_close(torch.stack(list(found.values())), expected, atol=2e-4, rtol=0)


def test_chunks_that_hear_other_stems_fade_into_each_other() -> None:
    plain, telling = (tiny_network(presence=width, freq_bins=128) for width in (0, 6))
    assert Separator(plain, device="cpu").chunks.fade_frames == 0
    assert Separator(telling, device="cpu").chunks.fade_frames == FADE_FRAMES


def test_scnet_gives_stems_that_sum_to_the_song_in_pieces_as_at_once() -> None:
    network = small_scnet()
    separator = Separator(network, device="cpu", precision="fp32")
    assert (separator.chunks.frames, separator.chunks.fade_frames) == (476, 24)
    song = 0.1 * torch.randn(2, 60_001, generator=torch.Generator().manual_seed(0))  # 2.5 chunks
    whole = separator.separate(song, 8000)
    assert tuple(whole) == network.config.stems
    torch.testing.assert_close(sum(whole.values()), song, atol=1e-6, rtol=0)
    pieces = list(separator.stream(song.split(7000, -1), 8000))
    for stem, waveform in whole.items():
        assert torch.equal(torch.cat([piece[stem] for piece in pieces], -1), waveform)
    silent = separator.separate(torch.zeros(2, 500), 8000)
    assert all((waveform == 0).all() for waveform in silent.values())


def test_a_sound_of_one_step_is_computed_in_fp32():
    """Else it differs from run to run with AMX, where the lowest level is one frame wide."""
    spleeter = small_spleeter()
    step = spleeter.config.time_stride * spleeter.config.stft.hop_length
    for samples, alike in ((step // 2, True), (2 * step, False)):
        stems = [
            Separator(spleeter, device="cpu", precision=precision).separate(song(samples), RATE)
            for precision in ("bf16", "fp32")
        ]
        same = [torch.equal(*pair) for pair in zip(*(s.values() for s in stems), strict=True)]
        assert all(same) == alike


def test_scnet_is_not_computed_in_bf16_unless_asked(monkeypatch):
    monkeypatch.setattr("stemsep.separation.device.cpu_has_bf16", lambda: True)
    network = small_scnet()
    assert Separator(network, device="cpu").precision == "fp32"
    assert Separator(network, device="cpu", precision="bf16").precision == "bf16"
    assert Separator(tiny_network(), device="cpu").precision == "bf16"
