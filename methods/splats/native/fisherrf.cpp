// The rasteriser and the squared derivatives that the released code of FaithFusion takes from FisherRF, in double
// precision: pixel centres at whole numbers, boxes of three sigmas in tiles of 16 pixels, alpha clamped at 0.99
// without stopping its derivative, channels summed before squaring.
//
// Released kernels run the chain rule for every pair of pixel and Gaussian and add the square. The derivative of
// log alpha by a parameter is a polynomial of degree two in v = Q d (Q the conic, d = centre - pixel), so here each
// pair only adds to nineteen moments, from which all squares follow: see fisher.cpp, which does the same for sums
// that keep the channels apart.
#include "released.hpp"

namespace RECGEN_NS {
namespace {

constexpr int kMoments = 19;  // (alpha T u)^2; H^2 by 1, xx xy yy, xxx .. yyy, xxxx .. yyyy; alpha T u H by x .. yy.

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
