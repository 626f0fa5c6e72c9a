"""Random tensors that the tests of transforms and networks are made of."""

import torch


def uniform(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return a tensor of that shape, uniform in [-1, 1), the same in every run."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(*shape, generator=generator, dtype=dtype) * 2 - 1
