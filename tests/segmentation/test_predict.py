import numpy as np
import pytest
import torch

from stemsep.errors import ParameterError, WeightsError
from stemsep.models import ImageNetworkConfig, UNet, UNetConfig
from stemsep.segmentation.predict import (
    Segmenter,
    load_segmentation,
    prepared,
    shares,
    warnings_about,
)
from stemsep.weights.checkpoint import Card, save_network
from stemsep.weights.milesial import save_milesial


def segmenter_of(outputs=2, values=(0, 255), channels=1, **settings):
    torch.manual_seed(0)
    unet = UNetConfig(in_channels=channels, out_channels=outputs, channels=(3, 4, 5))
    config = ImageNetworkConfig(unet=unet, mask_values=values)
    return Segmenter(UNet(unet).eval(), config, **settings)


def picture(height=30, width=41, channels=1, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (channels, height, width), "u1")


@pytest.mark.parametrize("outputs", [1, 2])
def test_classes_follow_from_probabilities(outputs):
    segmenter = segmenter_of(outputs)
    logits = segmenter.logits(picture())
    likely = segmenter.probabilities(logits)
    assert likely.shape == (2, 30, 41)
    np.testing.assert_allclose(likely.sum(0), 1, atol=1e-6)
    median = float(np.median(likely[1]))
    for threshold in (0.5, median):
        classes = segmenter.classes(logits, threshold=threshold)
        doubtful = np.abs(likely[1] - threshold) < 1e-6
        np.testing.assert_array_equal(
            classes[~doubtful], (likely[1] > threshold)[~doubtful].astype(np.uint8)
        )


def test_thresholds_are_for_two_classes_and_between_0_and_1():
    segmenter = segmenter_of(3, (0, 1, 2))
    logits = segmenter.logits(picture())
    assert set(segmenter.classes(logits).ravel()) <= {0, 1, 2}
    with pytest.raises(ParameterError, match="for two classes"):
        segmenter.classes(logits, threshold=0.3)
    for threshold in (0, 1, float("nan")):
        with pytest.raises(ParameterError, match="between 0 and 1"):
            segmenter_of().classes(logits, threshold=threshold)


@pytest.mark.parametrize("outputs", [1, 2])
def test_flips_and_turns_are_averaged(outputs):
    segmenter = segmenter_of(outputs, tta=True)
    pixels = picture(32, 32)
    mean = segmenter.probabilities(segmenter.logits(pixels))
    # Seen from any side, the result is the same.
    for change in (lambda a: np.rot90(a, 1, (1, 2)), lambda a: a[:, :, ::-1]):
        turned = segmenter.probabilities(segmenter.logits(np.ascontiguousarray(change(pixels))))
        np.testing.assert_allclose(turned, change(mean), atol=1e-5)
    plain = segmenter_of(outputs)
    single = [
        np.rot90(plain.probabilities(plain.logits(np.rot90(side, k, (1, 2)).copy())), -k, (1, 2))
        for k in range(4)
        for side in (pixels,)
    ]
    flipped = pixels[:, :, ::-1]
    single += [
        np.rot90(plain.probabilities(plain.logits(np.rot90(flipped, k, (1, 2)).copy())),
                 -k, (1, 2))[:, :, ::-1]
        for k in range(4)
    ]  # fmt: skip
    np.testing.assert_allclose(mean, np.mean(single, axis=0), atol=1e-5)


def test_any_channels_and_depth_fit_the_network():
    grey, colour = segmenter_of(channels=1), segmenter_of(channels=3)
    pixels = picture()
    np.testing.assert_allclose(
        prepared(pixels, colour.config), np.repeat(prepared(pixels, grey.config), 3, 0), atol=1e-5
    )
    np.testing.assert_allclose(
        prepared(np.repeat(pixels, 3, 0), grey.config), prepared(pixels, grey.config), atol=1e-5
    )
    deep = pixels.astype(np.uint16) * 257
    np.testing.assert_allclose(
        prepared(deep, grey.config), prepared(pixels, grey.config), atol=1e-5
    )


def test_brightness_and_contrast_of_an_exposure_do_not_matter():
    config = segmenter_of().config
    dark = picture() // 4
    np.testing.assert_allclose(prepared(dark * 2, config), prepared(dark, config), atol=1e-5)


def test_the_mask_has_the_size_of_the_picture_at_any_scale(tmp_path):
    segmenter = segmenter_of()
    save_network(
        tmp_path / "a.safetensors", segmenter.network.state_dict(), segmenter.config, Card()
    )
    scaled = Segmenter.from_pretrained(tmp_path / "a.safetensors", scale=0.5)
    assert scaled.config.scale == 0.5
    assert scaled.logits(picture()).shape == (2, 30, 41)
    whole = Segmenter.from_pretrained(tmp_path / "a.safetensors")
    torch.testing.assert_close(whole.logits(picture()), segmenter.logits(picture()))
    with pytest.raises(ParameterError, match="nothing is left"):
        scaled.logits(picture(1, 1))


def test_state_dicts_have_the_programs_scale_unless_told(tmp_path):
    unet = UNetConfig(channels=(2, 4, 6, 8, 10))
    config = ImageNetworkConfig(unet=unet, mask_values=(0, 1), normalise="none")
    save_milesial(tmp_path / "a.pth", UNet(unet), config)
    assert load_segmentation(tmp_path / "a.pth")[1].scale == 0.5
    assert load_segmentation(tmp_path / "a.pth", scale=1.0)[1].scale == 1.0
    with pytest.raises(WeightsError, match="not one for pictures"):
        load_segmentation("default")


def test_suspicious_masks_are_told():
    classes = np.zeros((10, 10), np.uint8)
    assert shares(classes, 2) == [1, 0]
    assert "every pixel is 0" in warnings_about(shares(classes, 2), (0, 255))
    classes[0, :4] = 1
    assert "only 4.0 %" in warnings_about(shares(classes, 2), (0, 255))
    classes[:7] = 1
    assert "70.0 %" in warnings_about(shares(classes, 2), (0, 255))
    classes[5:] = 0
    assert not warnings_about(shares(classes, 2), (0, 255))
    assert not warnings_about([0.98, 0.01, 0.01], (0, 1, 2))
