"""CRC-32C (Castagnoli) of large arrays, with NumPy alone.

A message is a polynomial over GF(2) and its checksum the remainder after division by another one.
Moving 32 bits of it to the left by a fixed distance is linear, so the front half of a message can
be folded onto its back half in one go: each word is replaced by the remainder of itself that many
places further on. Halving again and again leaves one word.

Reference: RFC 3720, appendix B.4 (polynomial, bit order and known answers).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["crc32c"]

POLYNOMIAL = 0x82F63B78  # reflected: the lowest bit is the highest power
ALL_ONES = 0xFFFFFFFF
WORD_BYTES = 4

Words = NDArray[np.uint32]


def crc32c(data: bytes | memoryview) -> int:
    """Return the CRC-32C of bytes."""
    if len(data) < WORD_BYTES:
        register = np.array([ALL_ONES], "<u4")
        for byte in data:
            register = _moved(register ^ np.uint32(byte), 1)
        return int(register[0]) ^ ALL_ONES
    # Zeros in front change nothing; starting from all ones is inverting the first word.
    missing = -len(data) % WORD_BYTES
    message = np.concatenate([np.zeros(missing, np.uint8), np.frombuffer(data, np.uint8)])
    message[missing : missing + WORD_BYTES] ^= 0xFF
    words = message.view("<u4")
    while len(words) > 1:
        half = 1 << (len(words) - 1).bit_length() - 1
        front, words = words[:-half], words[-half:]
        words[half - len(front) :] ^= _moved(front, half * WORD_BYTES)
    return int(_moved(words, WORD_BYTES)[0]) ^ ALL_ONES


def _moved(words: Words, distance: int) -> Words:
    """Return the remainder of each word after so many bytes of zeros (a power of two)."""
    low, high = _tables(distance)
    halves = words.view("<u2").reshape(-1, 2)
    moved: Words = low[halves[:, 0]] ^ high[halves[:, 1]]
    return moved


@cache
def _tables(distance: int) -> tuple[Words, Words]:
    """Return what the low and the high 16 bits of a word become."""
    bits = np.left_shift(np.uint32(1), np.arange(32, dtype=np.uint32)).astype("<u4")
    if distance == 1:
        for _ in range(8):
            bits = (bits >> 1) ^ (bits & 1) * np.uint32(POLYNOMIAL)
    else:
        bits = _moved(_moved(bits, distance // 2), distance // 2)
    return _sums(bits[:16]), _sums(bits[16:])


def _sums(bits: Words) -> Words:
    """Return the sum (exclusive or) of every subset of 16 words, at the subset's own number."""
    table = np.zeros(1, "<u4")
    for bit in bits:
        table = np.concatenate([table, table ^ bit])
    return table
