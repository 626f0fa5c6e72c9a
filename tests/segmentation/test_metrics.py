import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsep.errors import ParameterError
from stemsep.segmentation.metrics import confusion, dice, iou, mask_scores, pixel_error


def counts_of(estimate, reference, classes=2):
    return confusion(estimate=np.array(estimate), reference=np.array(reference), classes=classes)


@given(
    st.integers(2, 5).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), min_size=1),
        )
    )
)
def test_dice_and_iou_are_those_of_sets_of_pixels(case):
    classes, pixels = case
    counts = counts_of([e for e, _ in pixels], [r for _, r in pixels], classes)
    for label in range(classes):
        found = {i for i, (e, _) in enumerate(pixels) if e == label}
        true = {i for i, (_, r) in enumerate(pixels) if r == label}
        if not found | true:
            assert math.isnan(dice(counts)[label])
            assert math.isnan(iou(counts)[label])
            continue
        both = len(found & true)
        assert dice(counts)[label] == float(Fraction(2 * both, len(found) + len(true)))
        assert iou(counts)[label] == float(Fraction(both, len(found | true)))
        assert 0 <= iou(counts)[label] <= dice(counts)[label] <= 1
    wrong = sum(e != r for e, r in pixels)
    assert pixel_error(counts) == pytest.approx(wrong / len(pixels), abs=1e-15)


def test_scores_of_a_set_are_means_over_pictures_and_pooled_counts():
    pictures = [
        counts_of([1, 1, 0, 0], [1, 0, 0, 0]),  # Dice of class 1: 2/3
        counts_of([0, 0, 0, 0], [0, 0, 0, 0]),  # has no class 1: not judged for it
        counts_of([1, 0, 0, 0], [1, 0, 0, 0]),  # 1
    ]
    scores = mask_scores(pictures)
    assert scores.dice[1] == pytest.approx((2 / 3 + 1) / 2)
    assert scores.dice_pooled[1] == pytest.approx(4 / 5)
    assert scores.iou_pooled[1] == pytest.approx(2 / 3)
    assert scores.pixel_error == pytest.approx(1 / 12)
    assert scores.background == 0
    assert scores.score == scores.dice[1]
    assert scores.pictures == 3


def test_the_best_constant_prediction_stands_beside_the_scores():
    # 3 of 4 pixels are class 1, as the cells of an electron micrograph: "all cell" looks good.
    truth = np.array([1, 1, 1, 0])
    scores = mask_scores([counts_of(np.ones(4, int), truth)])
    assert scores.constant_dice == (pytest.approx(2 / 5), pytest.approx(6 / 7))
    assert scores.constant_pixel_error == pytest.approx(1 / 4)
    assert scores.background == 1
    assert scores.score == 0  # no pixel of class 0 was found
    assert scores.constant_score == pytest.approx(2 / 5)


def test_a_constant_prediction_of_several_classes_gets_one_of_them_right():
    truth = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    scores = mask_scores([counts_of(truth, truth, 3)])
    assert scores.score == 1
    assert scores.constant_score == pytest.approx((2 * 2 / (2 + 8)) / 2)


def test_masks_of_other_sizes_and_numbers_out_of_range_are_refused():
    with pytest.raises(ParameterError, match="differ"):
        counts_of([0, 1], [0, 1, 1])
    with pytest.raises(ParameterError, match="estimate go from 0 to 255"):
        counts_of([0, 255], [0, 1])
    with pytest.raises(ParameterError, match="no picture"):
        mask_scores([])
