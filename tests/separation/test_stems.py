import pytest

from stemsep.errors import ParameterError
from stemsep.separation.stems import choose_stems

FOUR = ("vocals", "drums", "bass", "other")


@pytest.mark.parametrize("wanted", [None, "4", 4])
def test_all_stems_by_default(wanted):
    stems = choose_stems(wanted, FOUR)
    assert stems.written == FOUR
    assert stems.groups == {"vocals": (0,), "drums": (1,), "bass": (2,), "other": (3,)}


@pytest.mark.parametrize("wanted", ["2", 2, "vocals,accompaniment", ["vocals", "accompaniment"]])
def test_two_stems_are_vocals_and_the_rest(wanted):
    stems = choose_stems(wanted, FOUR)
    assert stems.written == ("vocals", "accompaniment")
    assert stems.groups == {"vocals": (0,), "accompaniment": (1, 2, 3)}


def test_the_accompaniment_alone():
    assert choose_stems("accompaniment", FOUR).written == ("accompaniment",)


def test_names_choose_and_the_rest_still_takes_part():
    stems = choose_stems("drums, bass", FOUR)
    assert stems.written == ("drums", "bass")
    assert sorted(index for group in stems.groups.values() for index in group) == [0, 1, 2, 3]


@pytest.mark.parametrize("wanted", ["guitar", "3", "drums,accompaniment", "drums,drums", "", ()])
def test_what_the_model_does_not_have_is_named(wanted):
    with pytest.raises(ParameterError, match="this model has vocals, drums, bass, other"):
        choose_stems(wanted, FOUR)


def test_a_model_of_two_stems_gives_its_own_two():
    assert choose_stems("2", ("speech", "noise")).written == ("speech", "noise")
