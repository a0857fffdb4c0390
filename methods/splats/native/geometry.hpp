// From a 3D Gaussian to its ellipse on the screen, sixteen at a time, and back by the chain rule.
// The projection is gsplat's "classic" one: EWA splatting (Zwicker et al. 2001) with the ratio x/z clamped
// to 1.3 times the field of view inside the Jacobian only.
#pragma once

#include "abi.hpp"
#include "simd.hpp"

namespace RECGEN_NS {

// Sixteen Gaussians as read from memory; missing lanes repeat the last Gaussian.
struct Batch {
  Float mean[3], quat[4], scale[3];
};

inline void gather(const float* from, int stride, int lanes, Float* to) {
  alignas(64) float row[4][kLanes];
  for (int lane = 0; lane < kLanes; lane++) {
    const float* item = from + stride * (lane < lanes ? lane : lanes - 1);
    for (int k = 0; k < stride; k++) row[k][lane] = item[k];
  }
  for (int k = 0; k < stride; k++) to[k] = load(row[k]);
}

inline Batch read_batch(const Input& in, std::int64_t start, int lanes) {
  Batch batch;
  gather(in.means + 3 * start, 3, lanes, batch.mean);
  gather(in.quats + 4 * start, 4, lanes, batch.quat);
  gather(in.scales + 3 * start, 3, lanes, batch.scale);
  return batch;
}

struct Projection {
  Float point[3];               // Centre in camera axes.
  Float unit[4], inverse_norm;  // Normalised quaternion.
  Float rotation[9];            // Of the Gaussian.
  Float shape[9];               // rotation * diag(scale)
  Float rows[6];                // Jacobian * world-to-camera rotation, 2x3.
  Float half[6];                // rows * shape: covariance = half half^T + eps2d I.
  Float inverse_z, ratio_x, ratio_y;
  Mask free_x, free_y;  // The ratios are not clamped.
  Float cov_xx, cov_xy, cov_yy;
};

inline void rotate(const Float q[4], Float unit[4], Float& inverse_norm, Float R[9]) {
  inverse_norm = 1.f / sqrt(fma(q[0], q[0], fma(q[1], q[1], fma(q[2], q[2], q[3] * q[3]))));
  for (int i = 0; i < 4; i++) unit[i] = q[i] * inverse_norm;
  Float w = unit[0], x = unit[1], y = unit[2], z = unit[3];
  R[0] = 1.f - 2.f * fma(y, y, z * z), R[1] = 2.f * fnma(w, z, x * y), R[2] = 2.f * fma(w, y, x * z);
  R[3] = 2.f * fma(w, z, x * y), R[4] = 1.f - 2.f * fma(x, x, z * z), R[5] = 2.f * fnma(w, x, y * z);
  R[6] = 2.f * fnma(w, y, x * z), R[7] = 2.f * fma(w, x, y * z), R[8] = 1.f - 2.f * fma(x, x, y * y);
}

inline Float dot3(Float a0, Float b0, Float a1, Float b1, Float a2, Float b2) {
  return fma(a0, b0, fma(a1, b1, a2 * b2));
}

inline Projection project(const Input& in, const Batch& g) {
  Projection p;
  const float *V = in.rotation, *t = in.translation;
  for (int i = 0; i < 3; i++)
    p.point[i] = fma(V[3 * i], g.mean[0], fma(V[3 * i + 1], g.mean[1], fma(V[3 * i + 2], g.mean[2], t[i])));
  rotate(g.quat, p.unit, p.inverse_norm, p.rotation);
  for (int i = 0; i < 9; i++) p.shape[i] = p.rotation[i] * g.scale[i % 3];

  p.inverse_z = 1.f / p.point[2];
  Float x = p.point[0] * p.inverse_z, y = p.point[1] * p.inverse_z;
  float margin_x = 0.15f * (float)in.width / in.fx, margin_y = 0.15f * (float)in.height / in.fy;
  Float high_x((in.width - in.cx) / in.fx + margin_x), low_x(-(in.cx / in.fx + margin_x));
  Float high_y((in.height - in.cy) / in.fy + margin_y), low_y(-(in.cy / in.fy + margin_y));
  p.free_x = (low_x <= x) & (x <= high_x), p.free_y = (low_y <= y) & (y <= high_y);
  p.ratio_x = min(high_x, max(low_x, x)), p.ratio_y = min(high_y, max(low_y, y));

  Float j00 = in.fx * p.inverse_z, j02 = -(j00 * p.ratio_x);
  Float j11 = in.fy * p.inverse_z, j12 = -(j11 * p.ratio_y);
  for (int j = 0; j < 3; j++) {
    p.rows[j] = fma(j00, V[j], j02 * V[6 + j]);
    p.rows[3 + j] = fma(j11, V[3 + j], j12 * V[6 + j]);
  }
  for (int i = 0; i < 2; i++)
    for (int j = 0; j < 3; j++)
      p.half[3 * i + j] = dot3(p.rows[3 * i], p.shape[j], p.rows[3 * i + 1], p.shape[3 + j],
                               p.rows[3 * i + 2], p.shape[6 + j]);
  const Float* h = p.half;
  p.cov_xx = dot3(h[0], h[0], h[1], h[1], h[2], h[2]) + in.eps2d;
  p.cov_xy = dot3(h[0], h[3], h[1], h[4], h[2], h[5]);
  p.cov_yy = dot3(h[3], h[3], h[4], h[4], h[5], h[5]) + in.eps2d;
  return p;
}

// The inverse Q of the covariance, factored so that needles stay accurate: with (dx, dy) = pixel - centre and
// e = dx - lean dy, d^T Q d = a e^2 + c dy^2, and the vector v = Q d is (a e, c dy - lean a e).
struct Conic {
  Float a, c, lean;
};

inline Conic invert(const Projection& p) {
  Conic q;
  q.lean = p.cov_xy / p.cov_yy;
  q.a = 1.f / fnma(p.cov_xy, q.lean, p.cov_xx);
  q.c = 1.f / p.cov_yy;
  return q;
}

}  // namespace RECGEN_NS
