import numpy as np
import pytest

from recgen_bench.datasets.waymo.crc32c import crc32c


def plain(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_published_values():
    # RFC 3720, B.4.
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(b"") == 0


@pytest.mark.parametrize("size", [1, 63, 64, 65, 66, 67, 68, 511, 512, 513, 1024, 1537, 4097, 20001])
def test_blocks_agree_with_the_bit_by_bit_definition(size):
    data = np.random.default_rng(size).bytes(size)
    assert crc32c(data) == plain(data)


def test_leading_zeros_count():
    data = b"\0" * 5000 + b"abc"
    assert crc32c(data) == plain(data) != crc32c(data[1:])
