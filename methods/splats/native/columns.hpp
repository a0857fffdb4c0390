// How each parameter of a Gaussian's shape and place moves log alpha, as a polynomial in the coordinates (e, y) of a
// print: with v = Q d (Q the conic, d = pixel - centre), moving the centre by m' and the covariance by S' moves it by
// v.m' + v^T S' v / 2, and v is linear in (e, y).
#pragma once

#include "context.hpp"
#include "geometry.hpp"
#include "harmonics.hpp"

namespace RECGEN_NS {

// The polynomial that one parameter adds to log alpha: coefficients of e, y, ee, ey, yy.
struct Column {
  Float x, y, xx, xy, yy;
};

// From the motion (mx, my) of the centre and the change of the covariance.
inline Column column(const Conic& q, Float mx, Float my, Float sxx, Float sxy, Float syy) {
  // v = (a e, c y - lean a e); with the covariance sheared upright, S' becomes [[p, r], [r, syy]].
  Float r = fnma(q.lean, syy, sxy), p = fnma(q.lean, sxy + r, sxx);
  return {q.a * fnma(q.lean, my, mx), q.c * my, 0.5f * (q.a * q.a) * p, q.a * q.c * r, 0.5f * (q.c * q.c) * syy};
}

// The change of the covariance half half^T when `half` changes by (top, bottom).
inline Column column(const Conic& q, const Projection& p, Float mx, Float my, const Float* top,
                     const Float* bottom) {
  const Float* h = p.half;
  Float sxx = 2.f * dot3(h[0], top[0], h[1], top[1], h[2], top[2]);
  Float syy = 2.f * dot3(h[3], bottom[0], h[4], bottom[1], h[5], bottom[2]);
  Float sxy = dot3(h[0], bottom[0], h[1], bottom[1], h[2], bottom[2]) + dot3(h[3], top[0], h[4], top[1], h[5], top[2]);
  return column(q, mx, my, sxx, sxy, syy);
}

inline void mean_columns(const Input& in, const Projection& p, const Conic& q, Column* out) {
  const float* V = in.rotation;
  Float frame[9];  // The shape in camera axes.
  for (int i = 0; i < 9; i++)
    frame[i] = dot3(V[i / 3 * 3], p.shape[i % 3], V[i / 3 * 3 + 1], p.shape[3 + i % 3], V[i / 3 * 3 + 2],
                    p.shape[6 + i % 3]);
  Float rz = p.inverse_z, x = p.point[0] * rz, y = p.point[1] * rz;
  for (int j = 0; j < 3; j++) {
    Float closer = rz * V[6 + j], rx = fnma(x, closer, rz * V[j]), ry = fnma(y, closer, rz * V[3 + j]);
    // Rates of the Jacobian's entries fx/z, -fx r/z, fy/z, -fy r/z.
    Float j00 = -(in.fx * rz * closer), j11 = -(in.fy * rz * closer);
    Float j02 = -(in.fx * rz * fnma(p.ratio_x, closer, keep(p.free_x, rx)));
    Float j12 = -(in.fy * rz * fnma(p.ratio_y, closer, keep(p.free_y, ry)));
    Float top[3], bottom[3];
    for (int k = 0; k < 3; k++) {
      top[k] = fma(j00, frame[k], j02 * frame[6 + k]);
      bottom[k] = fma(j11, frame[3 + k], j12 * frame[6 + k]);
    }
    out[j] = column(q, p, in.fx * rx, in.fy * ry, top, bottom);
  }
}

inline void scale_columns(const Projection& p, const Conic& q, Column* out) {
  const Float zero = 0.f;
  for (int j = 0; j < 3; j++) {
    Float top[3] = {zero, zero, zero}, bottom[3] = {zero, zero, zero};
    top[j] = dot3(p.rows[0], p.rotation[j], p.rows[1], p.rotation[3 + j], p.rows[2], p.rotation[6 + j]);
    bottom[j] = dot3(p.rows[3], p.rotation[j], p.rows[4], p.rotation[3 + j], p.rows[5], p.rotation[6 + j]);
    out[j] = column(q, p, zero, zero, top, bottom);
  }
}

inline void quat_columns(const Batch& g, const Projection& p, const Conic& q, Column* out) {
  const Float zero = 0.f;
  Float w = p.unit[0], x = p.unit[1], y = p.unit[2], z = p.unit[3];
  // Half the derivatives of the rotation by w, x, y, z.
  const Float by[4][9] = {{zero, -z, y, z, zero, -x, -y, x, zero},
                          {zero, y, z, y, -2.f * x, -w, z, w, -2.f * x},
                          {-2.f * y, x, w, x, zero, z, -w, z, -2.f * y},
                          {-2.f * z, -w, x, w, -2.f * z, y, x, y, zero}};
  for (int i = 0; i < 4; i++) {
    Float turn[9], top[3], bottom[3];
    for (int k = 0; k < 9; k++) {
      // Minus the part along the quaternion, which normalising removes: R - I is homogeneous of degree two.
      Float radial = k % 4 ? p.rotation[k] : p.rotation[k] - 1.f;
      turn[k] = 2.f * p.inverse_norm * g.scale[k % 3] * fnma(p.unit[i], radial, by[i][k]);
    }
    for (int k = 0; k < 3; k++) {
      top[k] = dot3(p.rows[0], turn[k], p.rows[1], turn[3 + k], p.rows[2], turn[6 + k]);
      bottom[k] = dot3(p.rows[3], turn[k], p.rows[4], turn[3 + k], p.rows[5], turn[6 + k]);
    }
    out[i] = column(q, p, zero, zero, top, bottom);
  }
}

// The derivatives of each colour channel of sixteen Gaussians by their means, through the viewing direction.
inline void color_slopes(const Input& in, const Context& c, const Direction& towards, std::int64_t start,
                         unsigned visible, Float by_mean[3][3]) {
  int terms = harmonics(in.degree);
  alignas(64) float weight[3][kMostHarmonics][kLanes] = {};
  for (; visible; visible &= visible - 1) {
    int lane = __builtin_ctz(visible);
    unsigned lit = c.splats[start + lane].lit;
    const float* from = in.colors + 3 * (std::size_t)in.coefficients * (start + lane);
    for (int k = 0; k < terms; k++)
      for (int ch = 0; ch < 3; ch++)
        if (lit >> ch & 1) weight[ch][k][lane] = from[3 * k + ch];
  }
  for (int ch = 0; ch < 3; ch++) {
    Float weights[kMostHarmonics];
    for (int k = 0; k < terms; k++) weights[k] = load(weight[ch][k]);
    basis_gradient(in.degree, towards, weights, by_mean[ch]);
  }
}

}  // namespace RECGEN_NS
