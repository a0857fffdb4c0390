// Mean distance of every point to its k nearest other points, exactly, with a k-d tree.

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "abi.hpp"
#include "buffer.hpp"
#include "team.hpp"

namespace RECGEN_NS {
namespace {

constexpr std::int64_t kLeaf = 8;
constexpr std::int64_t kMaxNeighbours = 16;

// An implicit tree: every range of `order` is divided at its middle along its widest axis.
struct Tree {
  const float* points;  // (count, 3)
  Buffer<std::int64_t> order;
  Buffer<std::uint8_t> axis;  // Axis of the division at each middle position.

  Tree(const float* xyz, std::int64_t count) : points(xyz), order(count), axis(count) {
    for (std::int64_t i = 0; i < count; ++i) order[i] = i;
    build(0, count);
  }

  float at(std::int64_t position, int a) const { return points[3 * order[position] + a]; }

  void build(std::int64_t begin, std::int64_t end) {
    if (end - begin <= kLeaf) return;
    float low[3], high[3];
    for (int a = 0; a < 3; ++a) low[a] = high[a] = at(begin, a);
    for (std::int64_t i = begin + 1; i < end; ++i)
      for (int a = 0; a < 3; ++a) {
        if (at(i, a) < low[a]) low[a] = at(i, a);
        if (at(i, a) > high[a]) high[a] = at(i, a);
      }
    int widest = 0;
    for (int a = 1; a < 3; ++a)
      if (high[a] - low[a] > high[widest] - low[widest]) widest = a;
    const std::int64_t middle = (begin + end) / 2;
    const auto before = [&](std::int64_t i, std::int64_t j) {
      const float u = points[3 * i + widest], v = points[3 * j + widest];
      return u < v || (u == v && i < j);
    };
    std::nth_element(order.data() + begin, order.data() + middle, order.data() + end, before);
    axis[middle] = std::uint8_t(widest);
    build(begin, middle);
    build(middle + 1, end);
  }
};

struct Nearest {
  std::int64_t self, wanted;
  const float* query;
  float distance[kMaxNeighbours];  // Squared, ascending.

  void offer(const Tree& tree, std::int64_t position) {
    if (tree.order[position] == self) return;
    float d = 0;
    for (int a = 0; a < 3; ++a) d += (tree.at(position, a) - query[a]) * (tree.at(position, a) - query[a]);
    if (d >= distance[wanted - 1]) return;
    std::int64_t slot = wanted - 1;
    for (; slot > 0 && distance[slot - 1] > d; --slot) distance[slot] = distance[slot - 1];
    distance[slot] = d;
  }

  void search(const Tree& tree, std::int64_t begin, std::int64_t end) {
    if (end - begin <= kLeaf) {
      for (std::int64_t i = begin; i < end; ++i) offer(tree, i);
      return;
    }
    const std::int64_t middle = (begin + end) / 2;
    const int a = tree.axis[middle];
    const float side = query[a] - tree.at(middle, a);
    offer(tree, middle);
    search(tree, side < 0 ? begin : middle + 1, side < 0 ? middle : end);
    if (side * side < distance[wanted - 1]) search(tree, side < 0 ? middle + 1 : begin, side < 0 ? end : middle);
  }
};

}  // namespace

// points (count, 3) finite, count > neighbours, neighbours at most 16; means (count,). Returns a Status.
RECGEN_EXPORT(neighbour_distance)
(const float* points, std::int64_t count, std::int64_t neighbours, float* means,
 std::int64_t threads) {
  try {
    const Tree tree(points, count);
    Team team{static_cast<int>(threads)};
    team.share(count, 256, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        Nearest nearest{i, neighbours, points + 3 * i, {}};
        for (float& d : nearest.distance) d = INFINITY;
        nearest.search(tree, 0, count);
        float sum = 0;
        for (std::int64_t k = 0; k < neighbours; ++k) sum += std::sqrt(nearest.distance[k]);
        means[i] = sum / float(neighbours);
      }
    });
  } catch (const std::bad_alloc&) {
    return kNoMemory;
  }
  return kDone;
}

}  // namespace RECGEN_NS
