"""Triton kernels of the Fisher pass and the EIG map: one program per tile of 16x16 pixels.

Each program composites its list once for the final colours, then again front to back; native/fisher.cpp
and native/eig.cpp explain what is summed. Sums over the pixels of a (tile, Gaussian) pair go to a slot of its
own, so there are no atomics and the result is the same for each run.

This file is imported only when it is needed: Triton comes with CUDA builds of torch.
"""

# Triton compiles these functions itself: their parameters have no types that Python could check.
# ruff: noqa: ANN001, ANN201, ANN202
# mypy: ignore-errors

from __future__ import annotations

import triton
import triton.language as tl

SPLAT = 9
PLAIN, VIEW = 16, 32
"""Floats per Gaussian of a gain table: light, q (13 from the constant on), 2 unused; r (3 x 5), 1 unused."""

PLAIN_TERMS, VIEW_TERMS = 14, 29


@triton.jit
def _stroke(splats, row, px, py, through, alive):
    at = splats + 9 * row
    dy = py - tl.load(at + 1)
    e = px - tl.load(at) - tl.load(at + 2) * dy
    form = tl.load(at + 3) * e * e + tl.load(at + 4) * dy * dy
    raw = tl.load(at + 5) * tl.exp(-0.5 * form)
    met = (alive > 0) & (raw >= 1.0 / 255.0)
    alpha = tl.minimum(raw, 0.999)
    left = through - alpha * through
    blended = met & (left > 1e-4)
    weight = tl.where(blended, alpha * through, 0.0)
    unclamped = blended & (raw <= 0.999)
    alive = tl.where(met & (left <= 1e-4), 0, alive)
    through = tl.where(blended, left, through)
    return e, dy, alpha, weight, unclamped, through, alive


@triton.jit
def _uncover(behind, weight, color, share, unclamped):
    gain = weight * color
    behind -= gain
    return behind, tl.where(unclamped, gain - behind * share, 0.0)


@triton.jit
def _composite(splats, entries, start, end, px, py, inside):
    """Return the final colour, the transmittance, and one past the last entry that any pixel looked at."""
    through = px * 0.0 + 1.0
    red, green, blue = px * 0.0, px * 0.0, px * 0.0
    alive = inside.to(tl.int32)
    k = start
    going = tl.max(alive, axis=0)
    while (k < end) & (going > 0):
        row = tl.load(entries + k)
        _e, _dy, _alpha, weight, _unclamped, through, alive = _stroke(splats, row, px, py, through, alive)
        red += weight * tl.load(splats + 9 * row + 6)
        green += weight * tl.load(splats + 9 * row + 7)
        blue += weight * tl.load(splats + 9 * row + 8)
        going = tl.max(alive, axis=0)
        k += 1
    return red, green, blue, through, k


@triton.jit
def gain_kernel(
    splats, gains, entries, begin, sky, values, alphas, width, height, across,
    STRIDE: tl.constexpr, WITH_VIEW: tl.constexpr, SIDE: tl.constexpr,
):  # fmt: skip
    """Fill `values` and `alphas` (H, W) from tables (M, 9) and (M, STRIDE) and what is behind, (H, W, 3)."""
    tile = tl.program_id(0)
    at = tl.arange(0, SIDE * SIDE)
    column, line = tile % across * SIDE + at % SIDE, tile // across * SIDE + at // SIDE
    inside = (column < width) & (line < height)
    pixel = line * width + column
    px, py = column.to(tl.float32) + 0.5, line.to(tl.float32) + 0.5
    start, end = tl.load(begin + tile), tl.load(begin + tile + 1)
    red, green, blue, left, stop = _composite(splats, entries, start, end, px, py, inside)
    red += left * tl.load(sky + 3 * pixel, mask=inside, other=0.0)
    green += left * tl.load(sky + 3 * pixel + 1, mask=inside, other=0.0)
    blue += left * tl.load(sky + 3 * pixel + 2, mask=inside, other=0.0)
    total = px * 0.0
    through = px * 0.0 + 1.0
    alive = inside.to(tl.int32)
    for k in range(start, stop):
        row = tl.load(entries + k)
        e, y, alpha, weight, unclamped, through, alive = _stroke(splats, row, px, py, through, alive)
        share = alpha / (1.0 - alpha)
        red, hr = _uncover(red, weight, tl.load(splats + 9 * row + 6), share, unclamped)
        green, hg = _uncover(green, weight, tl.load(splats + 9 * row + 7), share, unclamped)
        blue, hb = _uncover(blue, weight, tl.load(splats + 9 * row + 8), share, unclamped)
        g = gains + STRIDE * row
        q0 = tl.load(g + 1) + y * y * (tl.load(g + 4) + y * (tl.load(g + 8) + y * tl.load(g + 13)))
        q1 = y * (tl.load(g + 3) + y * (tl.load(g + 7) + y * tl.load(g + 12)))
        q2 = tl.load(g + 2) + y * (tl.load(g + 6) + y * tl.load(g + 11))
        q3 = tl.load(g + 5) + y * tl.load(g + 10)
        q = q0 + e * (q1 + e * (q2 + e * (q3 + e * tl.load(g + 9))))
        total += (hr * hr + hg * hg + hb * hb) * q + weight * weight * tl.load(g)
        if WITH_VIEW:
            total += weight * hr * _slope(g + 16, e, y)
            total += weight * hg * _slope(g + 21, e, y)
            total += weight * hb * _slope(g + 26, e, y)
    total *= 0.5
    tl.store(values + pixel, tl.where(total < 0.0, 0.0, total), mask=inside)
    tl.store(alphas + pixel, 1.0 - left, mask=inside)


@triton.jit
def _slope(r, e, y):
    linear = e * tl.load(r) + y * tl.load(r + 1)
    return linear + e * e * tl.load(r + 2) + e * y * tl.load(r + 3) + y * y * tl.load(r + 4)


@triton.jit
def moments_kernel(
    splats, entries, begin, sky, slots, width, height, across,
    TERMS: tl.constexpr, WITH_VIEW: tl.constexpr, SIDE: tl.constexpr,
):  # fmt: skip
    """Fill `slots` (P, TERMS), zero before, with the sums over the pixels of each pair."""
    tile = tl.program_id(0)
    at = tl.arange(0, SIDE * SIDE)
    column, line = tile % across * SIDE + at % SIDE, tile // across * SIDE + at // SIDE
    inside = (column < width) & (line < height)
    pixel = line * width + column
    px, py = column.to(tl.float32) + 0.5, line.to(tl.float32) + 0.5
    start, end = tl.load(begin + tile), tl.load(begin + tile + 1)
    red, green, blue, left, stop = _composite(splats, entries, start, end, px, py, inside)
    red += left * tl.load(sky + 3 * pixel, mask=inside, other=0.0)
    green += left * tl.load(sky + 3 * pixel + 1, mask=inside, other=0.0)
    blue += left * tl.load(sky + 3 * pixel + 2, mask=inside, other=0.0)
    through = px * 0.0 + 1.0
    alive = inside.to(tl.int32)
    for k in range(start, stop):
        row = tl.load(entries + k)
        e, y, alpha, weight, unclamped, through, alive = _stroke(splats, row, px, py, through, alive)
        share = alpha / (1.0 - alpha)
        red, hr = _uncover(red, weight, tl.load(splats + 9 * row + 6), share, unclamped)
        green, hg = _uncover(green, weight, tl.load(splats + 9 * row + 7), share, unclamped)
        blue, hb = _uncover(blue, weight, tl.load(splats + 9 * row + 8), share, unclamped)
        s = hr * hr + hg * hg + hb * hb
        slot = slots + TERMS * k
        tl.store(slot, tl.sum(weight * weight, axis=0))
        tl.store(slot + 1, tl.sum(s, axis=0))
        _store_two(slot + 2, s, e, y)
        ee, ey, yy = s * e * e, s * e * y, s * y * y
        tl.store(slot + 5, tl.sum(ee * e, axis=0))
        tl.store(slot + 6, tl.sum(ee * y, axis=0))
        tl.store(slot + 7, tl.sum(yy * e, axis=0))
        tl.store(slot + 8, tl.sum(yy * y, axis=0))
        tl.store(slot + 9, tl.sum(ee * e * e, axis=0))
        tl.store(slot + 10, tl.sum(ee * e * y, axis=0))
        tl.store(slot + 11, tl.sum(ee * y * y, axis=0))
        tl.store(slot + 12, tl.sum(ey * y * y, axis=0))
        tl.store(slot + 13, tl.sum(yy * y * y, axis=0))
        if WITH_VIEW:
            _store_view(slot + 14, weight * hr, e, y)
            _store_view(slot + 19, weight * hg, e, y)
            _store_view(slot + 24, weight * hb, e, y)


@triton.jit
def _store_two(slot, s, e, y):
    tl.store(slot, tl.sum(s * e * e, axis=0))
    tl.store(slot + 1, tl.sum(s * e * y, axis=0))
    tl.store(slot + 2, tl.sum(s * y * y, axis=0))


@triton.jit
def _store_view(slot, s, e, y):
    tl.store(slot, tl.sum(s * e, axis=0))
    tl.store(slot + 1, tl.sum(s * y, axis=0))
    _store_two(slot + 2, s, e, y)
