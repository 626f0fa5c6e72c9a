"""Writes checkpoints as TensorFlow does, with a checksum of its own, for tests of the reader."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stemsep.weights.tensor_bundle import DTYPES


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = _table()


def checksum(data: bytes) -> int:
    """Return the CRC-32C, a byte at a time."""
    register = 0xFFFFFFFF
    for byte in data:
        register = TABLE[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ 0xFFFFFFFF


def masked(data: bytes) -> int:
    crc = checksum(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value) if value else b""
    return varint(number << 3 | 2) + varint(len(value)) + value


def block(records: list[tuple[bytes, bytes]], compression: int = 0) -> bytes:
    out, restarts, last = b"", [], b""
    for number, (key, value) in enumerate(records):
        shared = 0
        if number % 16:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        else:
            restarts.append(len(out))
        own = key[shared:]
        out += varint(shared) + varint(len(own)) + varint(len(value)) + own + value
        last = key
    restarts = restarts or [0]
    out += struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))
    kind = bytes([compression])
    return out + kind + struct.pack("<I", masked(out + kind))


def table(
    records: list[tuple[bytes, bytes]], *, per_block: int = 1000, compression: int = 0
) -> bytes:
    out, listing = b"", []
    for start in range(0, len(records), per_block):
        inside = records[start : start + per_block]
        written = block(inside, compression)
        listing.append((inside[-1][0], varint(len(out)) + varint(len(written) - 5)))
        out += written
    handles = b""
    for written in (block([]), block(listing)):
        handles += varint(len(out)) + varint(len(written) - 5)
        out += written
    return out + handles.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def header(shards: int = 1, endianness: int = 0, consumer: int = 0) -> bytes:
    version = field(1, 1) + field(2, consumer)
    return field(1, shards) + field(2, endianness) + field(3, version)


def entry(values: NDArray[np.generic], shard: int, offset: int, extra: bytes = b"") -> bytes:
    numbers = {np.dtype(name): number for number, name in DTYPES.items()}
    shape = b"".join(field(2, field(1, size)) for size in values.shape)
    data = values.tobytes()
    out = field(1, numbers[values.dtype]) + field(2, shape) + field(3, shard)
    out += field(4, offset) + field(5, len(data))
    return out + varint(6 << 3 | 5) + struct.pack("<I", masked(data)) + extra


def write_bundle(
    prefix: Path,
    tensors: Mapping[str, NDArray[np.generic]],
    *,
    shards: int = 1,
    per_block: int = 1000,
) -> None:
    """Write tensors, spread over data files in turn."""
    data = [b""] * shards
    records = [(b"", header(shards))]
    for number, name in enumerate(sorted(tensors, key=str.encode)):
        shard = number % shards
        records.append((name.encode(), entry(tensors[name], shard, len(data[shard]))))
        data[shard] += tensors[name].tobytes()
    prefix.with_name(prefix.name + ".index").write_bytes(table(records, per_block=per_block))
    for shard, content in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-{shard:05}-of-{shards:05}").write_bytes(content)
