// The structures that Python passes by pointer (__init__.py beside this file mirrors them field by field).
// Change RECGEN_ABI with any of them.
#pragma once

#include <cstdint>

#define RECGEN_ABI 1

// Functions are exported as <name>_<instruction set>; Python asks for the one that the machine can run.
#define RECGEN_JOIN2(a, b) a##_##b
#define RECGEN_JOIN(a, b) RECGEN_JOIN2(a, b)
#define RECGEN_EXPORT(name) \
  extern "C" __attribute__((visibility("default"))) int RECGEN_JOIN(name, RECGEN_ISA)

enum Status { kDone = 0, kNoMemory = 1 };

// N Gaussians seen by one pinhole camera. Arrays are float32, C order.
struct Input {
  const float* means;      // (N, 3) world
  const float* quats;      // (N, 4) w x y z, any norm
  const float* scales;     // (N, 3) standard deviations, world units
  const float* opacities;  // (N)
  const float* colors;     // (N, 3) RGB, or (N, coefficients, 3)
  std::int64_t size;       // N
  std::int32_t degree;     // of the spherical harmonics, -1 for RGB
  std::int32_t coefficients;
  float rotation[9];     // world to camera
  float translation[3];  // world to camera
  float centre[3];       // of the camera, world
  float fx, fy, cx, cy;  // pixels
  std::int32_t width, height;
  float background[3];
  float near;
  float eps2d;  // added to both screen variances, square pixels
  std::int32_t threads;
};

struct Image {
  float* rgb;             // (H, W, 3)
  float* alpha;           // (H, W)
  float* depth;           // (H, W) expected depth, 0 where alpha is 0
  std::int32_t* blended;  // (H, W) number of Gaussians, may be null after the forward pass
};

// Derivatives of the loss by the image. A null pointer stands for zeros.
struct Upstream {
  const float* rgb;    // (H, W, 3)
  const float* alpha;  // (H, W)
  const float* depth;  // (H, W)
};

// What a pass returns per parameter, in the layout of Input. A null pointer is skipped, except that the
// Fisher pass fills all but `screen`.
struct PerGaussian {
  float* means;
  float* quats;
  float* scales;
  float* opacities;
  float* colors;
  float* screen;  // (N, 2) by the projected centre in pixels
};
