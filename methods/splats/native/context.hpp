// What a forward pass leaves behind for the passes that replay it.
#pragma once

#include <algorithm>
#include <cstdint>

#include "abi.hpp"
#include "buffer.hpp"

namespace RECGEN_NS {

constexpr int kTile = 32;                  // Pixels along a side of a tile.
constexpr int kBlock = 4;                  // A vector covers 4x4 pixels.
constexpr int kAcross = kTile / kBlock;    // Blocks along a side of a tile.
constexpr int kBlocks = kAcross * kAcross;  // 64, so that a set of blocks is one machine word.

constexpr int kFetch = 8;  // How many items ahead of its use a splat is fetched into the cache.

constexpr float kMinAlpha = 1.f / 255.f;
constexpr float kMaxAlpha = 0.999f;
constexpr float kMinTransmittance = 1e-4f;
constexpr float kLog2E = 1.44269504f;
constexpr float kLowest = -8.99435344f;  // log2(1/255) - 1, the least of a splat's form that counts.
constexpr float kLn4 = 1.38629436f;

// One visible Gaussian on the screen; a cache line. With (dx, dy) = pixel - centre and e = dx - lean dy, the
// distance to its leaning axis along a row, log2(alpha / 2) = peak + a e^2 + c dy^2. Two squares keep needles
// accurate, where the usual form with dx dy cancels. Half of alpha, so that the number is negative also for an
// opacity of 1, and one comparison of bit patterns tests it.
struct alignas(64) Splat {
  float x, y;
  float a, c, peak, lean;
  float color[3], depth;
  // The ellipse alpha >= 1/255: at height dy its half width is half * sqrt(1 - (dy * inverse_reach)^2)
  // around lean * dy, it spans |dy| <= 1/inverse_reach, and its right-most point lies at dy = summit.
  float half, inverse_reach, summit;
  std::uint32_t lit;    // Bit c: colour channel c is not clamped at zero.
  std::uint32_t tiles;  // Number of tiles that the ellipse meets.
  std::uint32_t unused;
};

// One Gaussian in one tile. `ticket` numbers all pairs by depth, then tile, so that those of one Gaussian
// are neighbours; it names the pair's private accumulators.
struct Pair {
  std::uint32_t gaussian;
  std::uint32_t ticket;
};

struct Context {
  int width, height, across, down;  // Pixels, tiles.
  Buffer<Splat> splats;             // (N), only the visible ones are written.
  Buffer<std::uint8_t> visible;     // (N)
  Buffer<std::uint32_t> first;      // (N) first ticket of each visible Gaussian.
  Buffer<Pair> pairs;               // Tile by tile, front to back.
  Buffer<std::uint64_t> blocks;     // Per pair: the blocks that it was blended into.
  Buffer<std::int64_t> begin;       // (tiles + 1) first pair of each tile.
  Buffer<std::int64_t> end;         // (tiles) one past the last pair that was looked at.
  Buffer<std::uint8_t> touched;     // Per ticket: whether `blocks` is not empty.
  Buffer<float> through;            // (H, W) final transmittance: 1 - alpha would lose the small ones.
  Buffer<std::uint32_t> slot;       // Per ticket, and one more: its row of accumulators.
  std::int64_t total = 0;           // Pairs.
  bool has_slots = false;

  int tiles() const { return across * down; }
};

}  // namespace RECGEN_NS
