// Projection of all Gaussians, culling, and their ellipses as `Splat`s.
#pragma once

#include <cfloat>

#include "cells.hpp"
#include "context.hpp"
#include "geometry.hpp"
#include "harmonics.hpp"

namespace RECGEN_NS {

constexpr std::int64_t kChunk = 2048;  // Gaussians placed in one go; a multiple of kLanes.
constexpr float kFar = 1e10f;
constexpr float kMostSigmas = 3.33f;

// What the depth sort moves around. Depths are positive, so they sort like their bit patterns.
struct Key {
  std::uint32_t depth, gaussian;
};

// Sixteen Gaussians on the screen, before culling by colour and by tiles.
struct Screen {
  Float x, y, a, c, peak, depth, lean, half, inverse_reach, summit, radius;
  unsigned inside;
};

inline Screen to_screen(const Input& in, const Projection& p, Float opacity) {
  Screen s;
  Conic q = invert(p);
  s.depth = p.point[2];
  s.x = fma(in.fx * p.point[0], p.inverse_z, in.cx), s.y = fma(in.fy * p.point[1], p.inverse_z, in.cy);
  s.a = -0.5f * kLog2E * q.a, s.c = -0.5f * kLog2E * q.c;
  s.peak = log2(min(opacity, 1.f)) - 1.f;
  Float squared = max(0.f, kLn4 * (s.peak - kLowest));  // (distance in sigmas where alpha is 1/255)^2
  Float reach_x = sqrt(squared * p.cov_xx), reach_y = sqrt(squared * p.cov_yy);
  s.lean = q.lean, s.half = sqrt(squared / q.a);
  s.inverse_reach = 1.f / reach_y, s.summit = p.cov_xy / p.cov_xx * reach_x;

  // Visibility and radii follow gsplat, which rounds its boxes up to whole pixels.
  Float sigmas = min(sqrt(squared), kMostSigmas);
  Float box_x = round_up(sigmas * sqrt(p.cov_xx)), box_y = round_up(sigmas * sqrt(p.cov_yy));
  s.radius = max(box_x, box_y);
  Mask inside = (in.near <= s.depth) & (s.depth <= kFar) & (kMinAlpha <= opacity) & (opacity <= FLT_MAX);
  inside = inside & (0.f < q.a) & (q.a <= FLT_MAX) & (s.radius <= FLT_MAX) & (0.f < s.radius);
  inside = inside & (0.f < s.x + box_x) & (s.x - box_x < (float)in.width);
  inside = inside & (0.f < s.y + box_y) & (s.y - box_y < (float)in.height);
  s.inside = bits(inside);
  return s;
}

// The colours of sixteen Gaussians as (lane, channel), and which channels the clamp at zero leaves alone.
struct Colors {
  float value[kLanes][3];
  std::uint32_t lit[kLanes];
};

inline void evaluate_colors(const Input& in, const Batch& g, std::int64_t start, int lanes, unsigned wanted,
                            Colors& out) {
  alignas(64) float B[kLanes][kMostHarmonics];
  int terms = in.degree < 0 ? 0 : harmonics(in.degree);
  if (terms) {
    Float values[kMostHarmonics];
    basis(in.degree, direction(g.mean[0] - in.centre[0], g.mean[1] - in.centre[1], g.mean[2] - in.centre[2]), values);
    transpose(values, terms, B[0]);
  }
  for (int lane = 0; lane < lanes; lane++) {
    if (!(wanted >> lane & 1)) continue;
    float* value = out.value[lane];
    out.lit[lane] = 7;
    if (!terms) {
      std::memcpy(value, in.colors + 3 * (start + lane), sizeof out.value[0]);
      continue;
    }
    const float* w = in.colors + 3 * (std::size_t)in.coefficients * (start + lane);
    float sum[3] = {0.5f, 0.5f, 0.5f};
    for (int k = 0; k < terms; k++)
      for (int c = 0; c < 3; c++) sum[c] += B[lane][k] * w[3 * k + c];
    for (int c = 0; c < 3; c++) {
      bool clamped = -FLT_MAX <= sum[c] && sum[c] < 0;  // What is not finite stays, so that it is noticed.
      if (clamped) out.lit[lane] &= ~(1u << c);
      value[c] = clamped ? 0.f : sum[c];
    }
  }
}

inline bool finite(const float v[3]) { return std::abs(v[0]) + std::abs(v[1]) + std::abs(v[2]) <= FLT_MAX; }

// Places up to sixteen Gaussians; appends a key for each that meets a tile and returns how many did.
inline int place_batch(const Input& in, Context& c, float* radii, std::int64_t start, int lanes, Key* keys) {
  Batch g = read_batch(in, start, lanes);
  Float opacity;
  gather(in.opacities + start, 1, lanes, &opacity);
  Screen s = to_screen(in, project(in, g), opacity);
  unsigned inside = s.inside & (0xffffu >> (kLanes - lanes));
  std::memset(c.visible.data() + start, 0, lanes);
  std::memset(radii + start, 0, lanes * sizeof(float));
  if (!inside) return 0;

  alignas(64) float field[11][kLanes];
  const Float fields[11] = {s.x, s.y, s.a, s.c, s.peak, s.lean, s.depth, s.half, s.summit, s.inverse_reach, s.radius};
  for (int k = 0; k < 11; k++) store(field[k], fields[k]);
  Colors colors;
  evaluate_colors(in, g, start, lanes, inside, colors);
  int found = 0;
  for (; inside; inside &= inside - 1) {
    int lane = __builtin_ctz(inside);
    if (!finite(colors.value[lane])) continue;
    Splat& t = c.splats[start + lane];
    t.x = field[0][lane], t.y = field[1][lane];
    t.a = field[2][lane], t.c = field[3][lane], t.peak = field[4][lane], t.lean = field[5][lane];
    std::memcpy(t.color, colors.value[lane], sizeof t.color);
    t.depth = field[6][lane];
    t.half = field[7][lane], t.summit = field[8][lane], t.inverse_reach = field[9][lane];
    t.lit = colors.lit[lane], t.tiles = 0;
    tile_rows(t, c.across, c.down, [&](int, int first, int last) { t.tiles += last - first; });
    radii[start + lane] = field[10][lane];
    if (!t.tiles) continue;
    c.visible[start + lane] = 1;
    c.first[start + lane] = t.tiles;  // Until `bin` knows the ticket; this array stays in the cache.
    std::uint32_t depth;
    std::memcpy(&depth, &t.depth, 4);
    keys[found++] = {depth, (std::uint32_t)(start + lane)};
  }
  return found;
}

}  // namespace RECGEN_NS
