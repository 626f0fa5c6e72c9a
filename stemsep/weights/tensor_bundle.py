"""Checkpoints of TensorFlow ("V2", or tensor bundles) -> arrays, with NumPy alone.

``PREFIX.index`` is a sorted table, name -> where the tensor lies; ``PREFIX.data-00000-of-00001``
(and so on) hold the values one after the other. Every byte of both is covered by a checksum or by
a rule that is checked here, so that a damaged file is an error and never a wrong tensor.

Not read: compressed tables, tensors stored in slices, strings; no published network of
`stemsep.weights` has them.

Reference: the comments of tensorflow/core/protobuf/tensor_bundle.proto (records), and
doc/table_format.md of LevelDB (the table).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemsep.errors import WeightsError
from stemsep.weights.crc32c import crc32c

__all__ = ["read_bundle"]

DTYPES = {
    1: "<f4",
    2: "<f8",
    3: "<i4",
    4: "|u1",
    5: "<i2",
    6: "|i1",
    9: "<i8",
    10: "|b1",
    17: "<u2",
    19: "<f2",
    22: "<u4",
    23: "<u8",
}
"""TensorFlow's numbers of types (tensorflow/core/framework/types.proto) -> NumPy's names."""

MAGIC = 0xDB4775248B80FB57
FOOTER_BYTES = 48
TRAILER_BYTES = 5  # of a block: how it is compressed, and its checksum
MOST_INDEX_BYTES = 1 << 26
"""Far more than any network's; a larger index is not read into memory."""

Fields = dict[int, list[int | bytes]]


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """Where a tensor lies."""

    name: str
    dtype: np.dtype[np.generic]
    shape: tuple[int, ...]
    shard: int
    offset: int
    size: int
    checksum: int


def read_bundle(prefix: Path) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Yield name and values of each tensor, in the order in which they are stored.

    Nothing is yielded before the index has been checked; each tensor is checked before it is
    yielded.

    Args:
        prefix: path of the checkpoint without ``.index``.

    Raises:
        WeightsError: a file is missing, damaged or cut, or holds what this reader does not know.
    """
    index = prefix.with_name(prefix.name + ".index")
    shards, entries = _read_index(index)
    for number in range(shards):
        path = prefix.with_name(f"{prefix.name}.data-{number:05}-of-{shards:05}")
        inside = sorted((e for e in entries if e.shard == number), key=lambda entry: entry.offset)
        yield from _read_shard(path, inside)


def _read_shard(path: Path, entries: list[_Entry]) -> Iterator[tuple[str, NDArray[np.generic]]]:
    """Yield the tensors of one data file, which they must fill without gaps."""
    end = 0
    for entry in entries:
        if entry.offset != end:
            raise WeightsError(f"'{path}': damaged: tensors overlap or have gaps, by its index")
        end += entry.size
    try:
        if path.stat().st_size != end:
            raise WeightsError(
                f"'{path}' is cut or damaged: {path.stat().st_size:,} bytes instead of {end:,}"
            )
        with path.open("rb") as file:
            for entry in entries:
                data = file.read(entry.size)
                if len(data) != entry.size or _masked(crc32c(data)) != entry.checksum:
                    raise WeightsError(f"'{path}' is damaged: wrong checksum of '{entry.name}'")
                yield entry.name, np.ndarray(entry.shape, entry.dtype, data)
    except OSError as error:
        raise WeightsError(f"cannot read '{path}': {error.strerror or error}") from error


def _read_index(path: Path) -> tuple[int, list[_Entry]]:
    """Return the number of data files and all tensors, in order of their names."""
    try:
        if path.stat().st_size > MOST_INDEX_BYTES:
            raise WeightsError(f"'{path}' is no index of a checkpoint: it is far too large")
        records = list(_records(path.read_bytes()))
        if not records or records[0][0] != b"":
            raise ValueError("it has no header")
        shards = _shards(records[0][1])
        entries = [_entry(name.decode(), _fields(value)) for name, value in records[1:]]
        if any(entry.shard >= shards for entry in entries):
            raise ValueError("a tensor lies in a data file that there is none of")
    except OSError as error:
        raise WeightsError(f"cannot read '{path}': {error.strerror or error}") from error
    except (ValueError, IndexError, TypeError, struct.error) as error:
        raise WeightsError(
            f"'{path}' is damaged, or no index of a TensorFlow checkpoint: {error}"
        ) from error
    return shards, entries


# The table: data blocks, an (empty) block about them, a block that lists them, a footer.


def _records(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of each record of a table."""
    footer = table[-FOOTER_BYTES:]
    if len(footer) < FOOTER_BYTES or struct.unpack("<Q", footer[-8:])[0] != MAGIC:
        raise ValueError("it does not end as it should")
    about, at = _handle(footer, 0)
    listing, at = _handle(footer, at)
    if any(footer[at:-8]):
        raise ValueError("its footer is damaged")
    last: bytes | None = None
    end = 0
    for _, value in _block(table, listing):
        handle, used = _handle(value, 0)
        if used != len(value) or handle[0] != end:
            raise ValueError("its blocks overlap or have gaps")
        end = sum(handle) + TRAILER_BYTES
        for key, record in _block(table, handle):
            if last is not None and key <= last:
                raise ValueError("its records are not in order")
            last = key
            yield key, record
    if list(_block(table, about)) or about[0] != end:
        raise ValueError("its blocks overlap or have gaps")
    if listing[0] != sum(about) + TRAILER_BYTES:
        raise ValueError("its blocks overlap or have gaps")
    if sum(listing) + TRAILER_BYTES + FOOTER_BYTES != len(table):
        raise ValueError("something follows its last block")


def _block(table: bytes, handle: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and value of each entry of a block, after checking the block."""
    start, size = handle
    block = table[start : start + size]
    trailer = table[start + size : start + size + TRAILER_BYTES]
    if len(trailer) != TRAILER_BYTES or size < 4:
        raise ValueError("it is cut")
    if _masked(crc32c(block + trailer[:1])) != struct.unpack("<I", trailer[1:])[0]:
        raise ValueError("a block has a wrong checksum")
    if trailer[0] != 0:
        raise ValueError("its blocks are compressed, which is not supported")
    restarts = struct.unpack("<I", block[-4:])[0]
    end, at, key = size - 4 * (restarts + 1), 0, b""
    if end < 0:
        raise ValueError("a block is cut")
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        if shared > len(key) or at + own + length > end:
            raise ValueError("a record is cut")
        key = key[:shared] + block[at : at + own]
        yield key, block[at + own : at + own + length]
        at += own + length


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    """Return offset and size of a block, and where in ``data`` they end."""
    offset, at = _varint(data, at)
    size, at = _varint(data, at)
    return (offset, size), at


# The records, in the encoding of protocol buffers.


def _shards(record: bytes) -> int:
    """Return the number of data files, from the header record."""
    fields = _fields(record)
    version = _fields(_bytes(fields, 3))
    if _number(fields, 2) != 0:
        raise ValueError("its numbers are big-endian, which is not supported")
    if _number(version, 2) > 1:
        raise ValueError("it needs a newer reader")
    shards = _number(fields, 1)
    if not 1 <= shards < 100_000:
        raise ValueError(f"it names {shards} data files")
    return shards


def _entry(name: str, fields: Fields) -> _Entry:
    """Return a tensor's record."""
    if _number(fields, 1) not in DTYPES or 7 in fields:
        raise ValueError(f"'{name}' is of a type, or stored in a way, that is not supported")
    dtype = np.dtype(DTYPES[_number(fields, 1)])
    shape = _fields(_bytes(fields, 2))
    sizes = [_number(_fields(_as_bytes(dimension)), 1) for dimension in shape.get(2, [])]
    size = _number(fields, 5)
    if 3 in shape or prod(sizes) * dtype.itemsize != size:
        raise ValueError(f"'{name}' has another number of values than its shape")
    return _Entry(
        name=name,
        dtype=dtype,
        shape=tuple(sizes),
        shard=_number(fields, 3),
        offset=_number(fields, 4),
        size=size,
        checksum=_number(fields, 6),
    )


def _fields(message: bytes) -> Fields:
    """Return the values of a protocol buffer's fields, number -> all of them."""
    fields: Fields = {}
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        value: int | bytes
        if wire == 0:
            value, at = _varint(message, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            value = int.from_bytes(_taken(message, at, size), "little")
            at += size
        elif wire == 2:
            size, at = _varint(message, at)
            value = _taken(message, at, size)
            at += size
        else:
            raise ValueError("a record is damaged")
        fields.setdefault(number, []).append(value)
    return fields


def _number(fields: Fields, number: int) -> int:
    value = fields.get(number, [0])[-1]
    if not isinstance(value, int):
        raise ValueError("a record is damaged")
    return value


def _bytes(fields: Fields, number: int) -> bytes:
    return _as_bytes(fields.get(number, [b""])[-1])


def _as_bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a record is damaged")
    return value


def _taken(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise ValueError("a record is cut")
    return data[at : at + size]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, lowest first, and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if shift and not byte:
                raise ValueError("a number is written with needless zeros")
            return value, at
    raise ValueError("a number is too long")


def _masked(checksum: int) -> int:
    """Return a checksum as it is stored; a checksum of plain checksums would be no good one."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF
