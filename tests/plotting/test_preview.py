import numpy as np

from stemsep.plotting.preview import (
    Example,
    contact_sheet,
    displayed,
    overlaid,
    preview,
    side_by_side,
)

PICTURE = np.random.default_rng(0).integers(0, 255, (3, 20, 30), dtype=np.uint8)
CLASSES = np.zeros((20, 30), np.uint8)
CLASSES[5:15, 10:20] = 1


def test_pictures_of_any_depth_are_shown():
    np.testing.assert_array_equal(displayed(PICTURE), PICTURE.transpose(1, 2, 0))
    grey = displayed(PICTURE[:1])
    assert (grey == grey[:, :, :1]).all()
    deep = displayed((PICTURE[:1].astype(np.uint16) + 1000) * 3)  # dark on a 16-bit scale
    assert deep.min() == 0
    assert deep.max() == 255


def test_the_background_stays_clear_and_classes_differ():
    over = overlaid(PICTURE, CLASSES)
    shown = displayed(PICTURE)
    np.testing.assert_array_equal(over[CLASSES == 0], shown[CLASSES == 0])
    assert (over[CLASSES == 1] != shown[CLASSES == 1]).any(-1).mean() > 0.9
    flat = np.full((1, 20, 30), 100, np.uint8)
    first, second = (overlaid(flat, CLASSES * n)[10, 15].tolist() for n in (1, 2))
    assert first != second


def test_sheets_hold_all_their_pictures():
    one = side_by_side(PICTURE, CLASSES)
    assert one.width >= 3 * 30
    example = Example("a", PICTURE, CLASSES, np.zeros_like(CLASSES), "Dice 0.000")
    two, three = preview([example] * 2), preview([example] * 3)
    assert two.width >= 4 * 30
    assert three.height - two.height >= 20
    red = (np.asarray(two) == (220, 30, 30)).all(-1).sum()
    assert red == 2 * (CLASSES == 1).sum()
    sheet = contact_sheet([(PICTURE, CLASSES)] * 7, columns=3)
    assert sheet.width >= 3 * 30
    assert sheet.height >= 3 * 20


def test_large_pictures_are_shown_small():
    large = np.zeros((1, 2000, 1000), np.uint8)
    assert max(side_by_side(large, large[0]).size) < 1000
    assert max(contact_sheet([(large, large[0])]).size) < 200
