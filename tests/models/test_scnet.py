import pytest
import torch

from stemsep.dsp import STFTConfig
from stemsep.errors import ParameterError
from stemsep.models import (
    SCNet,
    SCNetConfig,
    count_parameters,
    gmac_per_second,
    macs,
    network_input,
)
from tests.dsp.tensors import uniform
from tests.networks import small_scnet


def mixture(batch: int = 1, frames: int = 12) -> torch.Tensor:
    return torch.complex(uniform(batch, 2, 129, frames), uniform(2, batch, 2, 129, frames)[1])


def masks_of(network: SCNet, spectrum: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        masks: torch.Tensor = network(network_input(spectrum, network.config))
    return masks


def test_as_many_values_and_tensors_as_the_published_checkpoint() -> None:
    with torch.device("meta"):
        network = SCNet(SCNetConfig())
    assert count_parameters(network) == 10_578_768
    assert len(network.state_dict()) == 372


def test_levels_have_the_published_sizes() -> None:
    with torch.device("meta"):
        network = SCNet(SCNetConfig()).eval()
        features, skips = torch.empty(1, 4, 2049, 8), []
        for down in network.down:
            features, skip = down(features)
            skips.append(tuple(skip.shape[1:3]))
    assert skips == [(32, 359 + 201 + 56), (64, 108 + 61 + 17), (128, 33 + 19 + 5)]


def test_cost_does_not_depend_on_how_many_frames_it_is_counted_with() -> None:
    network = small_scnet()
    more = (macs(network, 129, 40) - macs(network, 129, 20)) / 20
    assert gmac_per_second(network.config) == pytest.approx(more * 8000 / 64 / 1e9)


@pytest.mark.parametrize("frames", [1, 2, 7, 12])
def test_a_mask_of_every_stem_channel_and_bin_for_any_number_of_frames(frames) -> None:
    spectrum = mixture(2, frames)
    before = spectrum.clone()
    masks = masks_of(small_scnet(), spectrum)
    assert masks.shape == (2, 4, 2, 129, frames)
    assert masks.is_complex()
    assert torch.isfinite(torch.view_as_real(masks)).all()
    assert torch.equal(spectrum, before)


def test_masks_times_the_mixture_are_the_estimate_and_nothing_where_it_is_silent() -> None:
    network, spectrum = small_scnet(), mixture()
    spectrum[..., 40:50, 3] = 0
    parts = network_input(spectrum, network.config)
    with torch.no_grad():
        stems, estimate = network(parts) * spectrum[:, None], network.estimate(parts)
    assert (stems[..., 40:50, 3] == 0).all()
    silent = spectrum[:, None].expand_as(stems) == 0
    torch.testing.assert_close(stems[~silent], estimate[~silent], atol=1e-6, rtol=1e-4)
    assert estimate[silent].abs().min() > 0


def test_masks_do_not_depend_on_loudness_and_silence_gives_silence() -> None:
    network, spectrum = small_scnet(), 100 * mixture()
    torch.testing.assert_close(
        masks_of(network, spectrum), masks_of(network, 8 * spectrum), atol=1e-3, rtol=1e-3
    )
    assert (masks_of(network, 0 * spectrum) == 0).all()


def test_a_batch_is_its_items_one_by_one() -> None:
    network, spectrum = small_scnet(), mixture(3)
    together = masks_of(network, spectrum)
    for item, alone in zip(spectrum, together, strict=True):
        torch.testing.assert_close(masks_of(network, item[None])[0], alone, atol=1e-4, rtol=1e-4)


def test_parts_lie_beside_each_other_channel_by_channel() -> None:
    spectrum = mixture()
    parts = network_input(spectrum, SCNetConfig())[0]
    left, right = spectrum[0]
    for part, expected in zip(parts, (left.real, left.imag, right.real, right.imag), strict=True):
        assert torch.equal(part, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stems": ()}, "one or more"),
        ({"widths": (6,)}, "widths = .* multiples of 4"),
        ({"widths": ()}, "multiples of 4"),
        ({"sample_rate": 0}, "sample_rate = 0"),
        ({"stft": STFTConfig(n_fft=2, hop_length=1)}, "too few bins for 3 levels"),
    ],
    ids=str,
)
def test_configurations_that_cannot_work_are_refused(change, message) -> None:
    with pytest.raises(ParameterError, match=message):
        SCNetConfig(**change)


@pytest.mark.parametrize("shape", [(4, 129, 8), (1, 2, 129, 8), (1, 4, 128, 8), (1, 4, 129, 0)])
def test_inputs_of_another_shape_are_refused(shape) -> None:
    with pytest.raises(ParameterError, match=r"takes \(batch, 4, 129, time\), got"):
        small_scnet().estimate(torch.zeros(shape))
