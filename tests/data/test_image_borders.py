import numpy as np
import pytest

from stemsep.data.image_borders import balanced_weights, border_distances, weight_map

TWO = np.zeros((9, 21), int)
TWO[2:7, 2:8] = 1
TWO[2:7, 12:19] = 2  # four pixels of background between them, columns 8 to 11


def brute_distances(instances):
    """Distances to the nearest pixel of each object, or from inside it to the nearest outside."""
    places = np.argwhere(np.ones_like(instances))
    distances = []
    for number in range(1, instances.max() + 1):
        inside, outside = (places[(instances == number).ravel() == side] for side in (True, False))
        to_object = np.hypot(*(places[:, None] - inside).transpose(2, 0, 1)).min(1)
        out_of_it = np.hypot(*(places[:, None] - outside).transpose(2, 0, 1)).min(1)
        distances.append(np.maximum(to_object, out_of_it).reshape(instances.shape))
    return np.sort(distances, axis=0)


@pytest.mark.parametrize("seed", range(3))
def test_distances_are_those_to_the_two_nearest_objects(seed):
    random = np.random.default_rng(seed)
    instances = np.zeros((24, 31), int)
    for number in range(1, 5):
        top, left = random.integers(0, 18), random.integers(0, 25)
        window = instances[top : top + 6, left : left + 6]
        window[window == 0] = number
    first, second, *_ = brute_distances(instances)
    for found, expected in zip(border_distances(instances), (first, second), strict=True):
        np.testing.assert_allclose(found, expected)
    near = border_distances(instances, reach=5)[1]
    np.testing.assert_allclose(near[second <= 5], second[second <= 5])


def test_the_map_is_the_formula_of_the_paper():
    classes = (TWO > 0).astype(int)
    weights = np.array([0.7, 1.3])
    result = weight_map(TWO, classes, weights)
    # In the middle row between the two: 1 and 4, 2 and 3, 3 and 2, 4 and 1 pixels away.
    expected = 0.7 + 10 * np.exp(-(5**2) / (2 * 5**2))
    np.testing.assert_allclose(result[4, 8:12], expected, rtol=1e-6)
    first, second, *_ = brute_distances(TWO)
    formula = weights[classes] + 10 * np.exp(-((first + second) ** 2) / (2 * 5**2))
    np.testing.assert_allclose(result, formula, rtol=1e-6)
    other = weight_map(TWO, classes, weights, border_weight=3, sigma=2)
    formula = weights[classes] + 3 * np.exp(-((first + second) ** 2) / (2 * 2**2))
    np.testing.assert_allclose(other, formula, rtol=1e-6)


def test_one_object_or_none_has_no_border_between_objects():
    one = (TWO == 1).astype(int)
    for instances in (one, np.zeros_like(one)):
        result = weight_map(instances, one, np.array([1.0, 2.0]))
        np.testing.assert_array_equal(result, np.array([1.0, 2.0])[one])


def test_balanced_classes_count_alike():
    shares = np.array([0.9, 0.1])
    weights = balanced_weights(shares)
    assert weights[0] * 0.9 == pytest.approx(weights[1] * 0.1)
    assert weights @ shares == pytest.approx(1)
    assert balanced_weights(np.array([1.0, 0.0])).tolist() == [1, 0]
