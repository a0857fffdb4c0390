// Which Gaussians meet which tile, front to back: one stable sort by depth, then a stable counting sort by
// tile. Both split their input into one contiguous range per thread, so the result does not depend on how
// many there are.
#pragma once

#include <utility>

#include "place.hpp"
#include "team.hpp"

namespace RECGEN_NS {

constexpr int kDigitBits = 11;
constexpr int kDigits = 1 << kDigitBits;

struct Range {
  std::int64_t begin, end;
};

inline Range part(std::int64_t n, int rank, int size) { return {n * rank / size, n * (rank + 1) / size}; }

// Turns counts[thread][bucket] into the position where each thread writes its first item of each bucket.
// Returns whether one bucket holds everything.
template <class Count>
bool place_buckets(Count* counts, int threads, std::int64_t buckets, std::int64_t total) {
  Count position = 0;
  bool single = false;
  for (std::int64_t bucket = 0; bucket < buckets; bucket++) {
    Count before = position;
    for (int thread = 0; thread < threads; thread++) {
      Count& slot = counts[thread * buckets + bucket];
      Count count = slot;
      slot = position;
      position += count;
    }
    single |= (std::int64_t)(position - before) == total;
  }
  return single;
}

// Sorts n keys by depth, keeping the order of equal ones. Returns which of the two arrays holds the result.
inline Key* sort_by_depth(Team& team, Key* from, Key* to, std::int64_t n) {
  Buffer<std::uint32_t> counts((std::size_t)team.size() * kDigits);
  for (int shift = 0; shift < 32; shift += kDigitBits) {
    auto digit = [shift](const Key& key) { return key.depth >> shift & (kDigits - 1); };
    team.run([&](int rank) {
      std::uint32_t* mine = counts.data() + rank * kDigits;
      std::memset(mine, 0, kDigits * sizeof *mine);
      Range r = part(n, rank, team.size());
      for (std::int64_t i = r.begin; i < r.end; i++) mine[digit(from[i])]++;
    });
    if (place_buckets(counts.data(), team.size(), kDigits, n)) continue;
    team.run([&](int rank) {
      std::uint32_t* mine = counts.data() + rank * kDigits;
      Range r = part(n, rank, team.size());
      for (std::int64_t i = r.begin; i < r.end; i++) to[mine[digit(from[i])]++] = from[i];
    });
    std::swap(from, to);
  }
  return from;
}

// Gives each Gaussian its tickets: ticket[i] is the first one of the i-th in depth order, ticket[n] the total.
inline void issue_tickets(Team& team, Context& c, const Key* order, std::int64_t n, std::uint32_t* ticket) {
  Buffer<std::int64_t> sums(team.size() + 1);
  team.run([&](int rank) {
    Range r = part(n, rank, team.size());
    std::int64_t sum = 0;
    for (std::int64_t i = r.begin; i < r.end; i++) sum += c.first[order[i].gaussian];
    sums[rank] = sum;
  });
  c.total = 0;
  for (int rank = 0; rank < team.size(); rank++) {
    std::int64_t sum = sums[rank];
    sums[rank] = c.total;
    c.total += sum;
  }
  if (c.total >= UINT32_MAX) throw std::bad_alloc();
  team.run([&](int rank) {
    Range r = part(n, rank, team.size());
    std::uint32_t next = (std::uint32_t)sums[rank];
    for (std::int64_t i = r.begin; i < r.end; i++) {
      ticket[i] = next;
      std::uint32_t& first = c.first[order[i].gaussian];
      std::uint32_t tiles = first;
      first = next;
      next += tiles;
    }
  });
  ticket[n] = (std::uint32_t)c.total;
}

// Fills `pairs` and `begin` of the context from the keys in depth order.
inline void bin(Team& team, Context& c, const Key* order, std::int64_t n) {
  Buffer<std::uint32_t> ticket(n + 1);
  issue_tickets(team, c, order, n, ticket.data());
  c.pairs.reserve(c.total);
  Buffer<std::uint32_t> tile_of(c.total);
  std::int64_t tiles = c.tiles();
  Buffer<std::int64_t> counts(team.size() * tiles);
  team.run([&](int rank) {
    std::int64_t* mine = counts.data() + rank * tiles;
    std::memset(mine, 0, tiles * sizeof *mine);
    Range r = part(n, rank, team.size());
    for (std::int64_t i = r.begin; i < r.end; i++) {
      __builtin_prefetch(&c.splats[order[std::min(i + kFetch, r.end - 1)].gaussian]);
      std::uint32_t* to = tile_of.data() + ticket[i];
      tile_rows(c.splats[order[i].gaussian], c.across, c.down, [&](int row, int first, int last) {
        for (std::uint32_t tile = row * c.across + first, end = row * c.across + last; tile < end; tile++) {
          *to++ = tile;
          mine[tile]++;
        }
      });
    }
  });
  place_buckets(counts.data(), team.size(), tiles, c.total);
  c.begin.reserve(tiles + 1), c.end.reserve(tiles);
  std::memcpy(c.begin.data(), counts.data(), tiles * sizeof(std::int64_t));
  c.begin[tiles] = c.total;
  team.run([&](int rank) {
    std::int64_t* mine = counts.data() + rank * tiles;
    Range r = part(n, rank, team.size());
    for (std::int64_t i = r.begin; i < r.end; i++)
      for (std::uint32_t t = ticket[i]; t < ticket[i + 1]; t++) c.pairs[mine[tile_of[t]]++] = {order[i].gaussian, t};
  });
}

// Places all Gaussians and fills the context up to its lists per tile.
inline void prepare(Team& team, const Input& in, Context& c, float* radii) {
  c.width = in.width, c.height = in.height;
  c.across = (in.width + kTile - 1) / kTile, c.down = (in.height + kTile - 1) / kTile;
  c.splats.reserve(in.size), c.visible.reserve(in.size), c.first.reserve(in.size);
  std::int64_t chunks = (in.size + kChunk - 1) / kChunk;
  Buffer<Key> keys(in.size), others(in.size);
  Buffer<std::int64_t> found(chunks + 1);
  team.share(chunks, 1, [&](std::int64_t chunk, std::int64_t) {
    std::int64_t start = chunk * kChunk, end = std::min(in.size, start + kChunk);
    Key* to = keys.data() + start;
    for (; start < end; start += kLanes)
      to += place_batch(in, c, radii, start, (int)std::min<std::int64_t>(kLanes, end - start), to);
    found[chunk] = to - (keys.data() + chunk * kChunk);
  });
  std::int64_t n = 0;
  for (std::int64_t chunk = 0; chunk < chunks; chunk++) {
    std::memmove(keys.data() + n, keys.data() + chunk * kChunk, found[chunk] * sizeof(Key));
    n += found[chunk];
  }
  bin(team, c, sort_by_depth(team, keys.data(), others.data(), n), n);
}

}  // namespace RECGEN_NS
