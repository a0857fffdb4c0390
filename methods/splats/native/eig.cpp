// The expected information gain per pixel: half the sum over parameters of the squared derivatives of the pixel's
// three channels, each times the parameter's variance.
//
// The terms are those of the Fisher pass (fisher.cpp), here summed over the parameters instead of the pixels. With
// s = sum_c h_c^2 and w = alpha T, a splat adds s q(e, y) + w^2 light + 2 w sum_c h_c r_c(e, y), in which q is one
// polynomial of degree four for all parameters of shape, place and opacity, `light` stands for the colours, and r_c
// couples a colour that changes with the viewing direction to the place. So a pixel costs a polynomial per splat, and
// nothing has to be reduced.
#include "behind.hpp"
#include "columns.hpp"
#include "replay.hpp"

namespace RECGEN_NS {

constexpr int kPlain = 16;  // Floats per Gaussian: light; q by 1, ee ey yy, eee .. yyy, eeee .. yyyy; two unused.
constexpr int kView = 32;   // Then r by e y ee ey yy, per channel; one unused.

// Adds variance * column^2 to q without its constant: ee ey yy, eee eey eyy yyy, eeee eeey eeyy eyyy yyyy.
inline void add_square(const Column& k, Float variance, Float* q) {
  Float x = variance * k.x, y = variance * k.y, xx = variance * k.xx, xy = variance * k.xy, yy = variance * k.yy;
  q[0] = fma(x, k.x, q[0]), q[1] = fma(2.f * x, k.y, q[1]), q[2] = fma(y, k.y, q[2]);
  q[3] = fma(2.f * x, k.xx, q[3]), q[4] = fma(2.f, fma(x, k.xy, y * k.xx), q[4]);
  q[5] = fma(2.f, fma(x, k.yy, y * k.xy), q[5]), q[6] = fma(2.f * y, k.yy, q[6]);
  q[7] = fma(xx, k.xx, q[7]), q[8] = fma(2.f * xx, k.xy, q[8]);
  q[9] = fma(xy, k.xy, fma(2.f * xx, k.yy, q[9])), q[10] = fma(2.f * xy, k.yy, q[10]), q[11] = fma(yy, k.yy, q[11]);
}

// Sum over the coefficients of the harmonics of variance * B^2.
static Float weigh_harmonics(const Input& in, const Context& c, const Direction& towards, std::int64_t start,
                             unsigned visible, const float* variance) {
  int terms = harmonics(in.degree);
  alignas(64) float B[kMostHarmonics][kLanes], light[kLanes] = {};
  Float values[kMostHarmonics];
  basis(in.degree, towards, values);
  for (int k = 0; k < terms; k++) store(B[k], values[k] * values[k]);
  for (; visible; visible &= visible - 1) {
    int lane = __builtin_ctz(visible);
    unsigned lit = c.splats[start + lane].lit;
    const float* from = variance + 3 * (std::size_t)in.coefficients * (start + lane);
    for (int k = 0; k < terms; k++)
      for (int ch = 0; ch < 3; ch++)
        if (lit >> ch & 1) light[lane] += B[k][lane] * from[3 * k + ch];
  }
  return load(light);
}

template <int kTerms>
static void weigh_batch(const Input& in, const Context& c, const PerGaussian& variance, float* gains,
                        std::int64_t start, int lanes) {
  unsigned visible = visible_lanes(c, start, lanes);
  if (!visible) return;
  Batch g = read_batch(in, start, lanes);
  Projection p = project(in, g);
  Conic conic = invert(p);
  Float gain[kTerms];
  for (Float& v : gain) v = 0.f;
  Column columns[4];
  Float by[4];
  auto add = [&](const float* from, int stride) {
    gather(from + stride * start, stride, lanes, by);
    for (int k = 0; k < stride; k++) add_square(columns[k], by[k], gain + 2);
  };
  quat_columns(g, p, conic, columns), add(variance.quats, 4);
  scale_columns(p, conic, columns), add(variance.scales, 3);
  mean_columns(in, p, conic, columns), add(variance.means, 3);  // Last: the colours use these below.
  if (in.degree < 0) {
    Float color[3];
    gather(variance.colors + 3 * start, 3, lanes, color);
    gain[0] = color[0] + color[1] + color[2];
  } else {
    Direction towards = direction(g.mean[0] - in.centre[0], g.mean[1] - in.centre[1], g.mean[2] - in.centre[2]);
    gain[0] = weigh_harmonics(in, c, towards, start, visible, variance.colors);
    if constexpr (kTerms == kView) {
      Float slopes[3][3];
      color_slopes(in, c, towards, start, visible, slopes);
      for (int ch = 0; ch < 3; ch++)
        for (int k = 0; k < 3; k++) {
          Float slope = slopes[ch][k], twice = 2.f * by[k] * slope, *r = gain + kPlain + 5 * ch;
          gain[0] = fma(by[k] * slope, slope, gain[0]);
          r[0] = fma(twice, columns[k].x, r[0]), r[1] = fma(twice, columns[k].y, r[1]);
          r[2] = fma(twice, columns[k].xx, r[2]), r[3] = fma(twice, columns[k].xy, r[3]);
          r[4] = fma(twice, columns[k].yy, r[4]);
        }
    }
  }
  Float opacity, of_opacity;
  gather(in.opacities + start, 1, lanes, &opacity), gather(variance.opacities + start, 1, lanes, &of_opacity);
  gain[1] = of_opacity / (opacity * opacity);
  alignas(64) float row[kTerms][kLanes];
  for (int k = 0; k < kTerms; k++) store(row[k], gain[k]);
  for (; visible; visible &= visible - 1) {
    int lane = __builtin_ctz(visible);
    float* to = gains + kTerms * (std::size_t)(start + lane);
    for (int k = 0; k < kTerms; k++) to[k] = row[k][lane];
  }
}

// The polynomials along one row of blocks, in which y is the same vector: only powers of e are left.
template <bool kWithView>
struct RowGain {
  Float q[5];
  Float r[kWithView ? 3 : 1][3];

  void set(const float* gain, Float y) {
    const float* k = gain + 1;
    Float yy = y * y;
    q[0] = fma(yy, fma(yy, k[12], fma(y, k[7], k[3])), k[0]);
    q[1] = y * fma(yy, k[11], fma(y, k[6], k[2]));
    q[2] = fma(yy, k[10], fma(y, k[5], k[1]));
    q[3] = fma(y, k[9], k[4]);
    q[4] = k[8];
    if constexpr (kWithView)
      for (int c = 0; c < 3; c++) {
        const float* v = gain + kPlain + 5 * c;
        r[c][0] = y * fma(y, v[4], v[1]), r[c][1] = fma(y, v[3], v[0]), r[c][2] = v[2];
      }
  }

  Float shape(Float e) const { return fma(fma(fma(fma(q[4], e, q[3]), e, q[2]), e, q[1]), e, q[0]); }
  Float view(int c, Float e) const { return fma(fma(r[c][2], e, r[c][1]), e, r[c][0]); }
};

template <int kTerms>
static void gain_tile(const Context& c, std::int64_t which, const float* rgb, const float* gains, float* map) {
  Tile tile(c, which);
  Behind behind[kBlocks];
  Float total[kBlocks];
  read_behind(c, tile, rgb, behind);
  for (Float& v : total) v = 0.f;
  for (std::int64_t k = c.begin[which], end = c.end[which]; k < end; k++) {
    std::uint32_t ahead = c.pairs[std::min(k + kFetch, end - 1)].gaussian;
    __builtin_prefetch(&c.splats[ahead]);
    for (int line = 0; line < kTerms; line += 16) __builtin_prefetch(gains + kTerms * (std::size_t)ahead + line);
    if (!c.blocks[k]) continue;
    const Splat& s = c.splats[c.pairs[k].gaussian];
    const float* gain = gains + kTerms * (std::size_t)c.pairs[k].gaussian;
    Float red = s.color[0], green = s.color[1], blue = s.color[2], light = gain[0];
    Brush brush(s, tile);
    RowGain<kTerms == kView> row;
    int current = -1;
    each_block(tile, brush, c.blocks[k], [&](int b, const Print& print) {
      if (b / kAcross != current) row.set(gain, tile.down[current = b / kAcross] - brush.y);
      Stroke stroke = blend(tile, print, b);
      Float share = stroke.alpha * reciprocal(1.f - stroke.alpha);
      Float hr = uncover(behind[b].red, stroke, red, share);
      Float hg = uncover(behind[b].green, stroke, green, share);
      Float hb = uncover(behind[b].blue, stroke, blue, share);
      Float s2 = fma(hr, hr, fma(hg, hg, hb * hb)), by_light = stroke.weight * light;
      if constexpr (kTerms == kView)
        by_light = fma(hr, row.view(0, print.e), fma(hg, row.view(1, print.e), fma(hb, row.view(2, print.e), by_light)));
      total[b] = fma(s2, row.shape(print.e), fma(stroke.weight, by_light, total[b]));
    });
  }
  tile.pixels(c, [&](int b, int i, std::int64_t pixel) {
    // Sums of squares: what rounding leaves below zero is zero. Not a maximum, which would hide NaN.
    float value = 0.5f * reinterpret_cast<const float*>(&total[b])[i];
    map[pixel] = value < 0 ? 0.f : value;
  });
}

template <int kTerms>
static void gain(const Input& in, const Context& c, const float* rgb, const PerGaussian& variance, float* map) {
  Team team(in.threads);
  Buffer<float> gains((std::size_t)in.size * kTerms);
  team.share(in.size, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; begin += kLanes)
      weigh_batch<kTerms>(in, c, variance, gains.data(), begin, (int)std::min<std::int64_t>(kLanes, end - begin));
  });
  team.share(c.tiles(), 1,
             [&](std::int64_t tile, std::int64_t) { gain_tile<kTerms>(c, tile, rgb, gains.data(), map); });
}

// Fills `map` (H, W) for a rendered view from the variances of the parameters, which are only read and all needed but
// `screen`.
RECGEN_EXPORT(splats_gain)(const Input* in, Context* context, const Image* image, const PerGaussian* variance,
                           float* map) try {
  if (in->degree > 0)
    gain<kView>(*in, *context, image->rgb, *variance, map);
  else
    gain<kPlain>(*in, *context, image->rgb, *variance, map);
  return kDone;
} catch (const std::bad_alloc&) {
  return kNoMemory;
}

}  // namespace RECGEN_NS
