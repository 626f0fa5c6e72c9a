import json

import numpy as np
import pytest
import torch
from torch.nn import functional

from stemsep.training.image_losses import LOSSES, segmentation_loss
from tests.golden.milesial import generate


def batch_of(outputs=3, classes=None, seed=0):
    random = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, outputs, 5, 6, generator=random)
    target = torch.randint(0, classes or max(2, outputs), (2, 5, 6), generator=random)
    return logits, target


@pytest.mark.parametrize("outputs", [1, 2, 3])
@pytest.mark.parametrize("kind", LOSSES)
def test_right_and_sure_is_nearly_zero_and_wrong_is_not(kind, outputs):
    logits, target = batch_of(outputs)
    if outputs == 1:
        sure = 20 * (2 * target.float() - 1)[:, None]
    else:
        sure = 20 * functional.one_hot(target, outputs).movedim(-1, 1).float()
        sure = sure - 10
    right = segmentation_loss(sure, target, kind=kind)
    wrong = segmentation_loss(-sure, target, kind=kind)
    assert 0 <= right < 0.01
    assert wrong > 0.5
    assert right < segmentation_loss(logits, target, kind=kind) < wrong


def test_cross_entropies_are_those_of_pytorch():
    logits, target = batch_of()
    expected = functional.cross_entropy(logits, target)
    torch.testing.assert_close(segmentation_loss(logits, target, kind="ce"), expected)
    logits, target = batch_of(1)
    for pos_weight in (1.0, 10.0):
        expected = functional.binary_cross_entropy_with_logits(
            logits[:, 0], target.float(), pos_weight=torch.tensor(pos_weight)
        )
        torch.testing.assert_close(
            segmentation_loss(logits, target, kind="bce", pos_weight=pos_weight), expected
        )


def test_cross_entropies_of_published_cases():
    manifest = json.loads((generate.HERE / "manifest.json").read_text())
    for case in ("t2-64x64", "b1-64x64", "t3gray-65x99"):
        facts = manifest["cases"][case]
        logits = torch.from_numpy(np.load(generate.HERE / f"{case}.npz")["logits"])
        targets = [
            generate.mask(f"{case}#{i}", max(2, facts["classes"]), *facts["size"])
            for i in range(facts["batch"])
        ]
        loss = segmentation_loss(
            logits,
            torch.stack([torch.from_numpy(target) for target in targets]),
            kind="bce" if facts["classes"] == 1 else "ce",
        )
        expected = facts["loss_float64"]["cross_entropy_or_bce"]
        assert loss.item() == pytest.approx(expected, abs=1e-4)


def test_soft_dice_of_sure_predictions_is_dice():
    target = torch.tensor([[[0, 0, 0, 1, 1, 1]]])
    found = torch.tensor([[[0, 0, 1, 1, 1, 0]]])
    logits = 100 * functional.one_hot(found, 2).movedim(-1, 1).float()
    # Two of three pixels of each class are right; one pixel is added to both terms.
    expected = 1 - (2 * 2 + 1) / (3 + 3 + 1)
    assert segmentation_loss(logits, target, kind="dice").item() == pytest.approx(expected)


def test_focal_is_weighted_by_how_wrong_a_pixel_is():
    logits, target = batch_of()
    right = logits.softmax(1).gather(1, target[:, None])[:, 0]
    expected = ((1 - right) ** 2 * -right.log()).mean()
    torch.testing.assert_close(segmentation_loss(logits, target, kind="focal"), expected)


def test_sums_are_sums():
    logits, target = batch_of()
    for kind in ("ce+dice", "bce+dice"):
        parts = [segmentation_loss(logits, target, kind=part) for part in kind.split("+")]
        torch.testing.assert_close(segmentation_loss(logits, target, kind=kind), sum(parts))


def test_weights_of_pixels_and_of_the_foreground_multiply():
    logits, target = batch_of(2)
    each = functional.cross_entropy(logits, target, reduction="none")
    weight = torch.rand(2, 5, 6)
    torch.testing.assert_close(
        segmentation_loss(logits, target, kind="ce", weight=weight), (each * weight).mean()
    )
    foreground = torch.where(target > 0, 10.0, 1.0)
    torch.testing.assert_close(
        segmentation_loss(logits, target, kind="ce", pos_weight=10), (each * foreground).mean()
    )


def test_half_precision_is_computed_in_full():
    logits, target = batch_of()
    loss = segmentation_loss(logits.bfloat16(), target, kind="ce+dice")
    assert loss.dtype == torch.float32
    torch.testing.assert_close(
        loss, segmentation_loss(logits.bfloat16().float(), target, kind="ce+dice")
    )


def test_with_one_output_both_cross_entropies_are_one():
    logits, target = batch_of(1)
    torch.testing.assert_close(
        segmentation_loss(logits, target, kind="ce", pos_weight=3),
        segmentation_loss(logits, target, kind="bce", pos_weight=3),
    )
