// Which cells of a square grid the ellipse of a splat meets: eight rows of cells at once, used both for
// tiles in the image and for blocks in a tile.
#pragma once

#include "context.hpp"
#include "simd.hpp"

namespace RECGEN_NS {

constexpr int kRows = kLanes / 2;

// Per row of cells, one past the last cell that is met (lanes 0-7) and the first one (lanes 8-15).
struct RowEnds {
  Float end;   // Whole numbers, not clamped.
  Mask valid;  // The row is met; equal in both halves up to rounding.
};

// Rows of cells of kCell x kCell pixels, of which the first starts at the pixel (left, top). A cell is met
// when the ellipse reaches into the box of its pixel centres. The left ends are the right ends mirrored.
template <int kCell>
inline RowEnds row_ends(const Splat& s, float left, float top) {
  alignas(64) static constexpr float kTop[kLanes] = {0,         kCell,     2 * kCell, 3 * kCell, 4 * kCell, 5 * kCell,
                                                     6 * kCell, 7 * kCell, 0,         kCell,     2 * kCell, 3 * kCell,
                                                     4 * kCell, 5 * kCell, 6 * kCell, 7 * kCell};
  alignas(64) static constexpr float kSide[kLanes] = {1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1};
  // The last pixel up to x lies in cell floor(x / kCell), the first one from x on in ceil((x - (kCell - 1)) / kCell).
  constexpr float kPast = (kCell - 1) / (float)kCell;
  alignas(64) static constexpr float kShift[kLanes] = {1,     1,     1,     1,     1,     1,     1,     1,
                                                       kPast, kPast, kPast, kPast, kPast, kPast, kPast, kPast};
  Float side = load(kSide);
  Float low = load(kTop) - (s.y - (top + 0.5f));
  Float y = min(low + (float)(kCell - 1), max(low, side * s.summit));
  Float at = y * s.inverse_reach, inside = fnma(at, at, 1.f);
  Float x = fma(side * s.half, sqrt(max(inside, 0.f)), fma(s.lean, y, s.x - (left + 0.5f)));
  return {side * round_down(fma(side * (1.f / kCell), x, load(kShift))), 0.f <= inside};
}

// x as an index in [0, most], whatever x is; NaN gives 0.
inline int index(float x, int most) { return x > 0 ? (x < (float)most ? (int)x : most) : 0; }

// Calls body(row, first, last) for each row of tiles that a splat meets, with its first and one past its
// last tile there.
template <class Body>
inline void tile_rows(const Splat& s, int across, int down, const Body& body) {
  constexpr float kScale = 1.f / kTile;
  float reach = 1.f / s.inverse_reach;
  int top = index(std::ceil((s.y - reach + 0.5f) * kScale - 1.f), down);
  int bottom = index(std::floor((s.y + reach - 0.5f) * kScale) + 1.f, down);
  for (; top < bottom; top += kRows) {
    RowEnds ends = row_ends<kTile>(s, 0.f, (float)top * kTile);
    alignas(64) float end[kLanes];
    store(end, keep(ends.valid, min((float)across, max(0.f, ends.end))));
    unsigned valid = bits(ends.valid);
    for (int row = 0; row < std::min(kRows, bottom - top); row++) {
      int first = (int)end[kRows + row], last = (int)end[row];
      if ((valid >> row & 1) && first < last) body(top + row, first, last);
    }
  }
}

// The set of blocks from one row of them per byte.
inline std::uint64_t block_set(Float end, Mask valid) {
  end = min((float)kAcross, max(0.f, end));
#if RECGEN_AVX512
  __m512i one = _mm512_maskz_mov_epi32(valid.bits, _mm512_set1_epi32(1));
  __m512i bit = _mm512_sllv_epi32(one, _mm512_cvttps_epi32((__m512)end.part[0]));
  __m256i span = _mm256_sub_epi32(_mm512_castsi512_si256(bit), _mm512_extracti32x8_epi32(bit, 1));
  span = _mm256_max_epi32(span, _mm256_setzero_si256());
  return (std::uint64_t)_mm_cvtsi128_si64(_mm256_cvtepi32_epi8(span));
#elif RECGEN_AVX2
  __m256i bit[2];
  for (int i = 0; i < 2; i++) {
    __m256i one = _mm256_and_si256((__m256i)valid.part[i], _mm256_set1_epi32(1));
    bit[i] = _mm256_sllv_epi32(one, _mm256_cvttps_epi32((__m256)end.part[i]));
  }
  __m256i span = _mm256_max_epi32(_mm256_sub_epi32(bit[0], bit[1]), _mm256_setzero_si256());
  span = _mm256_shuffle_epi8(span, _mm256_set1_epi32(0x0c080400));
  return (std::uint32_t)_mm256_extract_epi32(span, 0) |
         (std::uint64_t)(std::uint32_t)_mm256_extract_epi32(span, 4) << 32;
#else
  alignas(64) float at[kLanes];
  store(at, keep(valid, end));
  unsigned good = bits(valid);
  std::uint64_t set = 0;
  for (int row = 0; row < kRows; row++) {
    unsigned past = good >> row & 1 ? 1u << (int)at[row] : 0, first = 1u << (int)at[kRows + row];
    if (past > first) set |= (std::uint64_t)(past - first) << (row * kAcross);
  }
  return set;
#endif
}

// The blocks that a splat meets of the tile whose first pixel is (left, top).
inline std::uint64_t blocks_met(const Splat& s, int left, int top) {
  RowEnds ends = row_ends<kBlock>(s, (float)left, (float)top);
  return block_set(ends.end, ends.valid);
}

}  // namespace RECGEN_NS
