from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from stemsep.errors import ParameterError
from stemsep.models import UNet, UNetConfig
from stemsep.models.blocks import BLOCKS, Upsample, fit_to
from stemsep.models.context import FrameAttention, FrameContext, FrameRecurrence, TimeContext
from tests.dsp.tensors import uniform

SWITCHES: Mapping[str, st.SearchStrategy[Any]] = {
    "in_channels": st.integers(1, 3),
    "out_channels": st.integers(1, 2),
    "stems": st.integers(0, 3),
    "channels": st.sampled_from([(3,), (2, 4), (4, 5, 6), (2, 3, 5, 4)]),
    "activation": st.sampled_from(["relu", "leaky_relu", "elu", "gelu", "silu"]),
    "norm": st.sampled_from(["batch", "instance", "group", "none"]),
    "norm_groups": st.integers(1, 8),
    "downsample": st.sampled_from(["maxpool", "strided"]),
    "upsample": st.sampled_from(["transposed", "bilinear"]),
    "padding": st.sampled_from(["same", "valid"]),
    "block": st.sampled_from(["double", "residual", "tfc_tdf"]),
    "kernel_size": st.sampled_from([1, 3, 5]),
    "dropout": st.sampled_from([0.0, 0.3]),
    "skip": st.sampled_from(["concat", "add"]),
    "head": st.sampled_from(["logits", "sigmoid", "softmax", "complex", "complex_tanh"]),
    "subbands": st.integers(1, 3),
    "freq_bins": st.sampled_from([1, 5, 17]),
    "tdf_factor": st.sampled_from([1, 4, 100]),
    "time_dilations": st.sampled_from([(), (1,), (1, 3)]),
    "frame_width": st.sampled_from([0, 0, 3]),
    "frame_sequence": st.sampled_from(["none", "lstm", "attention"]),
    "presence": st.sampled_from([0, 0, 5]),
    "compression": st.sampled_from([0.0, 10.0]),
}


SAME_PADDING = "time_dilations", "frame_width", "presence"
"""Switches that need it."""


@st.composite
def configs(draw: st.DrawFn, **fixed: Any) -> UNetConfig:
    switches = {name: draw(values) for name, values in SWITCHES.items()} | fixed
    if not switches["stems"] or switches["head"] != "softmax":
        switches["presence"] = 0
    if switches["block"] == "tfc_tdf" or any(switches[name] for name in SAME_PADDING):
        switches["padding"] = "same"
    if not switches["frame_width"]:
        switches["frame_sequence"] = "none"
    return UNetConfig(**switches)


def lost_border(config: UNetConfig) -> int:
    """What an unpadded network loses: a block at the top, twice what is lost below, a block."""
    if config.padding == "same":
        return 0
    block = 2 * (config.kernel_size - 1)
    lost = block
    for _ in config.channels[1:]:
        lost = block + 2 * lost + block
    return lost


def network_of(seed: int = 0, **switches: Any) -> UNet:
    torch.manual_seed(seed)
    network = UNet(UNetConfig(**{"channels": (4, 6), "in_channels": 2, **switches}))
    for name, buffer in network.named_buffers():  # as if trained
        if name.endswith("running_mean"):
            buffer.uniform_(-0.5, 0.5)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return network.eval()


@settings(max_examples=200)
@given(
    config=configs(),
    batch=st.integers(1, 2),
    height=st.integers(1, 17),
    width=st.integers(1, 17),
    train=st.booleans(),
)
def test_any_switches_and_any_size_work(
    config: UNetConfig, batch: int, height: int, width: int, train: bool
) -> None:
    torch.manual_seed(0)
    if config.fixed_height:
        height = min(height, config.freq_bins)
    lost = lost_border(config)
    features = uniform(batch, config.in_channels, height + lost, width + lost).abs()
    before = features.clone()
    # Batch norm cannot be trained on a single value; there is no other exception.
    network = UNet(config).train(train and config.norm != "batch")
    output = network(features.requires_grad_())
    stems = (config.stems,) if config.stems else ()
    assert output.shape == (batch, *stems, config.out_channels, height, width)
    assert output.is_complex() == config.head.startswith("complex")
    assert torch.equal(features.detach(), before)
    output.abs().sum().backward()
    for tensor in (features, *network.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.isfinite().all()


@settings(max_examples=50)
@given(config=configs(freq_bins=17), seed=st.integers(0, 9))
def test_a_batch_equals_its_items_one_by_one(config: UNetConfig, seed: int) -> None:
    torch.manual_seed(seed)
    network, lost = UNet(config).eval(), lost_border(config)
    features = uniform(3, config.in_channels, 9 + lost, 6 + lost, seed=seed).abs()
    with torch.no_grad():
        batch, single = network(features), [network(item[None]) for item in features]
    # Another batch size takes other kernels, which round differently; outputs are of order 1.
    torch.testing.assert_close(batch, torch.cat(single), rtol=1e-4, atol=1e-4)


@settings(max_examples=100)
@given(config=configs(freq_bins=17), start=st.integers(0, 23), length=st.integers(1, 24))
def test_wanted_frames_are_those_of_the_whole(config: UNetConfig, start: int, length: int) -> None:
    torch.manual_seed(0)
    network, lost = UNet(config).eval(), lost_border(config)
    features = uniform(2, config.in_channels, 17 + lost, 24 + lost).abs()
    wanted = slice(start, min(start + length, 24))
    with torch.no_grad():
        frames, whole = network(features, wanted), network(features)
    torch.testing.assert_close(frames, whole[..., wanted], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "switch",
    [
        {"activation": "leaky_relu"},
        {"activation": "elu"},
        {"activation": "gelu"},
        {"activation": "silu"},
        {"norm": "instance"},
        {"norm": "group"},
        {"norm": "none"},
        {"downsample": "strided"},
        {"upsample": "bilinear"},
        {"padding": "valid"},
        {"block": "residual"},
        {"block": "tfc_tdf", "freq_bins": 24},
        {"kernel_size": 5},
        {"skip": "add"},
        {"head": "sigmoid"},
        {"head": "softmax"},
        {"head": "complex"},
        {"subbands": 2},
        {"compression": 5.0},
    ],
    ids=str,
)
def test_every_switch_takes_effect(switch: dict[str, Any]) -> None:
    features = uniform(1, 2, 24, 24).abs()
    plain, switched = network_of()(features), network_of(**switch)(features)
    same_kind = plain.shape == switched.shape and plain.dtype == switched.dtype
    assert not (same_kind and torch.allclose(plain, switched))


def test_norm_groups_and_tdf_factor_take_effect() -> None:
    features = uniform(1, 2, 24, 24)
    groups = [network_of(norm="group", norm_groups=n, channels=(4, 4))(features) for n in (1, 4)]
    assert not torch.allclose(*groups)
    narrow = network_of(block="tfc_tdf", freq_bins=24, tdf_factor=6)
    assert narrow.encoder[0].frequency.down.weight.shape == (4, 24)


def test_dropout_acts_in_training_only() -> None:
    network, features = network_of(dropout=0.5, norm="none"), uniform(1, 2, 16, 16)
    assert torch.equal(network(features), network(features))
    network.train()
    assert not torch.equal(network(features), network(features))


def test_the_paper_loses_184_pixels() -> None:
    config = UNetConfig(in_channels=1, padding="valid", norm="none", channels=(2, 2, 2, 2, 2))
    assert UNet(config)(torch.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)
    with pytest.raises(ParameterError, match="at least 185, got 184 x 572"):
        UNet(config)(torch.zeros(1, 1, 184, 572))


@pytest.mark.parametrize("block", ["double", "residual"])
def test_without_padding_the_output_is_the_middle_of_the_padded_one(block: str) -> None:
    # Two levels of kernel 3: both networks halve at the same places, so the same sums are made.
    features = uniform(1, 2, 40, 36)
    same = network_of(block=block)(features)
    valid = network_of(block=block, padding="valid")(features)
    torch.testing.assert_close(valid, same[..., 8:-8, 8:-8], rtol=1e-4, atol=1e-5)


def bands_of(features: Tensor, starts: list[int], size: int) -> Tensor:
    """Bands as channels: all bands of the first channel, then those of the next."""
    channels = [[c[:, s : s + size] for s in starts] for c in features.unbind(1)]
    return torch.stack([band for channel in channels for band in channel], 1)


@pytest.mark.parametrize(
    ("padding", "height", "starts", "size"),
    [
        ("same", 24, [0, 8, 16], 8),
        ("same", 22, [0, 8, 16], 8),  # two rows of zeros make it a multiple
        ("valid", 16 + 24, [0, 8, 16], 24),  # bands of 8 with 16 more that are lost
    ],
)
def test_subbands_are_stacked_as_channels_and_joined_again(
    padding: str, height: int, starts: list[int], size: int
) -> None:
    features = uniform(1, 2, height, 24)
    whole = network_of(subbands=3, padding=padding, out_channels=2)
    split = network_of(in_channels=6, padding=padding, out_channels=6)
    split.load_state_dict(whole.state_dict())
    padded = functional.pad(features, (0, 0, 0, -height % 8))
    expected = torch.cat(split(bands_of(padded, starts, size)).unflatten(1, (2, 3)).unbind(2), 2)
    lost = height - lost_border(whole.config)
    torch.testing.assert_close(whole(features), expected[:, :, :lost])


def test_fewer_bins_than_the_bottleneck_was_built_for_are_padded_with_zeros() -> None:
    network = network_of(block="tfc_tdf", freq_bins=20, compression=10.0)
    features = uniform(2, 2, 13, 9).abs()
    padded = torch.cat([features, torch.zeros(2, 2, 7, 9)], 2)
    torch.testing.assert_close(network(features), network(padded)[..., :13, :])


def test_compression_is_the_logarithm_of_the_input() -> None:
    features = uniform(1, 2, 8, 8).abs()
    plain, compressed = network_of(), network_of(compression=10.0)
    torch.testing.assert_close(compressed(features), plain((1 + 10 * features).log()))


def test_heads_are_functions_of_the_same_logits() -> None:
    features = 3 * uniform(2, 2, 12, 10)
    logits = network_of(stems=3)(features)
    assert torch.equal(network_of(stems=3, head="sigmoid")(features), logits.sigmoid())
    softmax = network_of(stems=3, head="softmax")(features)
    # In the network's order of memory, as another order rounds otherwise.
    assert torch.equal(softmax, logits.movedim(-1, 1).softmax(2).movedim(1, -1))
    torch.testing.assert_close(softmax.sum(1), torch.ones(2, 2, 12, 10))
    classes = network_of(out_channels=4, head="softmax")(features)
    torch.testing.assert_close(classes.sum(1), torch.ones(2, 12, 10))


def test_complex_heads() -> None:
    features = 300 * uniform(2, 2, 12, 10)
    plain = network_of(stems=3, head="complex", norm="none")(features)
    bounded = network_of(stems=3, head="complex_tanh", norm="none")(features)
    assert plain.dtype == torch.complex64
    assert plain.abs().max() > 1.5
    torch.testing.assert_close(bounded.real, plain.real.tanh())
    torch.testing.assert_close(bounded.imag, plain.imag.tanh())


def test_masks_are_float32_under_autocast_and_double_stays_double() -> None:
    network, features = network_of(stems=2, head="softmax"), uniform(1, 2, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network(features).dtype == torch.float32
    assert network.double()(features.double()).dtype == torch.float64


@pytest.mark.parametrize("block", ["double", "tfc_tdf"])
def test_memory_format_does_not_matter(block: str) -> None:
    network, features = network_of(block=block, freq_bins=16, subbands=2), uniform(2, 2, 16, 12)
    plain = network(features)
    channels_last = network.to(memory_format=torch.channels_last)(
        features.to(memory_format=torch.channels_last)
    )
    torch.testing.assert_close(channels_last, plain, rtol=1e-4, atol=1e-5)


def test_bilinear_keeps_the_corners() -> None:
    upsample = Upsample(1, 1, UNetConfig(upsample="bilinear"))
    doubled = upsample(torch.tensor([[[[0.0, 3.0], [6.0, 9.0]]]]))[0, 0]
    torch.testing.assert_close(doubled[0], torch.arange(4.0))
    torch.testing.assert_close(doubled[:, 0], 2 * torch.arange(4.0))


def test_tfc_tdf_written_out() -> None:
    torch.manual_seed(0)
    config = UNetConfig(block="tfc_tdf", freq_bins=12, norm="none", activation="leaky_relu")
    block, features = BLOCKS["tfc_tdf"](2, 5, 4, 12, config), uniform(3, 2, 12, 7)
    inner = block.first(features)
    narrow = block.frequency.down(inner.transpose(2, 3))  # (batch, channels, time, narrow)
    wide = block.frequency.up(functional.leaky_relu(narrow, 0.2)).transpose(2, 3)
    expected = block.second(inner + functional.leaky_relu(wide, 0.2)) + block.shortcut(features)
    torch.testing.assert_close(block(features), expected)


def test_time_context_starts_as_the_identity_and_then_sees_its_dilation() -> None:
    torch.manual_seed(0)
    block = TimeContext(4, 3, UNetConfig()).eval()
    features = uniform(1, 4, 2, 11)
    assert torch.equal(block(features), features)
    torch.nn.init.ones_(block.layers[-1].weight)
    changed = features.clone()
    changed[..., 5] += 1
    seen = (block(changed) != block(features)).any(1)[0].any(0)
    assert seen.nonzero().flatten().tolist() == [2, 5, 8]


def test_frame_context_starts_as_the_identity_and_then_joins_all_rows_and_channels() -> None:
    torch.manual_seed(0)
    config = UNetConfig(frame_width=8, freq_bins=6, time_dilations=(2,), activation="elu")
    block = FrameContext(4, 6, config).eval()
    features = uniform(1, 4, 6, 9)
    assert torch.equal(block(features), features)
    torch.nn.init.ones_(block.widen[-1].weight)
    torch.nn.init.ones_(block.along_time[0].layers[-1].weight)
    changed = features.clone()
    changed[:, 1, 2, 4] += 1
    seen = block(changed) != block(features)
    assert torch.equal(
        seen, torch.isin(torch.arange(9), torch.tensor([2, 4, 6])).expand(1, 4, 6, 9)
    )


def test_frame_recurrence_starts_as_the_identity_and_then_hears_before_and_after() -> None:
    torch.manual_seed(0)
    block, frames = FrameRecurrence(4), uniform(2, 4, 1, 5)
    assert torch.equal(block(frames), frames)
    torch.nn.init.normal_(block.joined.weight)
    cell = block.recurrent
    steps = frames[:, :, 0]  # (batch, width, time)

    def states(order: range, end: str) -> list[Tensor]:
        hidden = memory = torch.zeros(2, 2)
        seen = {}
        for t in order:
            gates = functional.linear(
                steps[..., t],
                cell.get_parameter(f"weight_ih_l0{end}"),
                cell.get_parameter(f"bias_ih_l0{end}"),
            ) + functional.linear(
                hidden,
                cell.get_parameter(f"weight_hh_l0{end}"),
                cell.get_parameter(f"bias_hh_l0{end}"),
            )
            let_in, forget, value, let_out = gates.chunk(4, dim=1)
            memory = forget.sigmoid() * memory + let_in.sigmoid() * value.tanh()
            seen[t] = hidden = let_out.sigmoid() * memory.tanh()
        return [seen[t] for t in range(5)]

    both = zip(states(range(5), ""), states(range(4, -1, -1), "_reverse"), strict=True)
    heard = torch.stack([block.joined(torch.cat(pair, 1)) for pair in both], dim=2)
    torch.testing.assert_close(block(frames), frames + heard[:, :, None])


def test_frame_attention_starts_as_the_identity_and_then_weighs_all_frames() -> None:
    torch.manual_seed(0)
    block, frames = FrameAttention(6), uniform(2, 6, 1, 5)
    assert torch.equal(block(frames), frames)
    layer = block.attention
    torch.nn.init.normal_(layer.out_proj.weight)
    vectors = functional.layer_norm(frames[:, :, 0].transpose(1, 2), (6,))
    asked, offered, told = functional.linear(
        vectors, layer.in_proj_weight, layer.in_proj_bias
    ).chunk(3, dim=2)
    heads = []
    for head in range(2):
        part = slice(3 * head, 3 * head + 3)
        weights = (asked[..., part] @ offered[..., part].mT / 3**0.5).softmax(-1)
        heads.append(weights @ told[..., part])
    heard = layer.out_proj(torch.cat(heads, -1))
    torch.testing.assert_close(block(frames), frames + heard.transpose(1, 2)[:, :, None])


FRAMES = {"frame_width": 5, "freq_bins": 24}


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize(
    "more",
    [
        {"time_dilations": (1, 2)},
        FRAMES,
        {**FRAMES, "frame_sequence": "lstm"},
        {**FRAMES, "frame_sequence": "attention"},
    ],
)
def test_what_sees_further_starts_from_the_network_without_it(
    norm: str, more: dict[str, Any]
) -> None:
    features = uniform(1, 2, 24, 24)
    plain = network_of(norm=norm)
    longer = network_of(norm=norm, **more)
    outcome = longer.load_state_dict(plain.state_dict(), strict=False)
    assert not outcome.unexpected_keys
    assert all(name.startswith("context.") for name in outcome.missing_keys)
    for module in longer.context.modules():
        if norm == "batch" and isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()
    torch.testing.assert_close(longer(features), plain(features))


@pytest.mark.parametrize("outputs", [3, 5])
def test_residual_written_out(outputs: int) -> None:
    torch.manual_seed(0)
    config = UNetConfig(block="residual", padding="valid")
    block, features = BLOCKS["residual"](3, outputs, outputs, 0, config).eval(), uniform(2, 3, 9, 8)
    expected = block.second(block.first(features)) + block.shortcut(features)[..., 2:-2, 2:-2]
    torch.testing.assert_close(block(features), functional.relu(expected))


def test_fit_to_puts_the_smaller_half_first() -> None:
    row = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert fit_to(row, 1, 6).flatten().tolist() == [0, 1, 2, 3, 0, 0]
    assert fit_to(row, 2, 3)[0, 0].tolist() == [[1, 2, 3], [0, 0, 0]]
    assert fit_to(row, 1, 1).flatten().tolist() == [2]
    assert fit_to(row, 1, 3) is row


@pytest.mark.parametrize(
    ("switch", "message"),
    [
        ({"in_channels": 0}, "in_channels = 0: it must be 1 or more"),
        ({"out_channels": 0}, "out_channels = 0"),
        ({"subbands": 0}, "subbands = 0"),
        ({"norm_groups": 0}, "norm_groups = 0"),
        ({"tdf_factor": 0}, "tdf_factor = 0"),
        ({"stems": -1}, "stems = -1: it must be 0 or more"),
        ({"freq_bins": -1}, "freq_bins = -1"),
        ({"compression": -0.5}, "compression = -0.5"),
        ({"compression": float("nan")}, "compression = nan"),
        ({"channels": ()}, "give one positive width per level"),
        ({"channels": (4, 0)}, "give one positive width per level"),
        ({"channels": (4, 1), "upsample": "bilinear"}, "use 2 or more"),
        ({"kernel_size": 4}, "kernel_size = 4: it must be odd"),
        ({"kernel_size": -1}, "kernel_size = -1"),
        ({"dropout": 1.0}, "dropout = 1.0"),
        ({"block": "tfc_tdf"}, "needs freq_bins"),
        ({"block": "tfc_tdf", "freq_bins": 8, "padding": "valid"}, "padding 'same'"),
        ({"time_dilations": (1, 0)}, "each must be 1 or more"),
        ({"time_dilations": (1,), "padding": "valid"}, "padding 'same'"),
        ({"frame_width": -1}, "frame_width = -1"),
        ({"frame_width": 8}, "frame_width needs freq_bins"),
        ({"frame_width": 8, "freq_bins": 4, "padding": "valid"}, "padding 'same'"),
        ({"frame_sequence": "lstm"}, "frame_sequence = 'lstm' needs frame_width"),
        ({"activation": "tanh"}, "activation = 'tanh': choose from relu, leaky_relu, elu, gelu"),
        ({"head": "mask"}, "head = 'mask': choose from logits, sigmoid, softmax, complex"),
    ],
    ids=str,
)
def test_configurations_that_cannot_work_are_refused(switch: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        UNetConfig(**switch)


@pytest.mark.parametrize("shape", [(2, 8, 8), (1, 3, 8, 8), (1, 2, 0, 8), (1, 2, 8, 0)])
def test_inputs_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ParameterError, match=r"takes \(batch, 2, freq, time\), got"):
        network_of()(torch.zeros(shape))


def test_more_bins_than_the_bottleneck_was_built_for_are_refused() -> None:
    with pytest.raises(ParameterError, match="built for 20 frequency bins, got 21"):
        network_of(block="tfc_tdf", freq_bins=20)(torch.zeros(1, 2, 21, 4))
