// The rasteriser that FaithFusion takes from FisherRF, in double precision: projection, lists per tile, and the walk
// of a pixel through its list. Its functions have no names outside the one file that includes it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>

#include "abi.hpp"
#include "buffer.hpp"
#include "team.hpp"

namespace RECGEN_NS {
namespace {

constexpr int kSide = 16;     // Pixels along a side of a tile.
constexpr double kNear = 0.2, kBlur = 0.3, kClamp = 0.99, kFaint = 1.0 / 255, kDark = 1e-4, kEps = 1e-7;
constexpr double kBand0 = 0.28209479177387814, kBand1 = 0.4886025119029199;

}  // namespace

// N Gaussians seen by one camera. Arrays are float64, C order. Mirrored in fisherrf.py.
struct Exposure {
  const double *means, *quats, *scales, *opacities;  // Activated; quaternions are not normalised.
  const double* colors;                              // (N, coefficients, 3)
  std::int64_t size;
  double rotation[9], translation[3], centre[3];  // World to camera; the camera in the world.
  double fx, fy, cx, cy;
  std::int32_t width, height;
  std::int32_t degree, coefficients;  // Degree 0 or 1, -1 for RGB.
  std::int32_t slip;                  // Take the released kernel's wrong offset into the harmonics.
  std::int32_t threads;
};

// What a render gives, each (H, W) but rgb (H, W, 3).
struct Planes {
  double *rgb, *depth, *through, *blended;  // sum c a T, sum z a T, final T, sum values a T.
  std::int32_t* last;                       // Position in the tile's list of the last blended Gaussian, from 1.
};

namespace {

struct Dot {
  double x, y, a, b, c;  // Centre and conic, a dx^2 + 2 b dx dy + c dy^2.
  double opacity, depth, color[3];
  double faint;  // Powers below this certainly give alpha below 1/255: spares an exponential.
  std::uint8_t lit;
  bool valid;
  std::int32_t left, right, top, bottom;  // Tiles, ends exclusive.
  std::int64_t first;                     // Of its pairs.
};

struct Near {
  double depth;
  std::uint32_t dot;
};

struct Entry {
  std::uint32_t dot;
  std::uint32_t pair;
};

struct Camera {
  double t[3], ratio_x, ratio_y;  // Centre in camera axes; x/z and y/z after the clamp.
  bool free_x, free_y;
  double turn[9], rows[6], half[6];  // R(q); J W; J W R diag(s).
  double xx, xy, yy, det;
};

bool all_finite(const double* v, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i++)
    if (!std::isfinite(v[i])) return false;
  return true;
}

Camera place(const Exposure& in, std::int64_t g) {
  Camera p;
  const double *m = in.means + 3 * g, *q = in.quats + 4 * g, *s = in.scales + 3 * g, *V = in.rotation;
  for (int i = 0; i < 3; i++)
    p.t[i] = V[3 * i] * m[0] + V[3 * i + 1] * m[1] + V[3 * i + 2] * m[2] + in.translation[i];
  double z = p.t[2], x = p.t[0] / z, y = p.t[1] / z;
  double most_x = 1.3 * in.width / (2 * in.fx), most_y = 1.3 * in.height / (2 * in.fy);
  p.free_x = -most_x <= x && x <= most_x, p.free_y = -most_y <= y && y <= most_y;
  p.ratio_x = std::min(most_x, std::max(-most_x, x)), p.ratio_y = std::min(most_y, std::max(-most_y, y));
  double w = q[0], i = q[1], j = q[2], k = q[3];
  const double R[9] = {1 - 2 * (j * j + k * k), 2 * (i * j - w * k),     2 * (i * k + w * j),
                       2 * (i * j + w * k),     1 - 2 * (i * i + k * k), 2 * (j * k - w * i),
                       2 * (i * k - w * j),     2 * (j * k + w * i),     1 - 2 * (i * i + j * j)};
  std::memcpy(p.turn, R, sizeof R);
  for (int c = 0; c < 3; c++) {
    p.rows[c] = in.fx / z * (V[c] - p.ratio_x * V[6 + c]);
    p.rows[3 + c] = in.fy / z * (V[3 + c] - p.ratio_y * V[6 + c]);
  }
  for (int r = 0; r < 2; r++)
    for (int c = 0; c < 3; c++)
      p.half[3 * r + c] =
          s[c] * (p.rows[3 * r] * R[c] + p.rows[3 * r + 1] * R[3 + c] + p.rows[3 * r + 2] * R[6 + c]);
  const double* h = p.half;
  p.xx = h[0] * h[0] + h[1] * h[1] + h[2] * h[2] + kBlur;
  p.xy = h[0] * h[3] + h[1] * h[4] + h[2] * h[5];
  p.yy = h[3] * h[3] + h[4] * h[4] + h[5] * h[5] + kBlur;
  p.det = p.xx * p.yy - p.xy * p.xy;
  return p;
}

struct Sight {
  double unit[3], inverse_length;  // From the camera to the Gaussian.
};

Sight sight(const Exposure& in, std::int64_t g) {
  Sight s;
  const double* m = in.means + 3 * g;
  for (int i = 0; i < 3; i++) s.unit[i] = m[i] - in.centre[i];
  s.inverse_length = 1 / std::sqrt(s.unit[0] * s.unit[0] + s.unit[1] * s.unit[1] + s.unit[2] * s.unit[2]);
  for (double& v : s.unit) v *= s.inverse_length;
  return s;
}

void harmonics(const Exposure& in, const Sight& s, double B[4]) {
  B[0] = in.degree < 0 ? 1 : kBand0;
  B[1] = -kBand1 * s.unit[1], B[2] = kBand1 * s.unit[2], B[3] = -kBand1 * s.unit[0];
}

int terms(const Exposure& in) { return in.degree > 0 ? 4 : 1; }

// The tile that holds a position, truncated towards zero and clipped, whatever the position is.
std::int32_t tile_at(double position, std::int32_t tiles) {
  double at = position / kSide;
  return at > 0 ? (at < tiles ? (std::int32_t)at : tiles) : 0;
}

Dot to_screen(const Exposure& in, std::int64_t g, std::int32_t across, std::int32_t down) {
  Dot dot{};
  std::int64_t stride = 3 * in.coefficients;
  if (!all_finite(in.means + 3 * g, 3) || !all_finite(in.quats + 4 * g, 4) || !all_finite(in.scales + 3 * g, 3) ||
      !all_finite(in.opacities + g, 1) || !all_finite(in.colors + stride * g, 3 * terms(in)))
    return dot;
  Camera p = place(in, g);
  // A determinant that is only the rounding of its two products is none: its conic would be noise.
  if (!(p.t[2] > kNear) || !(p.det > 1e-15 * p.xx * p.yy) || !std::isfinite(p.det)) return dot;
  double z = p.t[2] + kEps;
  dot.x = (in.fx * p.t[0] + (in.cx - 0.5 * in.width) * p.t[2]) / z + 0.5 * in.width - 0.5;
  dot.y = (in.fy * p.t[1] + (in.cy - 0.5 * in.height) * p.t[2]) / z + 0.5 * in.height - 0.5;
  dot.a = p.yy / p.det, dot.b = -p.xy / p.det, dot.c = p.xx / p.det;
  double middle = 0.5 * (p.xx + p.yy);
  double radius = std::ceil(3 * std::sqrt(middle + std::sqrt(std::max(0.1, middle * middle - p.det))));
  if (!std::isfinite(dot.x + dot.y + dot.a + dot.b + dot.c + radius)) return dot;
  dot.left = tile_at(dot.x - radius, across), dot.right = tile_at(dot.x + radius + kSide - 1, across);
  dot.top = tile_at(dot.y - radius, down), dot.bottom = tile_at(dot.y + radius + kSide - 1, down);
  if (dot.left >= dot.right || dot.top >= dot.bottom) return dot;
  dot.opacity = in.opacities[g], dot.depth = p.t[2];
  dot.faint = dot.opacity > 0 ? std::log(kFaint / dot.opacity) - 1e-9 : 1;
  double B[4];
  harmonics(in, sight(in, g), B);
  for (int c = 0; c < 3; c++) {
    double sum = in.degree < 0 ? 0 : 0.5;
    for (int k = 0; k < terms(in); k++) sum += B[k] * in.colors[stride * g + 3 * k + c];
    bool clamped = in.degree >= 0 && sum < 0;
    dot.color[c] = clamped ? 0 : sum;
    if (!clamped) dot.lit |= 1 << c;
  }
  dot.valid = std::isfinite(dot.color[0] + dot.color[1] + dot.color[2]);
  return dot;
}

// All Gaussians on the screen, and per tile those whose box meets it, by depth.
struct Lists {
  std::int32_t across, down;
  Buffer<Dot> dots;
  Buffer<Entry> entries;
  Buffer<std::int64_t> begin;
  std::int64_t longest = 0, total = 0;

  Lists(Team& team, const Exposure& in) {
    across = (in.width + kSide - 1) / kSide, down = (in.height + kSide - 1) / kSide;
    dots.reserve(in.size), begin.reserve(tiles() + 1);
    Buffer<Near> order(in.size);
    team.share(in.size, 256, [&](std::int64_t from, std::int64_t to) {
      for (; from < to; from++) dots[from] = to_screen(in, from, across, down);
    });
    std::int64_t n = 0;
    std::memset(begin.data(), 0, (tiles() + 1) * sizeof(std::int64_t));
    for (std::int64_t g = 0; g < in.size; g++) {
      Dot& dot = dots[g];
      dot.first = total;
      if (!dot.valid) continue;
      order[n++] = {dot.depth, (std::uint32_t)g};
      each_tile(dot, [&](std::int64_t tile, std::int64_t) { begin[tile + 1]++, total++; });
    }
    if (total >= UINT32_MAX) throw std::bad_alloc();
    for (std::int64_t tile = 0; tile < tiles(); tile++) {
      longest = std::max(longest, begin[tile + 1]);
      begin[tile + 1] += begin[tile];
    }
    std::sort(order.data(), order.data() + n, [](const Near& a, const Near& b) {
      return a.depth < b.depth || (a.depth == b.depth && a.dot < b.dot);
    });
    entries.reserve(total);
    Buffer<std::int64_t> next(tiles() + 1);
    std::memcpy(next.data(), begin.data(), (tiles() + 1) * sizeof(std::int64_t));
    for (std::int64_t i = 0; i < n; i++) {
      const Dot& dot = dots[order[i].dot];
      each_tile(dot, [&](std::int64_t tile, std::int64_t at) {
        entries[next[tile]++] = {order[i].dot, (std::uint32_t)(dot.first + at)};
      });
    }
  }

  std::int64_t tiles() const { return (std::int64_t)across * down; }

  // Calls body(tile, number of the tile among the Gaussian's).
  template <class Body>
  void each_tile(const Dot& dot, const Body& body) const {
    std::int64_t at = 0;
    for (std::int64_t y = dot.top; y < dot.bottom; y++)
      for (std::int64_t x = dot.left; x < dot.right; x++) body(y * across + x, at++);
  }
};

// One Gaussian blended into one pixel.
struct Touch {
  std::uint32_t entry;  // In the tile's list.
  double vx, vy, raw, alpha, through;
};

// Blends the list into the pixel and returns what was blended; `through` ends as the final transmittance.
std::int64_t walk(const Lists& lists, const Entry* list, std::int64_t length, double px, double py, Touch* touches,
                  double& through) {
  std::int64_t count = 0;
  through = 1;
  for (std::int64_t k = 0; k < length; k++) {
    const Dot& dot = lists.dots[list[k].dot];
    double dx = dot.x - px, dy = dot.y - py;
    double vx = dot.a * dx + dot.b * dy, vy = dot.b * dx + dot.c * dy, power = -0.5 * (vx * dx + vy * dy);
    if (power > 0 || power < dot.faint) continue;
    double raw = dot.opacity * std::exp(power), alpha = std::min(kClamp, raw);
    if (alpha < kFaint) continue;
    double left = through * (1 - alpha);
    if (left < kDark) break;
    touches[count++] = {(std::uint32_t)k, vx, vy, raw, alpha, through};
    through = left;
  }
  return count;
}

// Calls body(list, its length, pixel, touches, count, final transmittance) for every pixel.
template <class Body>
void each_pixel(Team& team, const Exposure& in, const Lists& lists, const Body& body) {
  Buffer<Touch> scratch(lists.longest * team.size() + 1);
  std::atomic<std::int64_t> next{0};
  team.run([&](int rank) {
    Touch* touches = scratch.data() + lists.longest * rank;
    for (std::int64_t tile; (tile = next.fetch_add(1, std::memory_order_relaxed)) < lists.tiles();) {
      const Entry* list = lists.entries.data() + lists.begin[tile];
      std::int64_t length = lists.begin[tile + 1] - lists.begin[tile];
      int top = (int)(tile / lists.across) * kSide, left = (int)(tile % lists.across) * kSide;
      for (int y = top; y < std::min(top + kSide, in.height); y++)
        for (int x = left; x < std::min(left + kSide, in.width); x++) {
          double through;
          std::int64_t count = walk(lists, list, length, x, y, touches, through);
          body(list, (std::int64_t)y * in.width + x, touches, count, through);
        }
    }
  });
}

}  // namespace
}  // namespace RECGEN_NS
