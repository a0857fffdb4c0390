// The diagonal of the Fisher information: per parameter, the sum over pixels and colour channels of the
// squared derivative of the image. One pass, no output gradient.
//
// With h_c = alpha dC_c/dalpha and v = Q d (Q the conic, d = pixel - centre), a change of the parameters that
// moves the centre by m', the covariance by S' and the colour by k' moves C_c by h_c (v.m' + v^T S' v / 2) +
// alpha T k'_c. In the coordinates (e, y) of a print, in which v is linear, the bracket is a polynomial of degree
// two without a constant, so the sum over pixels of its square follows exactly from the twelve moments of
// s = sum_c h_c^2 of degree two to four. Squaring after the chain rule would lose the cross terms. Colours that
// change with the viewing direction couple to the means through five more moments per channel.
#include "behind.hpp"
#include "columns.hpp"
#include "replay.hpp"

namespace RECGEN_NS {

constexpr int kPlain = 14;  // sum (alpha T)^2; moments of s: 1, ee ey yy, eee .. yyy, eeee .. yyyy.
constexpr int kView = 29;   // Then per channel the moments e y ee ey yy of alpha T h_c.

// The sums over one row of blocks, in which y is the same vector: only powers of e have to be told apart.
template <bool kWithView>
struct RowSums {
  Float s[5];                          // s e^k
  Float view[kWithView ? 3 : 1][3];    // alpha T h_c e^k per channel

  void clear() {
    for (Float& v : s) v = 0.f;
    for (auto& channel : view)
      for (Float& v : channel) v = 0.f;
  }

  void add(Float value, Float e) {
    Float e1 = value * e, e2 = e1 * e;
    s[0] += value, s[1] += e1, s[2] += e2;
    s[3] = fma(e2, e, s[3]), s[4] = fma(e2, e * e, s[4]);
  }

  void add_view(int channel, Float value, Float e) {
    Float e1 = value * e;
    view[channel][0] += value, view[channel][1] += e1;
    view[channel][2] = fma(e1, e, view[channel][2]);
  }

  // Adds the row's part to the moments of the splat.
  void fold(Float y, Float* sum) const {
    Float yy = y * y, yyy = yy * y;
    sum[1] += s[0], sum[2] += s[2], sum[3] = fma(s[1], y, sum[3]), sum[4] = fma(s[0], yy, sum[4]);
    sum[5] += s[3], sum[6] = fma(s[2], y, sum[6]), sum[7] = fma(s[1], yy, sum[7]), sum[8] = fma(s[0], yyy, sum[8]);
    sum[9] += s[4], sum[10] = fma(s[3], y, sum[10]), sum[11] = fma(s[2], yy, sum[11]);
    sum[12] = fma(s[1], yyy, sum[12]), sum[13] = fma(s[0], yy * yy, sum[13]);
    if constexpr (kWithView)
      for (int c = 0; c < 3; c++) {
        Float* moments = sum + kPlain + 5 * c;
        moments[0] += view[c][1], moments[1] = fma(view[c][0], y, moments[1]);
        moments[2] += view[c][2], moments[3] = fma(view[c][1], y, moments[3]);
        moments[4] = fma(view[c][0], yy, moments[4]);
      }
  }
};

template <int kTerms>
static void measure_tile(const Context& c, std::int64_t which, const float* rgb, float* slots) {
  constexpr int kPadded = (kTerms + 3) / 4 * 4;
  Tile tile(c, which);
  Behind behind[kBlocks];
  read_behind(c, tile, rgb, behind);
  for (std::int64_t k = c.begin[which], end = c.end[which]; k < end; k++) {
    const Pair ahead = c.pairs[std::min(k + kFetch, end - 1)];
    __builtin_prefetch(&c.splats[ahead.gaussian]);
    __builtin_prefetch(&c.slot[ahead.ticket]);
    if (!c.blocks[k]) continue;
    const Splat& s = c.splats[c.pairs[k].gaussian];
    Float red = s.color[0], green = s.color[1], blue = s.color[2];
    Float sum[kPadded];
    for (Float& v : sum) v = 0.f;
    RowSums<kTerms == kView> sums;
    sums.clear();
    each_block(tile, Brush(s, tile), c.blocks[k], [&](int b, const Print& print) {
      Stroke stroke = blend(tile, print, b);
      Float share = stroke.alpha * reciprocal(1.f - stroke.alpha);
      Float hr = uncover(behind[b].red, stroke, red, share);
      Float hg = uncover(behind[b].green, stroke, green, share);
      Float hb = uncover(behind[b].blue, stroke, blue, share);
      sum[0] = fma(stroke.weight, stroke.weight, sum[0]);
      sums.add(fma(hr, hr, fma(hg, hg, hb * hb)), print.e);
      if constexpr (kTerms == kView) {
        sums.add_view(0, stroke.weight * hr, print.e);
        sums.add_view(1, stroke.weight * hg, print.e);
        sums.add_view(2, stroke.weight * hb, print.e);
      }
    }, [&](Float y) {
      sums.fold(y, sum);
      sums.clear();
    });
    alignas(16) float total[kPadded];
    for (int i = 0; i < kPadded; i += 4) sum4(sum + i, total + i);
    std::memcpy(slots + (std::size_t)c.slot[c.pairs[k].ticket] * kTerms, total, kTerms * sizeof(float));
  }
}

// The sum over pixels of s times the square of a column. M: 1, ee ey yy, eee eey eyy yyy, eeee .. yyyy.
inline Float squared(const Column& k, const Float* M) {
  Float linear = fma(k.x * k.x, M[1], fma(2.f * k.x * k.y, M[2], k.y * k.y * M[3]));
  Float x3 = fma(k.xx, M[4], fma(k.xy, M[5], k.yy * M[6])), y3 = fma(k.xx, M[5], fma(k.xy, M[6], k.yy * M[7]));
  Float mixed = 2.f * fma(k.x, x3, k.y * y3);
  Float row_xx = fma(k.xx, M[8], 2.f * fma(k.xy, M[9], k.yy * M[10]));
  Float row_xy = fma(k.xy, M[10], 2.f * (k.yy * M[11]));
  return linear + mixed + fma(k.xx, row_xx, fma(k.xy, row_xy, k.yy * k.yy * M[12]));
}

inline Float along(const Column& k, const Float* X) {
  return fma(k.x, X[0], fma(k.y, X[1], fma(k.xx, X[2], fma(k.xy, X[3], k.yy * X[4]))));
}

// Adds to sixteen items of `stride` numbers; lanes that are not visible stay.
inline void accumulate(float* to, int stride, std::int64_t start, unsigned visible, const Float* from) {
  alignas(64) float row[4][kLanes];
  for (int k = 0; k < stride; k++) store(row[k], from[k]);
  for (; visible; visible &= visible - 1) {
    int lane = __builtin_ctz(visible);
    for (int k = 0; k < stride; k++) to[stride * (start + lane) + k] += row[k][lane];
  }
}

// Adds the information of the harmonics' coefficients of sixteen Gaussians.
static void measure_harmonics(const Input& in, const Context& c, const Direction& towards, std::int64_t start,
                              unsigned visible, Float light, float* colors) {
  int terms = harmonics(in.degree);
  alignas(64) float B[kMostHarmonics][kLanes], total[kLanes];
  Float values[kMostHarmonics];
  basis(in.degree, towards, values);
  for (int k = 0; k < terms; k++) store(B[k], values[k]);
  store(total, light);
  for (; visible; visible &= visible - 1) {
    int lane = __builtin_ctz(visible);
    unsigned lit = c.splats[start + lane].lit;
    float* to = colors + 3 * (std::size_t)in.coefficients * (start + lane);
    for (int k = 0; k < terms; k++)
      for (int ch = 0; ch < 3; ch++)
        if (lit >> ch & 1) to[3 * k + ch] += B[k][lane] * B[k][lane] * total[lane];
  }
}

template <int kTerms>
static void measure_batch(const Input& in, const Context& c, const float* slots, const PerGaussian& out,
                          std::int64_t start, int lanes) {
  unsigned visible = visible_lanes(c, start, lanes);
  if (!visible) return;
  Float sum[kTerms];
  sum_slots<kTerms>(c, slots, start, visible, sum);
  const Float light = sum[0], *moments = sum + 1;
  Batch g = read_batch(in, start, lanes);
  Projection p = project(in, g);
  Conic q = invert(p);
  Column columns[4];
  Float values[4];
  auto write = [&](float* to, int stride) {
    for (int k = 0; k < stride; k++) values[k] = squared(columns[k], moments);
    accumulate(to, stride, start, visible, values);
  };
  quat_columns(g, p, q, columns), write(out.quats, 4);
  scale_columns(p, q, columns), write(out.scales, 3);
  mean_columns(in, p, q, columns), write(out.means, 3);
  if (in.degree < 0) {
    for (int k = 0; k < 3; k++) values[k] = light;
    accumulate(out.colors, 3, start, visible, values);
  } else {
    Direction towards = direction(g.mean[0] - in.centre[0], g.mean[1] - in.centre[1], g.mean[2] - in.centre[2]);
    measure_harmonics(in, c, towards, start, visible, light, out.colors);
    if constexpr (kTerms == kView) {
      Float by_mean[3][3];
      color_slopes(in, c, towards, start, visible, by_mean);
      for (int k = 0; k < 3; k++) {
        values[k] = 0.f;
        for (int ch = 0; ch < 3; ch++) {
          Float e = by_mean[ch][k];
          values[k] += e * fma(e, light, 2.f * along(columns[k], sum + 14 + 5 * ch));
        }
      }
      accumulate(out.means, 3, start, visible, values);
    }
  }
  Float opacity;
  gather(in.opacities + start, 1, lanes, &opacity);
  values[0] = moments[0] / (opacity * opacity);
  accumulate(out.opacities, 1, start, visible, values);
}

template <int kTerms>
static void measure(const Input& in, Context& c, const float* rgb, const PerGaussian& out) {
  Team team(in.threads);
  number_slots(team, c);
  Buffer<float> slots((std::size_t)c.slot[c.total] * kTerms);
  team.share(c.tiles(), 1, [&](std::int64_t tile, std::int64_t) { measure_tile<kTerms>(c, tile, rgb, slots.data()); });
  team.share(in.size, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; begin += kLanes)
      measure_batch<kTerms>(in, c, slots.data(), out, begin, (int)std::min<std::int64_t>(kLanes, end - begin));
  });
}

// Adds the information that one rendered view holds to `out`, all of whose arrays but `screen` are needed.
RECGEN_EXPORT(splats_fisher)(const Input* in, Context* context, const Image* image, const PerGaussian* out) try {
  if (in->degree > 0)
    measure<kView>(*in, *context, image->rgb, *out);
  else
    measure<kPlain>(*in, *context, image->rgb, *out);
  return kDone;
} catch (const std::bad_alloc&) {
  return kNoMemory;
}

}  // namespace RECGEN_NS
