// Real spherical harmonics to degree 3 in the order and signs of 3D Gaussian splatting (Kerbl et al. 2023).
#pragma once

#include "simd.hpp"

namespace RECGEN_NS {

constexpr int kMostHarmonics = 16;

inline int harmonics(int degree) { return (degree + 1) * (degree + 1); }

// Between (harmonic, lane) in vectors and (lane, harmonic) in memory, rows of kMostHarmonics.
inline void transpose(const Float* from, int terms, float* to) {
  alignas(64) float row[kLanes];
  for (int k = 0; k < terms; k++) {
    store(row, from[k]);
    for (int lane = 0; lane < kLanes; lane++) to[lane * kMostHarmonics + k] = row[lane];
  }
}
inline void transpose(const float* from, int terms, Float* to) {
  alignas(64) float row[kLanes];
  for (int k = 0; k < terms; k++) {
    for (int lane = 0; lane < kLanes; lane++) row[lane] = from[lane * kMostHarmonics + k];
    to[k] = load(row);
  }
}

struct Direction {
  Float x, y, z, inverse_length;
};

inline Direction direction(Float x, Float y, Float z) {
  Float inverse = 1.f / sqrt(fma(x, x, fma(y, y, z * z)));
  return {x * inverse, y * inverse, z * inverse, inverse};
}

inline void basis(int degree, const Direction& d, Float* B) {
  B[0] = 0.28209479177387814f;
  if (degree < 1) return;
  Float x = d.x, y = d.y, z = d.z;
  B[1] = -0.4886025119029199f * y, B[2] = 0.4886025119029199f * z, B[3] = -0.4886025119029199f * x;
  if (degree < 2) return;
  Float zz = z * z, xy = x * y, even = fnma(y, y, x * x);
  B[4] = 1.0925484305920792f * xy, B[5] = -1.0925484305920792f * (y * z);
  B[6] = fma(0.9461746957575601f, zz, -0.31539156525252f);
  B[7] = -1.0925484305920792f * (x * z), B[8] = 0.5462742152960396f * even;
  if (degree < 3) return;
  Float belt = fma(-2.285228997322329f, zz, 0.4570457994644658f);
  B[9] = -0.5900435899266435f * y * fma(3.f, x * x, -(y * y));
  B[10] = 2.890611442640554f * (xy * z);
  B[11] = belt * y;
  B[12] = z * fma(1.865881662950577f, zz, -1.119528997770346f);
  B[13] = belt * x;
  B[14] = 1.445305721320277f * (z * even);
  B[15] = -0.5900435899266435f * x * fnma(3.f, y * y, x * x);
}

// Gradient of sum_k weight_k B_k by the vector whose direction `d` is.
inline void basis_gradient(int degree, const Direction& d, const Float* weight, Float gradient[3]) {
  const Float* S = weight;
  Float x = d.x, y = d.y, z = d.z, gx(0.f), gy(0.f), gz(0.f);
  if (degree >= 1) gx = -0.4886025119029199f * S[3], gy = -0.4886025119029199f * S[1], gz = 0.4886025119029199f * S[2];
  if (degree >= 2) {
    const float k = 1.0925484305920792f;
    gx += k * (y * S[4] - z * S[7] + x * S[8]);
    gy += k * (x * S[4] - z * S[5] - y * S[8]);
    gz += 1.8923493915151202f * z * S[6] - k * (y * S[5] + x * S[7]);
  }
  if (degree >= 3) {
    Float xx = x * x, yy = y * y, zz = z * z, xy = x * y;
    Float belt = fma(-2.285228997322329f, zz, 0.4570457994644658f);
    const float k = 0.5900435899266435f;
    gx += -6.f * k * (xy * S[9]) + 2.890611442640554f * (y * z * S[10]) + belt * S[13] +
          2.890611442640554f * (x * z * S[14]) - 3.f * k * ((xx - yy) * S[15]);
    gy += -3.f * k * ((xx - yy) * S[9]) + 2.890611442640554f * (x * z * S[10]) + belt * S[11] -
          2.890611442640554f * (y * z * S[14]) + 6.f * k * (xy * S[15]);
    gz += 2.890611442640554f * (xy * S[10]) - 4.570457994644658f * (z * (y * S[11] + x * S[13])) +
          fma(5.597644988851731f, zz, -1.119528997770346f) * S[12] + 1.445305721320277f * ((xx - yy) * S[14]);
  }
  Float along = fma(gx, x, fma(gy, y, gz * z));
  gradient[0] = fnma(along, x, gx) * d.inverse_length;
  gradient[1] = fnma(along, y, gy) * d.inverse_length;
  gradient[2] = fnma(along, z, gz) * d.inverse_length;
}

}  // namespace RECGEN_NS
