// What the passes that replay a render share: private accumulators per (tile, Gaussian) pair, summed per
// Gaussian in a fixed order. There are no atomics, so any number of threads gives the same bits.
#pragma once

#include "bins.hpp"
#include "tile.hpp"

namespace RECGEN_NS {

// Numbers the tickets that the forward pass touched, in order; the others get no accumulators.
inline void number_slots(Team& team, Context& c) {
  if (c.has_slots) return;
  c.slot.reserve(c.total + 1);
  Buffer<std::int64_t> sums(team.size());
  team.run([&](int rank) {
    Range r = part(c.total, rank, team.size());
    std::int64_t sum = 0;
    for (std::int64_t i = r.begin; i < r.end; i++) sum += c.touched[i];
    sums[rank] = sum;
  });
  team.run([&](int rank) {
    Range r = part(c.total, rank, team.size());
    std::uint32_t next = 0;
    for (int before = 0; before < rank; before++) next += (std::uint32_t)sums[before];
    for (std::int64_t i = r.begin; i < r.end; i++) {
      c.slot[i] = next;
      next += c.touched[i];
    }
    if (rank == team.size() - 1) c.slot[c.total] = next;
  });
  c.has_slots = true;
}

// The sums over the tiles of sixteen Gaussians, `kTerms` each. Invisible ones get zeros.
template <int kTerms>
inline void sum_slots(const Context& c, const float* slots, std::int64_t start, unsigned visible, Float* sums) {
  alignas(64) float table[kTerms][kLanes];
  std::memset(table, 0, sizeof table);
  for (; visible; visible &= visible - 1) {
    int lane = __builtin_ctz(visible);
    std::uint32_t ticket = c.first[start + lane], tiles = c.splats[start + lane].tiles;
    float sum[kTerms] = {};
    const float* end = slots + (std::size_t)c.slot[ticket + tiles] * kTerms;
    for (const float* row = slots + (std::size_t)c.slot[ticket] * kTerms; row < end; row += kTerms)
      for (int k = 0; k < kTerms; k++) sum[k] += row[k];
    for (int k = 0; k < kTerms; k++) table[k][lane] = sum[k];
  }
  for (int k = 0; k < kTerms; k++) sums[k] = load(table[k]);
}

inline unsigned visible_lanes(const Context& c, std::int64_t start, int lanes) {
  unsigned set = 0;
  for (int lane = 0; lane < lanes; lane++) set |= (unsigned)c.visible[start + lane] << lane;
  return set;
}

// Writes sixteen items of `stride` numbers, zeros for lanes that are not visible.
inline void scatter(float* to, int stride, std::int64_t start, int lanes, unsigned visible, const Float* from) {
  if (!to) return;
  alignas(64) float row[4][kLanes];
  Mask set = RECGEN_NS::lanes(visible);
  for (int k = 0; k < stride; k++) store(row[k], keep(set, from[k]));
  for (int lane = 0; lane < lanes; lane++)
    for (int k = 0; k < stride; k++) to[stride * (start + lane) + k] = row[k][lane];
}

}  // namespace RECGEN_NS
