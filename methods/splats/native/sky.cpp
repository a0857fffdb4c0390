// The sky behind an image: a square texture of an unfolded octahedron, looked up bilinearly (methods/splats/sky.py).
//
// A frame takes a fraction of a millisecond, so one thread does it.

#include <cmath>
#include <cstdint>

#include "abi.hpp"
#include "buffer.hpp"

namespace RECGEN_NS {
namespace {

// Mirrors `Lens` in methods/splats/sky.py.
struct Lens {
  float right[3], down[3], forward[3];  // Axes of the camera in the world.
  float fx, fy, cx, cy;                 // Pixels.
  std::int32_t width, height;
  std::int32_t size;  // Texels along a side of the sky.
};

// Where one row of pixels looks: the first of four texels, and how far to the next ones.
struct Row {
  Buffer<std::int32_t> texel, step_u, step_v;
  Buffer<float> u, v;

  explicit Row(std::int64_t width) : texel(width), step_u(width), step_v(width), u(width), v(width) {}

  void look(const Lens& lens, std::int32_t row) {
    const float *r = lens.right, *d = lens.down, *f = lens.forward;
    const float y = (float(row) + 0.5f - lens.cy) / lens.fy;
    const float base[3] = {y * d[0] + f[0], y * d[1] + f[1], y * d[2] + f[2]};
    const float half = 0.5f * float(lens.size), last = float(lens.size - 1);
    for (std::int32_t i = 0; i < lens.width; ++i) {
      const float x = (float(i) + 0.5f - lens.cx) / lens.fx;
      const float a = x * r[0] + base[0], b = x * r[1] + base[1], c = x * r[2] + base[2];
      const float scale = 1 / (std::fabs(a) + std::fabs(b) + std::fabs(c));
      const float p = a * scale, q = b * scale;
      const float folded_p = p >= 0 ? 1 - std::fabs(q) : std::fabs(q) - 1;
      const float folded_q = q >= 0 ? 1 - std::fabs(p) : std::fabs(p) - 1;
      float s = ((c >= 0 ? p : folded_p) + 1) * half - 0.5f, t = ((c >= 0 ? q : folded_q) + 1) * half - 0.5f;
      s = s < 0 ? 0 : s > last ? last : s;
      t = t < 0 ? 0 : t > last ? last : t;
      const std::int32_t left = std::int32_t(s), top = std::int32_t(t);
      texel[i] = 3 * (top * lens.size + left);
      step_u[i] = float(left) < last ? 3 : 0;
      step_v[i] = float(top) < last ? 3 * lens.size : 0;
      u[i] = s - float(left);
      v[i] = t - float(top);
    }
  }
};

}  // namespace

// out = rgb + (1 - alpha) sky, all (height, width, 3) but alpha (height, width) and sky (size, size, 3).
RECGEN_EXPORT(sky_behind)
(const Lens* lens, const float* rgb, const float* alpha, const float* sky, float* out, std::int64_t) {
  try {
    Row row(lens->width);
    for (std::int32_t y = 0; y < lens->height; ++y) {
      row.look(*lens, y);
      const std::int64_t start = std::int64_t(y) * lens->width;
      for (std::int32_t x = 0; x < lens->width; ++x) {
        const float *a = sky + row.texel[x], *b = a + row.step_u[x], *c = a + row.step_v[x], *d = c + row.step_u[x];
        const float u = row.u[x], v = row.v[x], through = 1 - alpha[start + x];
        for (int k = 0; k < 3; ++k) {
          const float above = a[k] + u * (b[k] - a[k]), below = c[k] + u * (d[k] - c[k]);
          out[3 * (start + x) + k] = rgb[3 * (start + x) + k] + through * (above + v * (below - above));
        }
      }
    }
  } catch (const std::bad_alloc&) {
    return kNoMemory;
  }
  return kDone;
}

// Gradients by alpha (height, width), overwritten, and by the sky (size, size, 3), added to; upstream (height, width, 3).
RECGEN_EXPORT(sky_behind_backward)
(const Lens* lens, const float* upstream, const float* alpha, const float* sky, float* by_alpha, float* by_sky,
 std::int64_t) {
  try {
    Row row(lens->width);
    for (std::int32_t y = 0; y < lens->height; ++y) {
      row.look(*lens, y);
      const std::int64_t start = std::int64_t(y) * lens->width;
      for (std::int32_t x = 0; x < lens->width; ++x) {
        const std::int64_t at[4] = {row.texel[x], row.texel[x] + row.step_u[x], row.texel[x] + row.step_v[x],
                                    row.texel[x] + row.step_u[x] + row.step_v[x]};
        const float u = row.u[x], v = row.v[x], through = 1 - alpha[start + x];
        const float weight[4] = {(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v};
        const float* g = upstream + 3 * (start + x);
        float sum = 0;
        for (int corner = 0; corner < 4; ++corner)
          for (int k = 0; k < 3; ++k) {
            sum -= weight[corner] * sky[at[corner] + k] * g[k];
            by_sky[at[corner] + k] += through * weight[corner] * g[k];
          }
        by_alpha[start + x] = sum;
      }
    }
  } catch (const std::bad_alloc&) {
    return kNoMemory;
  }
  return kDone;
}

}  // namespace RECGEN_NS
