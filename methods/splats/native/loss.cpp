// (1 - l) L1 + l (1 - SSIM) of two images and its gradient, in three passes over rows.
//
// SSIM is the one of Wang et al. 2004: 11-tap Gaussian window of sigma 1.5, C1 = 0.01^2, C2 = 0.03^2. The window
// means are separable blurs; the gradient is the same blur, transposed, of three maps of partial derivatives.
// Every row is computed by one thread from finished rows of the pass before, and the sums of the rows are added in
// order at the end, so the result does not depend on the number of threads.

#include <cmath>
#include <cstdint>

#include "abi.hpp"
#include "buffer.hpp"
#include "team.hpp"

namespace RECGEN_NS {
namespace {

constexpr std::int64_t kRadius = 5;
constexpr std::int64_t kRows = 8;  // A thread takes this many rows at a time.
constexpr float kC1 = 0.01f * 0.01f;
constexpr float kC2 = 0.03f * 0.03f;

struct Window {
  float tap[kRadius + 1];  // tap[k] is the weight at distance k; the sum over both sides is 1.
  Window() {
    double raw[kRadius + 1], sum = 0;
    for (std::int64_t k = 0; k <= kRadius; ++k) {
      raw[k] = std::exp(-double(k * k) / (2 * 1.5 * 1.5));
      sum += k ? 2 * raw[k] : raw[k];
    }
    for (std::int64_t k = 0; k <= kRadius; ++k) tap[k] = float(raw[k] / sum);
  }
};
const Window kWindow;

// Column blur of one row of a (height, width) plane; rows outside the plane are read from `zeros`.
void blur_columns(const float* plane, std::int64_t height, std::int64_t width, std::int64_t row, const float* zeros,
                  float* __restrict out) {
  const float *above[kRadius + 1], *below[kRadius + 1];
  for (std::int64_t k = 0; k <= kRadius; ++k) {
    above[k] = row >= k ? plane + (row - k) * width : zeros;
    below[k] = row + k < height ? plane + (row + k) * width : zeros;
  }
  const float* t = kWindow.tap;
  for (std::int64_t x = 0; x < width; ++x)
    out[x] = t[0] * above[0][x] + t[1] * (above[1][x] + below[1][x]) + t[2] * (above[2][x] + below[2][x]) +
             t[3] * (above[3][x] + below[3][x]) + t[4] * (above[4][x] + below[4][x]) +
             t[5] * (above[5][x] + below[5][x]);
}

// Blur of one row that has `kRadius` zeros on either side.
void blur_row(const float* padded, std::int64_t width, float* __restrict out) {
  const float* t = kWindow.tap;
  for (std::int64_t x = 0; x < width; ++x) {
    const float* p = padded + x + kRadius;
    out[x] = t[0] * p[0] + t[1] * (p[-1] + p[1]) + t[2] * (p[-2] + p[2]) + t[3] * (p[-3] + p[3]) +
                 t[4] * (p[-4] + p[4]) + t[5] * (p[-5] + p[5]);
  }
}

// From the five window means of one row: SSIM, and its derivatives by mean(x), mean(xx) and mean(xy).
void ssim_row(const float* means, std::int64_t width, float* __restrict ssim, float* __restrict by_x,
              float* __restrict by_xx, float* __restrict by_xy) {
  const float *mx = means, *my = mx + width, *xx = my + width, *yy = xx + width, *xy = yy + width;
  for (std::int64_t i = 0; i < width; ++i) {
    const float product = mx[i] * my[i], squares = mx[i] * mx[i] + my[i] * my[i];
    const float a1 = 2 * product + kC1, a2 = 2 * (xy[i] - product) + kC2;
    const float b1 = squares + kC1, b2 = xx[i] + yy[i] - squares + kC2;
    const float inverse = 1 / (b1 * b2), s = a1 * a2 * inverse;
    ssim[i] = s;
    by_x[i] = 2 * inverse * (my[i] * (a2 - a1) - mx[i] * s * (b2 - b1));
    by_xx[i] = -s * b1 * inverse;
    by_xy[i] = 2 * a1 * inverse;
  }
}

struct Pair {
  const float* rendered;     // (height, width, 3)
  const float* target;       // (height, width, 3)
  const float* l1_weight;    // (height, width) or null
  const float* ssim_weight;  // (height, width) or null
  std::int64_t height, width, border;

  std::int64_t size() const { return height * width; }
};

// Sum in an order that vectors can follow and that is always the same.
double sum_row(const float* values, std::int64_t width) {
  double lane[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= width; i += 8)
    for (int k = 0; k < 8; ++k) lane[k] += double(values[i + k]);
  for (; i < width; ++i) lane[0] += double(values[i]);
  return ((lane[0] + lane[4]) + (lane[1] + lane[5])) + ((lane[2] + lane[6]) + (lane[3] + lane[7]));
}

// Planes of x, y, xx, yy, xy for each channel.
void split_row(const Pair& pair, std::int64_t row, float* planes) {
  const std::int64_t size = pair.size(), start = row * pair.width;
  const float *x = pair.rendered + 3 * start, *y = pair.target + 3 * start;
  for (std::int64_t i = 0; i < pair.width; ++i)
    for (std::int64_t c = 0; c < 3; ++c) {
      planes[(c * 5 + 0) * size + start + i] = x[3 * i + c];
      planes[(c * 5 + 1) * size + start + i] = y[3 * i + c];
    }
  for (std::int64_t c = 0; c < 3; ++c) {
    float* out = planes + c * 5 * size + start;
    for (std::int64_t i = 0; i < pair.width; ++i) {
      const float a = out[i], b = out[i + size];
      out[i + 2 * size] = a * a;
      out[i + 3 * size] = b * b;
      out[i + 4 * size] = a * b;
    }
  }
}

// Three planes of derivatives of the weighted sum of 1 - SSIM for each channel; returns the row's part of the sum.
double derive_row(const Pair& pair, std::int64_t row, const float* planes, float* derivatives, float* scratch) {
  const std::int64_t size = pair.size(), width = pair.width;
  float *padded = scratch, *zeros = scratch + width + 2 * kRadius, *means = zeros + width;
  float* ssim = means + 5 * width;
  const float* weight = pair.ssim_weight ? pair.ssim_weight + row * width : nullptr;
  const bool counts = row >= pair.border && row < pair.height - pair.border;
  double sum = 0;
  for (std::int64_t c = 0; c < 3; ++c) {
    float* out = derivatives + c * 3 * size + row * width;
    float *by_x = out, *by_xx = out + size, *by_xy = out + 2 * size;
    if (!counts) {
      for (std::int64_t i = 0; i < width; ++i) by_x[i] = by_xx[i] = by_xy[i] = 0;
      continue;
    }
    for (std::int64_t map = 0; map < 5; ++map) {
      blur_columns(planes + (c * 5 + map) * size, pair.height, width, row, zeros, padded + kRadius);
      blur_row(padded, width, means + map * width);
    }
    ssim_row(means, width, ssim, by_x, by_xx, by_xy);
    for (std::int64_t i = 0; i < width; ++i) {
      const bool inside = i >= pair.border && i < width - pair.border;
      const float w = inside ? (weight ? weight[i] : 1.0f) : 0.0f;
      ssim[i] = w * (1 - ssim[i]);
      by_x[i] *= w;
      by_xx[i] *= w;
      by_xy[i] *= w;
    }
    sum += sum_row(ssim, width);
  }
  return sum;
}

// The gradient of one row by the rendered image; returns the row's part of the weighted sum of |x - y|.
double gradient_row(const Pair& pair, std::int64_t row, float l1_scale, float ssim_scale, const float* derivatives,
          float* scratch, float* gradient) {
  const std::int64_t size = pair.size(), width = pair.width;
  float *padded = scratch, *zeros = scratch + width + 2 * kRadius;
  float* blurred = zeros + width;  // Nine rows: three maps of three channels.
  float* distance = blurred + 9 * width;
  const float* weight = pair.l1_weight ? pair.l1_weight + row * width : nullptr;
  for (std::int64_t map = 0; map < 9; ++map) {
    float* out = blurred + map * width;
    if (derivatives) {
      blur_columns(derivatives + map * size, pair.height, width, row, zeros, padded + kRadius);
      blur_row(padded, width, out);
    } else {
      for (std::int64_t i = 0; i < width; ++i) out[i] = 0;
    }
  }
  const float *x = pair.rendered + 3 * row * width, *y = pair.target + 3 * row * width;
  float* out = gradient + 3 * row * width;
  for (std::int64_t i = 0; i < width; ++i) {
    const float w = weight ? weight[i] : 1.0f;
    for (std::int64_t c = 0; c < 3; ++c) {
      const float a = x[3 * i + c], b = y[3 * i + c], difference = a - b;
      const float* d = blurred + c * 3 * width + i;
      const float side = difference > 0 ? w : difference < 0 ? -w : 0.0f;
      distance[3 * i + c] = w * std::fabs(difference);
      out[3 * i + c] = l1_scale * side - ssim_scale * (d[0] + 2 * a * d[width] + b * d[2 * width]);
    }
  }
  return sum_row(distance, 3 * width);
}

}  // namespace

// means[0] = mean of w |x - y|, means[1] = mean of w (1 - SSIM) over the windows that count; gradient (height, width, 3)
// of (1 - lambda) means[0] + lambda means[1]. border: 0 counts every pixel, with zeros outside the image; 5 counts only
// windows inside it. With lambda 0 the SSIM is not computed and means[1] is 0. Returns a Status.
RECGEN_EXPORT(photometric)
(const float* rendered, const float* target, const float* l1_weight, const float* ssim_weight,
 std::int64_t height, std::int64_t width, std::int64_t border, double lambda, float* gradient, double* means,
 std::int64_t threads) {
  const Pair pair{rendered, target, l1_weight, ssim_weight, height, width, border};
  const double pixels = 3.0 * double(height) * double(width);
  const double windows = 3.0 * double(height - 2 * border) * double(width - 2 * border);
  const bool structure = lambda != 0;
  const float l1_scale = float((1.0 - lambda) / pixels), ssim_scale = structure ? float(lambda / windows) : 0.0f;
  try {
    Team team{static_cast<int>(threads)};
    Buffer<double> l1(height), ssim(height);
    Buffer<float> planes(structure ? 15 * pair.size() : 0), derivatives(structure ? 9 * pair.size() : 0);
    const std::int64_t scratch_size = 14 * width + 2 * kRadius;
    Buffer<float> scratch(team.size() * scratch_size);
    std::atomic<int> next{0};
    const auto rows = [&](const auto& body) {
      next = 0;
      team.run([&](int rank) {
        float* own = scratch.data() + rank * scratch_size;
        for (std::int64_t i = 0; i < scratch_size; ++i) own[i] = 0;
        for (std::int64_t begin; (begin = next.fetch_add(kRows)) < height;)
          for (std::int64_t row = begin; row < begin + kRows && row < height; ++row) body(row, own);
      });
    };
    if (structure) {
      rows([&](std::int64_t row, float*) { split_row(pair, row, planes.data()); });
      rows([&](std::int64_t row, float* own) {
        ssim[row] = derive_row(pair, row, planes.data(), derivatives.data(), own);
      });
    }
    const float* maps = structure ? derivatives.data() : nullptr;
    rows([&](std::int64_t row, float* own) {
      l1[row] = gradient_row(pair, row, l1_scale, ssim_scale, maps, own, gradient);
    });
    means[0] = means[1] = 0;
    for (std::int64_t row = 0; row < height; ++row) {
      means[0] += l1[row];
      if (structure) means[1] += ssim[row];
    }
    means[0] /= pixels;
    if (structure) means[1] /= windows;
  } catch (const std::bad_alloc&) {
    return kNoMemory;
  }
  return kDone;
}

}  // namespace RECGEN_NS
