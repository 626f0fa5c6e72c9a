from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsep.errors import WeightsError
from stemsep.weights.tensor_bundle import read_bundle
from tests.weights.bundles import entry, field, header, table, varint, write_bundle

TENSORS = {
    "conv/kernel": np.arange(24, dtype="<f4").reshape(2, 3, 4),
    "conv/bias": np.array([1.5, -2.5], "<f4"),
    "conv_1/kernel": np.full((3, 1), 7, "<f4"),
    "empty": np.zeros((0, 5), "<f4"),
    "flags": np.array([True, False, True]),
    "global_step": np.array(123_456_789_012, "<i8"),
    "half": np.array([0.5], "<f2"),
}


@pytest.fixture
def prefix(tmp_path):
    write_bundle(tmp_path / "model", TENSORS)
    return tmp_path / "model"


def same(read, expected):
    assert list(read) == sorted(expected, key=str.encode)
    for name, values in expected.items():
        assert read[name].dtype == values.dtype
        assert read[name].shape == values.shape
        assert read[name].tobytes() == values.tobytes()


def test_every_tensor_comes_back(prefix):
    same(dict(read_bundle(prefix)), TENSORS)


def test_a_table_of_many_blocks_and_several_data_files_come_back(tmp_path):
    tensors = {f"layer_{n}/kernel": np.full((n % 5 + 1,), n, "<f4") for n in range(100)}
    write_bundle(tmp_path / "m", tensors, shards=3, per_block=18)
    read = dict(read_bundle(tmp_path / "m"))
    same({name: read[name] for name in sorted(read)}, tensors)


def damage(path: Path, change) -> list[str]:
    """Return the messages of reading with each changed version of a file."""
    good, messages = path.read_bytes(), []
    prefix = path.with_name("model")
    for changed in change(good):
        path.write_bytes(changed)
        with pytest.raises(WeightsError) as caught:
            list(read_bundle(prefix))
        messages.append(str(caught.value))
    path.write_bytes(good)
    assert dict(read_bundle(prefix)).keys() == TENSORS.keys()
    return messages


def flipped(good: bytes):
    for place in range(len(good)):
        for bit in (1, 128):
            yield good[:place] + bytes([good[place] ^ bit]) + good[place + 1 :]


def cut(good: bytes):
    yield from (good[:size] for size in range(len(good)))
    yield good + b"\0"
    yield good + good
    yield good[1:]


@pytest.mark.parametrize("name", ["model.index", "model.data-00000-of-00001"])
@pytest.mark.parametrize("change", [flipped, cut])
def test_every_flipped_byte_and_every_cut_is_one_line(prefix, name, change):
    messages = damage(prefix.with_name(name), change)
    assert all(name in message and "\n" not in message for message in messages)


@given(noise=st.binary(max_size=200), keep=st.integers(0, 400))
def test_noise_is_refused(tmp_path_factory, noise, keep):
    folder = tmp_path_factory.mktemp("noise")
    write_bundle(folder / "model", TENSORS)
    index = folder / "model.index"
    good = index.read_bytes()
    index.write_bytes(good[:keep] + noise + good[keep + len(noise) :])
    if index.read_bytes() != good:
        with pytest.raises(WeightsError):
            list(read_bundle(folder / "model"))


BIAS = TENSORS["conv/bias"]
WRONG = {
    "no header": [(b"a", entry(BIAS, 0, 0))],
    "big-endian": [(b"", header(endianness=1))],
    "newer reader": [(b"", header(consumer=2))],
    "names 0 data files": [(b"", header(shards=0))],
    "names 1048576 data files": [(b"", header(shards=1 << 20))],
    "that there is none of": [(b"", header()), (b"a", entry(BIAS, 1, 0))],
    "not in order": [(b"", header()), (b"b", entry(BIAS, 0, 0)), (b"a", entry(BIAS, 0, 8))],
    "or have gaps": [(b"", header()), (b"a", entry(BIAS, 0, 4))],
    "'a' is of a type": [(b"", header()), (b"a", field(1, 7))],
    "or stored in a way": [(b"", header()), (b"a", entry(BIAS, 0, 0, extra=field(7, b"x")))],
    "than its shape": [(b"", header()), (b"a", entry(BIAS, 0, 0, extra=field(5, 9)))],
    "a record is damaged": [(b"", header()), (b"a", field(1, 1) + field(2, 3))],
    "a record is cut": [(b"", header()), (b"a", b"\x12\x7f")],
    "a number is too long": [(b"", header()), (b"a", b"\x08" + b"\xff" * 11)],
    "needless zeros": [(b"", header()), (b"a", b"\x08\x81\x00")],
}
"""What the message says -> records that carry right checksums and make no sense."""


@pytest.mark.parametrize("message", WRONG)
def test_records_that_make_no_sense_are_refused(tmp_path, message):
    (tmp_path / "m.index").write_bytes(table(WRONG[message]))
    (tmp_path / "m.data-00000-of-00001").write_bytes(BIAS.tobytes())
    with pytest.raises(WeightsError, match=message):
        list(read_bundle(tmp_path / "m"))


def test_an_enormous_shape_takes_no_memory(tmp_path):
    shape = field(2, field(1, 1 << 40)) * 3
    huge = field(1, 1) + field(2, shape) + field(5, 1 << 62) + varint(6 << 3 | 5) + bytes(4)
    (tmp_path / "m.index").write_bytes(table([(b"", header()), (b"a", huge)]))
    (tmp_path / "m.data-00000-of-00001").write_bytes(b"")
    with pytest.raises(WeightsError, match="than its shape"):
        list(read_bundle(tmp_path / "m"))


def test_a_compressed_table_is_named_as_such(tmp_path):
    (tmp_path / "m.index").write_bytes(table([(b"", header())], compression=1))
    with pytest.raises(WeightsError, match="compressed, which is not supported"):
        list(read_bundle(tmp_path / "m"))


def test_missing_files_are_named(prefix):
    prefix.with_name("model.data-00000-of-00001").unlink()
    with pytest.raises(WeightsError, match=r"cannot read '.*data-00000-of-00001': No such file"):
        list(read_bundle(prefix))
    with pytest.raises(WeightsError, match=r"cannot read '.*other.index'"):
        list(read_bundle(prefix.with_name("other")))


def test_an_index_too_large_to_be_one_is_not_read(tmp_path):
    with (tmp_path / "m.index").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(WeightsError, match="far too large"):
        list(read_bundle(tmp_path / "m"))
