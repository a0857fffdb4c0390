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
    std::int32_t *__restrict at = texel.data(), *__restrict next_u = step_u.data(), *__restrict next_v = step_v.data();
    float *__restrict part_u = u.data(), *__restrict part_v = v.data();
    const std::int32_t width = lens.width, size = lens.size;
    const float r0 = r[0], r1 = r[1], r2 = r[2], focal = lens.fx, middle = lens.cx;
    const float y = (float(row) + 0.5f - lens.cy) / lens.fy;
    const float base[3] = {y * d[0] + f[0], y * d[1] + f[1], y * d[2] + f[2]};
    const float half = 0.5f * float(lens.size), last = float(lens.size - 1);
    for (std::int32_t i = 0; i < width; ++i) {
      const float x = (float(i) + 0.5f - middle) / focal;
      const float a = x * r0 + base[0], b = x * r1 + base[1], c = x * r2 + base[2];
      const float scale = 1 / (std::fabs(a) + std::fabs(b) + std::fabs(c));
      const float p = a * scale, q = b * scale;
      const float folded_p = p >= 0 ? 1 - std::fabs(q) : std::fabs(q) - 1;
      const float folded_q = q >= 0 ? 1 - std::fabs(p) : std::fabs(p) - 1;
      float s = ((c >= 0 ? p : folded_p) + 1) * half - 0.5f, t = ((c >= 0 ? q : folded_q) + 1) * half - 0.5f;
      s = s < 0 ? 0 : s > last ? last : s;
      t = t < 0 ? 0 : t > last ? last : t;
      const std::int32_t left = std::int32_t(s), top = std::int32_t(t);
      at[i] = 3 * (top * size + left);
      next_u[i] = left < size - 1 ? 3 : 0;
      next_v[i] = top < size - 1 ? 3 * size : 0;
      part_u[i] = s - float(left);
      part_v[i] = t - float(top);
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
        const std::int64_t first = row.texel[x], corners[4] = {0, row.step_u[x], row.step_v[x],
                                                                row.step_u[x] + row.step_v[x]};
        const float u = row.u[x], v = row.v[x], through = 1 - alpha[start + x];
        const float weight[4] = {(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v};
        const float *g = upstream + 3 * (start + x), pull[3] = {through * g[0], through * g[1], through * g[2]};
        float sum = 0;
        for (int corner = 0; corner < 4; ++corner) {
          const float* colour = sky + first + corners[corner];
          float* by_colour = by_sky + first + corners[corner];
          sum -= weight[corner] * (colour[0] * g[0] + colour[1] * g[1] + colour[2] * g[2]);
          for (int k = 0; k < 3; ++k) by_colour[k] += weight[corner] * pull[k];
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
