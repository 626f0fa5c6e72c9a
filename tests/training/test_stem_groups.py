import numpy as np

from stemsep.data.playing import Example
from stemsep.data.track import STEMS
from stemsep.training.stem_groups import group_examples, stem_groups


def example(reliable):
    stems = np.stack([np.full((2, 5), 10.0**i, np.float32) for i in range(4)])
    return Example(stems, stems.sum(0), np.array(reliable, np.float32))


def test_the_networks_own_stems_stay_as_they_are():
    read, groups = stem_groups(STEMS, STEMS)
    assert read == STEMS
    given = example([1, 1, 0, 0])
    assert group_examples(given, groups) is given


def test_stems_in_another_order_are_reordered():
    read, groups = stem_groups(("other", "vocals", "drums", "bass"), STEMS)
    grouped = group_examples(example([1, 0, 1, 1]), groups)
    assert read == STEMS
    assert grouped.stems[:, 0, 0].tolist() == [1000, 1, 10, 100]
    assert grouped.reliable.tolist() == [1, 1, 0, 1]


def test_stems_of_other_names_are_read_by_these_names():
    assert stem_groups(("voice", "guitar"), STEMS) == (("voice", "guitar"), [[0], [1]])


def test_accompaniment_is_all_but_the_vocals():
    _, groups = stem_groups(("accompaniment", "vocals"), STEMS)
    grouped = group_examples(example([1, 1, 1, 1]), groups)
    assert grouped.stems[:, 0, 0].tolist() == [1110, 1]
    assert grouped.mixture[0, 0] == 1111


def test_a_sum_is_good_if_its_parts_are_or_if_they_only_lack_each_other():
    _, groups = stem_groups(("vocals", "accompaniment"), STEMS)
    marks = {
        (1, 1, 0, 0): [1, 1],  # bass in other, other in bass: together they are right
        (0, 1, 1, 0): [0, 0],  # vocals in other: no sum mends that
        (0, 0, 0, 0): [0, 0],  # no stems known at all
    }
    for given, expected in marks.items():
        assert group_examples(example(given), groups).reliable.tolist() == expected
