import numpy as np
import pytest

from stemsep.audio.blocks import turned


@pytest.mark.parametrize("shape", [(2, 5), (5, 2), (1, 7), (7, 1), (3, 3), (8, 0), (0, 8)])
@pytest.mark.parametrize("kind", [np.int16, np.float32])
def test_turned_blocks_are_the_transpose_in_memory_of_their_own(
    shape: tuple[int, int], kind: type
) -> None:
    block = np.arange(shape[0] * shape[1], dtype=kind).reshape(shape)
    result = turned(block)
    np.testing.assert_array_equal(result, block.T)
    assert result.dtype == kind
    assert result.flags.c_contiguous
    assert not np.shares_memory(result, block)
    np.testing.assert_array_equal(turned(block.T), block)  # from any order of memory
