"""CRC-32C (Castagnoli) over megabytes, in numpy.

A CRC is linear over GF(2). So the data are cut into blocks of equal length whose CRCs are computed side by
side, four bytes a step, and neighbours are joined pairwise: the left one is advanced over the length of the
right one by a 32x32 bit matrix, then both are added.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint32]

_POLYNOMIAL = 0x82F63B78
_STEPS = 128
"""Words in a block; a power of two, so that advancing over a block is seven squarings of one step."""

_SHORT = 64
"""Bytes up to which a plain loop is faster."""


def masked_crc32c(data: bytes) -> int:
    """Return the CRC as TFRecord stores it: rotated right by 15 bits, with an offset added."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """Return the CRC-32C.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    if len(data) <= _SHORT:
        state = 0xFFFFFFFF
        table = _byte_table()
        for byte in data:
            state = int(table[(state ^ byte) & 0xFF]) ^ (state >> 8)
        return state ^ 0xFFFFFFFF
    blocks = -(-len(data) // (4 * _STEPS))
    padded = np.zeros(blocks * 4 * _STEPS, np.uint8)
    start = len(padded) - len(data)
    # Leading zeros leave a CRC that starts from 0 unchanged; starting from ones is the same as flipping the
    # first four bytes.
    padded[start:] = np.frombuffer(data, np.uint8)
    padded[start : start + 4] ^= 0xFF
    words = np.ascontiguousarray(padded.view("<u4").reshape(blocks, _STEPS).T)
    return _join(_blocks(words)) ^ 0xFFFFFFFF


def _blocks(words: Words) -> Words:
    """Return the CRC, started from 0, of each column of (steps, blocks) words."""
    low, high = _word_tables()
    state, lower, upper = np.zeros((3, words.shape[1]), np.uint32)
    for row in words:
        state ^= row
        # All indices are inside the tables; "clip" only spares numpy a copy.
        np.take(low, state & 0xFFFF, out=lower, mode="clip")
        np.take(high, state >> 16, out=upper, mode="clip")
        np.bitwise_xor(lower, upper, out=state)
    return state


def _join(states: Words) -> int:
    advance = _block_matrix()
    while len(states) > 1:
        if len(states) % 2:
            states = np.concatenate([np.zeros(1, np.uint32), states])
        states = _apply(advance, states[0::2]) ^ states[1::2]
        advance = _apply(advance, advance)
    return int(states[0])


def _apply(matrix: Words, states: Words) -> Words:
    """Multiply bit vectors by a matrix, given as the images of the 32 single bits."""
    result = np.zeros_like(states)
    for bit in range(32):
        result ^= np.where(states >> np.uint32(bit) & 1, matrix[bit], np.uint32(0))
    return result


@functools.cache
def _byte_table() -> Words:
    table: Words = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.asarray((table >> 1) ^ (table & 1) * np.uint32(_POLYNOMIAL), np.uint32)
    return table


@functools.cache
def _word_tables() -> tuple[Words, Words]:
    """Return what four zero bytes make of the lower and of the upper 16 bits of a state."""
    table = _byte_table()
    each = np.arange(65536, dtype=np.uint32)
    low, high = each, each << np.uint32(16)
    for _ in range(4):
        low = table[low & 0xFF] ^ (low >> np.uint32(8))
        high = table[high & 0xFF] ^ (high >> np.uint32(8))
    return low, high


@functools.cache
def _block_matrix() -> Words:
    """Return the matrix that advances a CRC over one block of zeros."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    low, high = _word_tables()
    matrix = low[bits & 0xFFFF] ^ high[bits >> 16]
    for _ in range(_STEPS.bit_length() - 1):
        matrix = _apply(matrix, matrix)
    return matrix
