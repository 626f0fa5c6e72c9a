"""What all tests share."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import settings

# The same examples in every run.
settings.register_profile("stemsep", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("stemsep")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Compute on one thread: on tensors this small a second one only costs time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
