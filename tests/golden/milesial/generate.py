"""The weights, pictures and targets of the golden cases, from PCG64 integers alone.

Names and shapes are those of keys.json. Every value is a whole number times a power of two: exact
in float32, and independent of the platform, of libm and of NumPy's distributions.

=========================  ==================================================================
``raw(tag, n)``            ``PCG64(first 8 bytes of sha256(SALT + tag)).random_raw(n)``
``odd(tag, n)``            ``2 (raw >> 52) - 4095``: odd numbers from -4095 to 4095
weight of a convolution    ``odd k / 2**(12 + shift)``: nearly uniform within sqrt(6 / fan-in)
of a transposed one        the same with the number of input channels
norm weight, mean, bias    ``1 + odd / 2**14``, ``odd / 2**14``
norm variance              ``1 + odd / 2**13``
bias                       ``odd / 2**15``
counter of batches         1000
=========================  ==================================================================

`tests/weights/test_milesial.py` checks all digests of manifest.json.
"""

import hashlib
import json
import math
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SALT = b"stemsep-image-golden-1|"


def raw(tag, n):
    seed = int.from_bytes(hashlib.sha256(SALT + tag.encode()).digest()[:8], "big")
    return np.random.PCG64(seed).random_raw(n)


def odd(tag, n):
    return 2 * (raw(tag, n) >> np.uint64(52)).astype(np.int64) - 4095


def exact(numbers, shift):
    """Return whole numbers divided by ``2**shift``, as float32."""
    assert np.abs(numbers).max(initial=0) < 1 << 24, "not exact in float32"
    return np.ldexp(numbers.astype(np.float32), -shift).astype("<f4")


def he_scale(fan_in):
    """Return sqrt(6 / fan_in) as k / 2**shift with at most 11 bits in k."""
    k, shift = math.isqrt((6 << 32) // fan_in), 16
    while k >= 1 << 11:
        k, shift = k >> 1, shift - 1
    return k, shift


def tensor(variant, name, shape):
    if name.endswith("num_batches_tracked"):
        return np.array(1000, dtype="<i8")
    numbers = odd(f"weight|{variant}|{name}", math.prod(shape))
    if len(shape) == 4:
        k, shift = he_scale(shape[0] if ".up.weight" in name else math.prod(shape[1:]))
        value = exact(numbers * k, 12 + shift)
    elif name.endswith("running_var"):
        value = exact((1 << 13) + numbers, 13)
    elif name.endswith((".up.bias", "outc.conv.bias")):
        value = exact(numbers, 15)
    elif name.endswith(".weight"):
        value = exact((1 << 14) + numbers, 14)
    else:
        value = exact(numbers, 14)
    return value.reshape(shape)


def state_dict(variant):
    """Return name -> array, in the order of keys.json."""
    keys = json.loads((HERE / "keys.json").read_text())["variants"][variant]["keys"]
    return {k["name"]: tensor(variant, k["name"], k["shape"]) for k in keys}


def image(case, channels, height, width):
    """Return a uint8 picture, H x W x C: patches of 32, 8 and 2 pixels plus noise."""
    total = np.zeros((height, width, channels), dtype=np.int64)
    for step, weight in ((32, 5), (8, 5), (2, 4), (1, 2)):
        h, w = -(-height // step), -(-width // step)
        values = raw(f"image|{case}|{step}", h * w * channels) >> np.uint64(56)
        values = values.astype(np.int64).reshape(h, w, channels)
        total += weight * values.repeat(step, 0).repeat(step, 1)[:height, :width]
    return (total // 16).astype(np.uint8)


def mask(case, classes, height, width):
    """Return class numbers, H x W, in patches of 16 pixels."""
    h, w = -(-height // 16), -(-width // 16)
    values = (raw(f"mask|{case}", h * w) >> np.uint64(40)).astype(np.int64) % classes
    return values.reshape(h, w).repeat(16, 0).repeat(16, 1)[:height, :width].astype("<i8")


def network_input(picture):
    """Return a uint8 picture as float32, 1 x C x H x W, from 0 to 1."""
    return (picture.astype(np.float64) / 255).astype(np.float32).transpose(2, 0, 1)[None].copy()


def digest_array(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def digest_state(state):
    total = hashlib.sha256()
    for name, array in state.items():
        total.update(f"{name}|{array.dtype.str}|{','.join(map(str, array.shape))}|".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
