// The rasteriser and the squared derivatives that the released code of FaithFusion takes from FisherRF, in double
// precision: pixel centres at whole numbers, boxes of three sigmas in tiles of 16 pixels, alpha clamped at 0.99
// without stopping its derivative, channels summed before squaring.
//
// Released kernels run the chain rule for every pair of pixel and Gaussian and add the square. The derivative of
// log alpha by a parameter is a polynomial of degree two in v = Q d (Q the conic, d = centre - pixel), so here each
// pair only adds to nineteen moments, from which all squares follow: see fisher.cpp, which does the same for sums
// that keep the channels apart.
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
constexpr int kMoments = 19;  // (alpha T u)^2; H^2 by 1, xx xy yy, xxx .. yyy, xxxx .. yyyy; alpha T u H by x .. yy.
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
  if (!(p.t[2] > kNear) || !(p.det != 0) || !std::isfinite(p.det)) return dot;
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

void add_moments(const Touch& t, double dark, double H, double* m) {
  double x = t.vx, y = t.vy, s = H * H, mixed = dark * H;
  double xx = x * x, xy = x * y, yy = y * y;
  m[0] += dark * dark, m[1] += s, m[2] += s * xx, m[3] += s * xy, m[4] += s * yy;
  m[5] += s * xx * x, m[6] += s * xx * y, m[7] += s * xy * y, m[8] += s * yy * y;
  m[9] += s * xx * xx, m[10] += s * xx * xy, m[11] += s * xx * yy, m[12] += s * xy * yy, m[13] += s * yy * yy;
  m[14] += mixed * x, m[15] += mixed * y, m[16] += mixed * xx, m[17] += mixed * xy, m[18] += mixed * yy;
}

// The derivative of log alpha by one parameter: coefficients of vx, vy, vx vx, vx vy, vy vy.
struct Slope {
  double x, y, xx, xy, yy;
};

// From the motion of the centre and the change (top, bottom) of `half`. The released code has det^2 + 1e-7 where
// the derivative of an inverse has det^2.
Slope slope(const Camera& p, double mx, double my, const double top[3], const double bottom[3]) {
  const double *h = p.half, *l = p.half + 3, rounded = 1 / (1 + kEps / (p.det * p.det));
  double xx = 2 * (h[0] * top[0] + h[1] * top[1] + h[2] * top[2]);
  double yy = 2 * (l[0] * bottom[0] + l[1] * bottom[1] + l[2] * bottom[2]);
  double xy = h[0] * bottom[0] + h[1] * bottom[1] + h[2] * bottom[2] + l[0] * top[0] + l[1] * top[1] + l[2] * top[2];
  return {-mx, -my, 0.5 * rounded * xx, rounded * xy, 0.5 * rounded * yy};
}

double squared(const Slope& k, const double* m) {
  double linear = k.x * k.x * m[2] + 2 * k.x * k.y * m[3] + k.y * k.y * m[4];
  double mixed = 2 * (k.x * (k.xx * m[5] + k.xy * m[6] + k.yy * m[7]) + k.y * (k.xx * m[6] + k.xy * m[7] + k.yy * m[8]));
  double fourth = k.xx * k.xx * m[9] + 2 * k.xx * k.xy * m[10] + (k.xy * k.xy + 2 * k.xx * k.yy) * m[11] +
                  2 * k.xy * k.yy * m[12] + k.yy * k.yy * m[13];
  return linear + mixed + fourth;
}

double along(const Slope& k, const double* m) {
  return k.x * m[14] + k.y * m[15] + k.xx * m[16] + k.xy * m[17] + k.yy * m[18];
}

// The change of `half` when the Gaussian's shape R diag(s) changes.
Slope shape_slope(const Camera& p, const double shape[9]) {
  double top[3], bottom[3];
  for (int c = 0; c < 3; c++) {
    top[c] = p.rows[0] * shape[c] + p.rows[1] * shape[3 + c] + p.rows[2] * shape[6 + c];
    bottom[c] = p.rows[3] * shape[c] + p.rows[4] * shape[3 + c] + p.rows[5] * shape[6 + c];
  }
  return slope(p, 0, 0, top, bottom);
}

void add_shape(const Exposure& in, const Camera& p, std::int64_t g, const double* m, double* quats,
               double* scales) {
  const double *q = in.quats + 4 * g, *s = in.scales + 3 * g, w = q[0], x = q[1], y = q[2], z = q[3];
  const double by[4][9] = {{0, -z, y, z, 0, -x, -y, x, 0},
                           {0, y, z, y, -2 * x, -w, z, w, -2 * x},
                           {-2 * y, x, w, x, 0, z, -w, z, -2 * y},
                           {-2 * z, -w, x, w, -2 * z, y, x, y, 0}};
  for (int i = 0; i < 4; i++) {
    double shape[9];
    for (int k = 0; k < 9; k++) shape[k] = 2 * by[i][k] * s[k % 3];
    quats[4 * g + i] += squared(shape_slope(p, shape), m);
  }
  for (int j = 0; j < 3; j++) {
    double shape[9] = {};
    for (int i = 0; i < 3; i++) shape[3 * i + j] = p.turn[3 * i + j];
    scales[3 * g + j] += squared(shape_slope(p, shape), m);
  }
}

// The derivative of the sum of the channels by the mean, through the viewing direction.
void color_slopes(const Exposure& in, const Dot& dot, std::int64_t g, const Sight& s, double by_mean[3]) {
  // The released kernel misses a factor of three in this offset and reads another Gaussian's coefficients.
  const double* sh = in.colors + (in.slip ? 1 : 3) * (std::int64_t)in.coefficients * g;
  double by_unit[3] = {};
  for (int c = 0; c < 3; c++) {
    if (!(dot.lit >> c & 1)) continue;
    by_unit[0] -= kBand1 * sh[9 + c], by_unit[1] -= kBand1 * sh[3 + c], by_unit[2] += kBand1 * sh[6 + c];
  }
  double radial = by_unit[0] * s.unit[0] + by_unit[1] * s.unit[1] + by_unit[2] * s.unit[2];
  for (int i = 0; i < 3; i++) by_mean[i] = (by_unit[i] - radial * s.unit[i]) * s.inverse_length;
}

void add_means(const Exposure& in, const Camera& p, const double slopes[3], std::int64_t g, const double* m,
               double* means) {
  const double *V = in.rotation, *s = in.scales + 3 * g, z = p.t[2], away = 1 / (z + kEps);
  double frame[9];  // R diag(s) in camera axes.
  for (int i = 0; i < 9; i++)
    frame[i] = s[i % 3] * (V[i / 3 * 3] * p.turn[i % 3] + V[i / 3 * 3 + 1] * p.turn[3 + i % 3] +
                           V[i / 3 * 3 + 2] * p.turn[6 + i % 3]);
  double ox = in.cx - 0.5 * in.width, oy = in.cy - 0.5 * in.height;
  for (int j = 0; j < 3; j++) {
    double dx = V[j], dy = V[3 + j], dz = V[6 + j];
    double mx = away * (in.fx * dx + ox * dz - away * (in.fx * p.t[0] + ox * z) * dz);
    double my = away * (in.fy * dy + oy * dz - away * (in.fy * p.t[1] + oy * z) * dz);
    // Of fx/z, -fx x'/z^2 and the same in y. Where x' is clamped it does not follow x, yet z keeps its factor two.
    double j00 = -in.fx * dz / (z * z), j11 = -in.fy * dz / (z * z);
    double j02 = in.fx / (z * z) * (2 * p.ratio_x * dz - (p.free_x ? dx : 0));
    double j12 = in.fy / (z * z) * (2 * p.ratio_y * dz - (p.free_y ? dy : 0));
    double top[3], bottom[3];
    for (int k = 0; k < 3; k++) {
      top[k] = j00 * frame[k] + j02 * frame[6 + k];
      bottom[k] = j11 * frame[3 + k] + j12 * frame[6 + k];
    }
    Slope k = slope(p, mx, my, top, bottom);
    means[3 * g + j] += squared(k, m) + slopes[j] * (2 * along(k, m) + slopes[j] * m[0]);
  }
}

}  // namespace

// Renders; `values` (N) are blended like a colour, null for none.
RECGEN_EXPORT(fisherrf_render)(const Exposure* in, const double* values, const Planes* out) try {
  Team team(in->threads);
  Lists lists(team, *in);
  each_pixel(team, *in, lists, [&](const Entry* list, std::int64_t pixel, const Touch* touches, std::int64_t count,
                                   double through) {
    double rgb[3] = {}, depth = 0, blended = 0;
    for (std::int64_t i = 0; i < count; i++) {
      std::uint32_t g = list[touches[i].entry].dot;
      const Dot& dot = lists.dots[g];
      double weight = touches[i].alpha * touches[i].through;
      for (int c = 0; c < 3; c++) rgb[c] += weight * dot.color[c];
      depth += weight * dot.depth;
      if (values) blended += weight * values[g];
    }
    std::memcpy(out->rgb + 3 * pixel, rgb, sizeof rgb);
    out->depth[pixel] = depth, out->through[pixel] = through, out->blended[pixel] = blended;
    out->last[pixel] = count ? (std::int32_t)touches[count - 1].entry + 1 : 0;
  });
  return kDone;
} catch (const std::bad_alloc&) {
  return kNoMemory;
}

// Adds the squared derivatives of upstream (H, W) times the pixel's channels to five arrays in the layouts of the
// parameters.
RECGEN_EXPORT(fisherrf_squares)(const Exposure* in, const double* upstream, double* means, double* quats,
                                double* scales, double* opacities, double* colors) try {
  Team team(in->threads);
  Lists lists(team, *in);
  Buffer<double> moments(lists.total * kMoments);
  std::memset(moments.data(), 0, lists.total * kMoments * sizeof(double));
  each_pixel(team, *in, lists, [&](const Entry* list, std::int64_t pixel, const Touch* touches, std::int64_t count,
                                   double) {
    double u = upstream[pixel], left = 0;
    if (u == 0) return;
    auto light = [&](const Touch& t) {
      const double* color = lists.dots[list[t.entry].dot].color;
      return color[0] + color[1] + color[2];
    };
    for (std::int64_t i = 0; i < count; i++) left += touches[i].alpha * touches[i].through * light(touches[i]);
    for (std::int64_t i = 0; i < count; i++) {
      const Touch& t = touches[i];
      left -= t.alpha * t.through * light(t);  // Now what lies behind.
      double by_alpha = u * (t.through * light(t) - left / (1 - t.alpha));
      add_moments(t, u * t.alpha * t.through, t.raw * by_alpha, moments.data() + kMoments * list[t.entry].pair);
    }
  });
  team.share(in->size, 256, [&](std::int64_t g, std::int64_t end) {
    for (; g < end; g++) {
      const Dot& dot = lists.dots[g];
      if (!dot.valid) continue;
      double m[kMoments] = {};
      std::int64_t pairs = (std::int64_t)(dot.right - dot.left) * (dot.bottom - dot.top);
      for (std::int64_t i = dot.first; i < dot.first + pairs; i++)
        for (int k = 0; k < kMoments; k++) m[k] += moments[kMoments * i + k];
      if (m[0] == 0) continue;
      Camera p = place(*in, g);
      Sight towards = sight(*in, g);
      double slopes[3] = {}, B[4];
      if (in->degree > 0) color_slopes(*in, dot, g, towards, slopes);
      add_means(*in, p, slopes, g, m, means);
      add_shape(*in, p, g, m, quats, scales);
      opacities[g] += m[1] / (dot.opacity * dot.opacity);
      harmonics(*in, towards, B);
      for (int k = 0; k < terms(*in); k++)
        for (int c = 0; c < 3; c++)
          if (dot.lit >> c & 1) colors[3 * (in->coefficients * g + k) + c] += B[k] * B[k] * m[0];
    }
  });
  return kDone;
} catch (const std::bad_alloc&) {
  return kNoMemory;
}

}  // namespace RECGEN_NS
