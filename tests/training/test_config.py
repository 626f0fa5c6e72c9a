import pytest

from stemsep.errors import ParameterError
from stemsep.training.config import TrainConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch_size", 0),
        ("validate_every", 0),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("clip_norm", -1.0),
        ("warmup_steps", -1),
        ("weight_decay", -0.1),
        ("save_minutes", -1.0),
        ("ema", 1.0),
        ("ema", -0.1),
        ("precision", "fp8"),
        ("accumulate", 0),
        ("accumulate", 9),
        ("optimizer", "lion"),
        ("schedule", "step"),
        ("momentum", 1.0),
        ("plateau_factor", 1.0),
        ("plateau_patience", 0),
        ("patience", -1),
        ("workers", 0),
        ("seed", -1),
    ],
)
def test_a_value_out_of_range_is_named(name, value):
    with pytest.raises(ParameterError, match=f"^{name} = "):
        TrainConfig(**{name: value})
