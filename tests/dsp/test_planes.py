import pytest
import torch

from stemsep.dsp import planes


def test_planes_are_the_real_and_then_the_imaginary_part():
    spectrum = torch.tensor([[1 + 2j, 3 - 4j], [0j, 1j]])  # (freq, time)
    assert [plane.tolist() for plane in planes(spectrum)] == [[[1, 3], [0, 0]], [[2, -4], [0, 1]]]
    assert all(plane.mT.is_contiguous() for plane in planes(spectrum))
    assert planes(spectrum).magnitude()[0].tolist() == pytest.approx([5**0.5, 5])
