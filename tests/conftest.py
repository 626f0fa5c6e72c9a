"""What all tests share: hypothesis gives the same examples in every run."""

from hypothesis import settings

settings.register_profile("stemsep", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("stemsep")
