// One step of Adam (Kingma and Ba 2015) on a contiguous parameter, in place.
//
// Blocks have a fixed size, so that which elements share a vector, and with it the last bit, does not depend on the
// number of threads.

#include <cmath>
#include <cstdint>

#include "abi.hpp"
#include "team.hpp"

namespace RECGEN_NS {
namespace {

constexpr std::int64_t kBlock = 4096;
constexpr std::int64_t kSmall = 1 << 20;  // Below this, threads cost more than they save.

struct Step {
  float decay1, decay2, size, root_correction, eps;
};

void update(float* parameter, const float* gradient, float* first, float* second, std::int64_t count,
                          Step step) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float g = gradient[i];
    const float m = first[i] + (1 - step.decay1) * (g - first[i]);
    const float v = step.decay2 * second[i] + (1 - step.decay2) * g * g;
    first[i] = m;
    second[i] = v;
    parameter[i] -= step.size * m / (std::sqrt(v) * step.root_correction + step.eps);
  }
}

}  // namespace

// step: 1 for the first one. The moments hold `count` floats each, zero before the first step.
RECGEN_EXPORT(adam)
(float* parameter, const float* gradient, float* first, float* second, std::int64_t count, std::int64_t step,
 double rate, double decay1, double decay2, double eps, std::int64_t threads) {
  const double correction1 = 1 - std::pow(decay1, double(step));
  const double correction2 = 1 - std::pow(decay2, double(step));
  const Step settings{float(decay1), float(decay2), float(rate / correction1), float(1 / std::sqrt(correction2)),
            float(eps)};
  Team team{count < kSmall ? 1 : static_cast<int>(threads)};
  team.share(count, kBlock, [&](std::int64_t begin, std::int64_t end) {
    update(parameter + begin, gradient + begin, first + begin, second + begin, end - begin, settings);
  });
  return kDone;
}

}  // namespace RECGEN_NS
