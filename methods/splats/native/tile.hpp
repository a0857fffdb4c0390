// One tile of 32x32 pixels as 64 blocks of 4x4, and how one Gaussian is blended into one block. Forward,
// backward and Fisher passes share this code, so that they take the same decisions bit for bit.
#pragma once

#include <algorithm>

#include "cells.hpp"
#include "context.hpp"
#include "simd.hpp"

namespace RECGEN_NS {

alignas(64) inline constexpr float kLaneX[kLanes] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
alignas(64) inline constexpr float kLaneY[kLanes] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};

struct Tile {
  int left, top;           // First pixel.
  int columns, rows;       // Pixels inside the image.
  Float across[kAcross];   // Pixel x relative to `left`, per column of blocks.
  Float down[kAcross];     // Pixel y relative to `top`, per row of blocks.
  Mask alive[kBlocks];     // Pixels that still let light through.
  Float through[kBlocks];  // Their transmittance.
  std::uint64_t live;      // Blocks with a pixel alive.

  Tile(const Context& c, std::int64_t tile) {
    left = (int)(tile % c.across) * kTile, top = (int)(tile / c.across) * kTile;
    columns = std::min(kTile, c.width - left), rows = std::min(kTile, c.height - top);
    for (int i = 0; i < kAcross; i++) {
      across[i] = load(kLaneX) + (float)(i * kBlock);
      down[i] = load(kLaneY) + (float)(i * kBlock);
    }
    live = 0;
    for (int b = 0; b < kBlocks; b++) {
      alive[b] = (across[b % kAcross] < (float)columns) & (down[b / kAcross] < (float)rows);
      through[b] = 1.f;
      if (any(alive[b])) live |= std::uint64_t{1} << b;
    }
  }

  // Calls body(block, lane, pixel) for each pixel inside the image, with the pixel's index in the image.
  template <class Body>
  void pixels(const Context& c, const Body& body) const {
    for (int y = 0; y < rows; y++) {
      std::int64_t row = (std::int64_t)(top + y) * c.width + left;
      for (int x = 0; x < columns; x++)
        body(y / kBlock * kAcross + x / kBlock, y % kBlock * kBlock + x % kBlock, row + x);
    }
  }
};

// A splat relative to a tile, in every lane.
struct Brush {
  Float x, y, a, c, peak, lean;

  Brush(const Splat& s, const Tile& tile) : a(s.a), c(s.c), peak(s.peak), lean(s.lean) {
    x = s.x - ((float)tile.left + 0.5f), y = s.y - ((float)tile.top + 0.5f);
  }
};

// A splat along one row of blocks, in which the rows of pixels are the same.
struct Row {
  Float y;      // Distance to the row of the centre.
  Float x;      // Where the leaning axis crosses.
  Float crest;  // The form there.

  Row(const Tile& tile, const Brush& g, int row) {
    y = tile.down[row] - g.y;
    x = fma(g.lean, y, g.x);
    crest = fma(g.c * y, y, g.peak);
  }
};

// A splat over one block, before it is known what light reaches it.
struct Print {
  Float e;    // Distance to the leaning axis along the row.
  Float raw;  // Alpha before it is clamped; meaningless outside `met`.
  Mask met;   // Alpha is at least 1/255.
};

inline Print press(const Tile& tile, const Brush& g, const Row& row, int b) {
  Print p;
  p.e = tile.across[b % kAcross] - row.x;
  Float form = fma(g.a * p.e, p.e, row.crest);
  p.met = negative_above(form, kLowest);
  p.raw = twice_exp2(form);
  return p;
}

// What blending it did.
struct Stroke {
  Float alpha;     // Clamped; meaningless where not blended.
  Float weight;    // alpha * transmittance before, 0 where not blended.
  Mask blended;
  Mask unclamped;  // Blended, and alpha follows opacity and shape.
};

inline Stroke blend(Tile& tile, const Print& p, int b) {
  Stroke s;
  Mask alive = tile.alive[b], met = p.met & alive;
  Float through = tile.through[b];
  s.alpha = min(p.raw, kMaxAlpha);
  Float left = fnma(s.alpha, through, through);
  s.blended = met & (kMinTransmittance < left);
  s.unclamped = s.blended & (p.raw <= kMaxAlpha);
  s.weight = keep(s.blended, s.alpha * through);
  tile.through[b] = select(s.blended, left, through);
  tile.alive[b] = without(alive, met) | s.blended;
  return s;
}

// Calls body(block, print) for each block of a set that is not empty. The next print is pressed before the body
// runs, so that its long chain of operations overlaps with the blending of the present one.
template <class Body>
inline void each_block(const Tile& tile, const Brush& brush, std::uint64_t set, const Body& body) {
  int b = __builtin_ctzll(set);
  Print print = press(tile, brush, Row(tile, brush, b / kAcross), b);
  while (set &= set - 1) {
    int next = __builtin_ctzll(set);
    Print coming = press(tile, brush, Row(tile, brush, next / kAcross), next);
    body(b, print);
    b = next, print = coming;
  }
  body(b, print);
}

// The same, and calls row_end(y) after the last block of each row. Passes that sum over a row first gain more
// than the branch costs.
template <class Body, class RowEnd>
inline void each_block(const Tile& tile, const Brush& brush, std::uint64_t set, const Body& body,
                       const RowEnd& row_end) {
  int b = __builtin_ctzll(set);
  Row row(tile, brush, b / kAcross);
  Print print = press(tile, brush, row, b);
  while (set &= set - 1) {
    int next = __builtin_ctzll(set);
    bool turn = next / kAcross != b / kAcross;
    Float y = row.y;
    if (turn) row = Row(tile, brush, next / kAcross);
    Print coming = press(tile, brush, row, next);
    body(b, print);
    if (turn) row_end(y);
    b = next, print = coming;
  }
  body(b, print);
  row_end(row.y);
}

}  // namespace RECGEN_NS
