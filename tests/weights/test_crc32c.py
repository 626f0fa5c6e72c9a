import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsep.weights.crc32c import crc32c
from tests.weights.bundles import checksum


@pytest.mark.parametrize(
    ("data", "expected"),
    [  # RFC 3720, appendix B.4; the last is the usual check value of the catalogues
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
    ids=str,
)
def test_known_answers(data, expected):
    assert crc32c(data) == expected


@given(st.binary(max_size=3000))
def test_bytes_of_any_length_as_one_byte_at_a_time(data):
    assert crc32c(data) == checksum(data)
