// The backward pass: replays every tile front to back. With R the part of the loss that lies behind a
// splat, dL/dalpha = T v - R / (1 - alpha), so nothing per pixel has to be stored but the final image.
#include "replay.hpp"

namespace RECGEN_NS {

// Per pair: colour and depth gradients, then the moments 1, e, y, ee, ey, yy of w = alpha dL/dalpha, with e and y
// as in `Print`.
constexpr int kTerms = 10;

// What a block knows of the loss: the part behind the splats so far, and the derivatives by its planes.
struct Loss {
  Float behind, red, green, blue, depth, offset;
};

// Expected depth is D/A, so a splat at depth z adds its weight times (z - D/A)/A to it: the terms sum to
// zero over the splats, which makes them accurate, and nothing of them remains behind the last one.
static void read_tile(const Context& c, const Tile& tile, const Image& image, const Upstream& up, Loss* loss) {
  auto lane = [](Float& v, int i) -> float& { return reinterpret_cast<float*>(&v)[i]; };
  std::memset((void*)loss, 0, kBlocks * sizeof *loss);
  tile.pixels(c, [&](int b, int i, std::int64_t pixel) {
    float behind = 0;
    if (up.rgb) {
      const float *g = up.rgb + 3 * pixel, *color = image.rgb + 3 * pixel;
      lane(loss[b].red, i) = g[0], lane(loss[b].green, i) = g[1], lane(loss[b].blue, i) = g[2];
      behind = g[0] * color[0] + g[1] * color[1] + g[2] * color[2];
    }
    float alpha = image.alpha[pixel];
    if (up.alpha) behind -= up.alpha[pixel] * c.through[pixel];
    lane(loss[b].behind, i) = behind;
    if (up.depth && alpha > 0) {
      float g = up.depth[pixel] / alpha;
      lane(loss[b].depth, i) = g, lane(loss[b].offset, i) = -g * image.depth[pixel];
    }
  });
}

template <bool kDepth>
static void replay_tile(const Context& c, std::int64_t which, const Image& image, const Upstream& up, float* slots) {
  Tile tile(c, which);
  Loss loss[kBlocks];
  read_tile(c, tile, image, up, loss);
  for (std::int64_t k = c.begin[which], end = c.end[which]; k < end; k++) {
    const Pair ahead = c.pairs[std::min(k + kFetch, end - 1)];
    __builtin_prefetch(&c.splats[ahead.gaussian]);
    __builtin_prefetch(&c.slot[ahead.ticket]);
    std::uint64_t met = c.blocks[k];
    if (!met) continue;
    const Splat& s = c.splats[c.pairs[k].gaussian];
    Float color[3] = {s.color[0], s.color[1], s.color[2]}, depth = s.depth;
    Float sum[12];
    for (Float& v : sum) v = 0.f;
    Float w0 = 0.f, w1 = 0.f, w2 = 0.f;  // Over one row of blocks, in which y is the same vector.
    each_block(tile, Brush(s, tile), met, [&](int b, const Print& print) {
      Stroke stroke = blend(tile, print, b);
      Loss& block = loss[b];
      Float value = kDepth ? fma(block.depth, depth, block.offset) : Float(0.f);
      value = kDepth ? fma(block.red, color[0], value) : block.red * color[0];
      value = fma(block.green, color[1], value);
      value = fma(block.blue, color[2], value);
      Float gain = stroke.weight * value, behind = block.behind - gain;
      block.behind = behind;
      Float share = stroke.alpha * reciprocal(1.f - stroke.alpha);
      Float w = keep(stroke.unclamped, fnma(behind, share, gain));
      Float we = w * print.e;
      w0 += w, w1 += we, w2 = fma(we, print.e, w2);
      sum[0] = fma(stroke.weight, block.red, sum[0]);
      sum[1] = fma(stroke.weight, block.green, sum[1]);
      sum[2] = fma(stroke.weight, block.blue, sum[2]);
      if (kDepth) sum[3] = fma(stroke.weight, block.depth, sum[3]);
    }, [&](Float y) {
      sum[4] += w0, sum[5] += w1, sum[6] = fma(w0, y, sum[6]);
      sum[7] += w2, sum[8] = fma(w1, y, sum[8]), sum[9] = fma(w0, y * y, sum[9]);
      w0 = w1 = w2 = 0.f;
    });
    alignas(16) float total[12];
    for (int i = 0; i < 12; i += 4) sum4(sum + i, total + i);
    std::memcpy(slots + (std::size_t)c.slot[c.pairs[k].ticket] * kTerms, total, kTerms * sizeof(float));
  }
}

struct Chain {
  Float mean[3], quat[4], scale[3], screen[2];
};

// From the gradient by (centre, conic, depth) on the screen to the 3D parameters.
static Chain pull_back(const Input& in, const Batch& g, const Float* sum) {
  Chain out;
  Projection p = project(in, g);
  Conic q = invert(p);
  const Float* moment = sum + 4;
  // dL/dsigma = -w with sigma = d^T Q d / 2. So dL/dcentre = sum w v and dL/dcov = sum w v v^T / 2.
  Float v1 = q.a * moment[1], v11 = q.a * q.a * moment[3];
  Float gx = v1, gy = fnma(q.lean, v1, q.c * moment[2]);
  out.screen[0] = gx, out.screen[1] = gy;
  Float cross = q.a * q.c * moment[4], v12 = fnma(q.lean, v11, cross);
  Float v22 = fnma(q.lean, v12 + cross, q.c * q.c * moment[5]);
  Float d00 = 0.5f * v11, d01 = 0.5f * v12, d11 = 0.5f * v22;

  Float by_half[6], by_rows[6], by_shape[9];
  for (int j = 0; j < 3; j++) {
    by_half[j] = 2.f * fma(d00, p.half[j], d01 * p.half[3 + j]);
    by_half[3 + j] = 2.f * fma(d01, p.half[j], d11 * p.half[3 + j]);
  }
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) by_shape[3 * i + j] = fma(p.rows[i], by_half[j], p.rows[3 + i] * by_half[3 + j]);
  for (int i = 0; i < 6; i++) {
    const Float *h = by_half + i / 3 * 3, *s = p.shape + i % 3 * 3;
    by_rows[i] = dot3(h[0], s[0], h[1], s[1], h[2], s[2]);
  }
  const float* V = in.rotation;
  Float j00 = dot3(by_rows[0], V[0], by_rows[1], V[1], by_rows[2], V[2]);
  Float j02 = dot3(by_rows[0], V[6], by_rows[1], V[7], by_rows[2], V[8]);
  Float j11 = dot3(by_rows[3], V[3], by_rows[4], V[4], by_rows[5], V[5]);
  Float j12 = dot3(by_rows[3], V[6], by_rows[4], V[7], by_rows[5], V[8]);

  // Jacobian entries fx/z, -fx r/z with r = x/z where it is not clamped; likewise in y.
  Float rz = p.inverse_z, x = p.point[0] * rz, y = p.point[1] * rz;
  Float px = in.fx * (gx - keep(p.free_x, j02 * rz)), py = in.fy * (gy - keep(p.free_y, j12 * rz));
  Float point[3] = {px * rz, py * rz, sum[3]};
  Float pz = in.fx * fnma(p.ratio_x, j02, j00) + in.fy * fnma(p.ratio_y, j12, j11);
  point[2] -= rz * fma(pz, rz, fma(px, x, py * y));
  for (int j = 0; j < 3; j++)
    out.mean[j] = dot3(V[j], point[0], V[3 + j], point[1], V[6 + j], point[2]);

  const Float* R = p.rotation;
  for (int j = 0; j < 3; j++)
    out.scale[j] = dot3(R[j], by_shape[j], R[3 + j], by_shape[3 + j], R[6 + j], by_shape[6 + j]);
  Float r[9];
  for (int i = 0; i < 9; i++) r[i] = by_shape[i] * g.scale[i % 3];
  Float w = p.unit[0], ux = p.unit[1], uy = p.unit[2], uz = p.unit[3], u[4];
  u[0] = 2.f * dot3(ux, r[7] - r[5], uy, r[2] - r[6], uz, r[3] - r[1]);
  u[1] = 2.f * (dot3(uy, r[1] + r[3], uz, r[2] + r[6], w, r[7] - r[5]) - 2.f * ux * (r[4] + r[8]));
  u[2] = 2.f * (dot3(ux, r[1] + r[3], uz, r[5] + r[7], w, r[2] - r[6]) - 2.f * uy * (r[0] + r[8]));
  u[3] = 2.f * (dot3(ux, r[2] + r[6], uy, r[5] + r[7], w, r[3] - r[1]) - 2.f * uz * (r[0] + r[4]));
  Float along = fma(u[0], w, dot3(u[1], ux, u[2], uy, u[3], uz));
  for (int i = 0; i < 4; i++) out.quat[i] = fnma(along, p.unit[i], u[i]) * p.inverse_norm;
  return out;
}

// Writes dL/dcoefficient (terms, 3) of one Gaussian from the harmonics and dL/dcolor, zeros above the degree in
// use, and dL/dharmonic. Four numbers at a time, of which the next three overwrite the last.
static void coefficient_gradients(const float* from, const float* B, const float d[3], int terms, int coefficients,
                                  float* to, float* by_basis) {
  typedef float Four __attribute__((vector_size(16)));
  const Four by_color = {d[0], d[1], d[2], 0};
  for (int k = 0; k < terms - 1; k++) {
    Four row = B[k] * by_color;
    std::memcpy(to + 3 * k, &row, sizeof row);
  }
  for (int c = 0; c < 3; c++) to[3 * (terms - 1) + c] = B[terms - 1] * d[c];
  std::memset(to + 3 * terms, 0, 3 * (coefficients - terms) * sizeof(float));
  for (int k = 0; k < terms; k++) by_basis[k] = from[3 * k] * d[0] + from[3 * k + 1] * d[1] + from[3 * k + 2] * d[2];
}

// Gradients by the coefficients of the harmonics, and by the means through the viewing direction.
static void color_gradients(const Input& in, const Context& c, const Batch& g, std::int64_t start, int lanes,
                            unsigned visible, const Float* sum, const PerGaussian& out, Float mean[3]) {
  alignas(64) float color[3][kLanes], B[kLanes][kMostHarmonics], weight[kLanes][kMostHarmonics];
  for (int k = 0; k < 3; k++) store(color[k], sum[k]);
  int terms = harmonics(in.degree);
  std::size_t stride = 3 * (std::size_t)in.coefficients;
  if (!visible) {
    std::memset(out.colors + stride * start, 0, stride * lanes * sizeof(float));
    return;
  }
  Direction towards = direction(g.mean[0] - in.centre[0], g.mean[1] - in.centre[1], g.mean[2] - in.centre[2]);
  Float values[kMostHarmonics], weights[kMostHarmonics], gradient[3];
  basis(in.degree, towards, values);
  transpose(values, terms, B[0]);
  std::memset(weight, 0, sizeof weight);
  for (int lane = 0; lane < lanes; lane++) {
    float* to = out.colors + stride * (start + lane);
    if (!(visible >> lane & 1)) {
      std::memset(to, 0, stride * sizeof(float));
      continue;
    }
    unsigned lit = c.splats[start + lane].lit;
    float d[3];
    for (int k = 0; k < 3; k++) d[k] = lit >> k & 1 ? color[k][lane] : 0.f;
    const float* from = in.colors + stride * (start + lane);
    coefficient_gradients(from, B[lane], d, terms, in.coefficients, to, weight[lane]);
  }
  if (in.degree == 0) return;
  transpose(weight[0], terms, weights);
  basis_gradient(in.degree, towards, weights, gradient);
  Mask set = RECGEN_NS::lanes(visible);
  for (int k = 0; k < 3; k++) mean[k] += keep(set, gradient[k]);
}

static void write_batch(const Input& in, const Context& c, const float* slots, const PerGaussian& out,
                        std::int64_t start, int lanes) {
  unsigned visible = visible_lanes(c, start, lanes);
  Float sum[kTerms];
  sum_slots<kTerms>(c, slots, start, visible, sum);
  Batch g = read_batch(in, start, lanes);
  Chain chain = pull_back(in, g, sum);
  if (in.degree >= 0)
    color_gradients(in, c, g, start, lanes, visible, sum, out, chain.mean);
  else
    scatter(out.colors, 3, start, lanes, visible, sum);
  Float opacity;
  gather(in.opacities + start, 1, lanes, &opacity);
  opacity = sum[4] / opacity;
  scatter(out.means, 3, start, lanes, visible, chain.mean);
  scatter(out.quats, 4, start, lanes, visible, chain.quat);
  scatter(out.scales, 3, start, lanes, visible, chain.scale);
  scatter(out.opacities, 1, start, lanes, visible, &opacity);
  scatter(out.screen, 2, start, lanes, visible, chain.screen);
}

// Fills `out`, of which no array may be null, for the context of a forward pass over the same input.
RECGEN_EXPORT(splats_backward)(const Input* in, Context* context, const Image* image, const Upstream* up,
                               const PerGaussian* out) try {
  Context& c = *context;
  Team team(in->threads);
  number_slots(team, c);
  Buffer<float> slots((std::size_t)c.slot[c.total] * kTerms);
  team.share(c.tiles(), 1, [&](std::int64_t tile, std::int64_t) {
    if (up->depth)
      replay_tile<true>(c, tile, *image, *up, slots.data());
    else
      replay_tile<false>(c, tile, *image, *up, slots.data());
  });
  team.share(in->size, kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; begin += kLanes)
      write_batch(*in, c, slots.data(), *out, begin, (int)std::min<std::int64_t>(kLanes, end - begin));
  });
  return kDone;
} catch (const std::bad_alloc&) {
  return kNoMemory;
}

}  // namespace RECGEN_NS
