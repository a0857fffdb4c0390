// Drives every exported kernel, for every instruction set of this machine, over random and degenerate input.
// benchmarks/sanitize.sh compiles it together with the kernels under the address and undefined-behaviour
// sanitizers, then under the thread sanitizer. Results are only checked to be finite: tests/ compares them.
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "../../../methods/splats/native/abi.hpp"

struct Context;

struct Lens {  // Mirrors native/sky.cpp.
  float right[3], down[3], forward[3], fx, fy, cx, cy;
  std::int32_t width, height, size;
};

struct Exposure {  // Mirrors native/fisherrf.cpp.
  const double *means, *quats, *scales, *opacities, *colors;
  std::int64_t size;
  double rotation[9], translation[3], centre[3], fx, fy, cx, cy;
  std::int32_t width, height, degree, coefficients, slip, threads;
};

struct Planes {
  double *rgb, *depth, *through, *blended;
  std::int32_t* last;
};

#define DECLARE(isa)                                                                                            \
  extern "C" int splats_forward_##isa(const Input*, Image*, float*, Context**);                                 \
  extern "C" int splats_backward_##isa(const Input*, Context*, const Image*, const Upstream*, const PerGaussian*); \
  extern "C" int splats_fisher_##isa(const Input*, Context*, const Image*, const PerGaussian*);                 \
  extern "C" int splats_gain_##isa(const Input*, Context*, const Image*, const PerGaussian*, float*);           \
  extern "C" int fisherrf_render_##isa(const Exposure*, const double*, const Planes*);                          \
  extern "C" int fisherrf_squares_##isa(const Exposure*, const double*, double*, double*, double*, double*,     \
                                        double*);                                                               \
  extern "C" int splats_free_##isa(Context*);                                                                   \
  extern "C" int photometric_##isa(const float*, const float*, const float*, const float*, std::int64_t,        \
                                   std::int64_t, std::int64_t, double, float*, double*, std::int64_t);          \
  extern "C" int adam_##isa(float*, const float*, float*, float*, std::int64_t, std::int64_t, double, double,   \
                            double, double, std::int64_t);                                                      \
  extern "C" int neighbour_distance_##isa(const float*, std::int64_t, std::int64_t, float*, std::int64_t);      \
  extern "C" int sky_behind_##isa(const Lens*, const float*, const float*, const float*, float*, std::int64_t); \
  extern "C" int sky_behind_backward_##isa(const Lens*, const float*, const float*, const float*, float*, float*, \
                                           std::int64_t);
DECLARE(generic)
#if defined(__x86_64__)
DECLARE(avx2)
DECLARE(avx512)
#endif
extern "C" int recgen_machine();

#define TABLE(isa)                                                                                            \
  {#isa, splats_forward_##isa, splats_backward_##isa, splats_fisher_##isa, splats_gain_##isa, \
   fisherrf_render_##isa, fisherrf_squares_##isa, splats_free_##isa, photometric_##isa,                       \
   adam_##isa, neighbour_distance_##isa, sky_behind_##isa, sky_behind_backward_##isa}
struct Kernels {
  const char* name;
  decltype(&splats_forward_generic) forward;
  decltype(&splats_backward_generic) backward;
  decltype(&splats_fisher_generic) fisher;
  decltype(&splats_gain_generic) gain;
  decltype(&fisherrf_render_generic) released_render;
  decltype(&fisherrf_squares_generic) released_squares;
  decltype(&splats_free_generic) free;
  decltype(&photometric_generic) photometric;
  decltype(&adam_generic) adam;
  decltype(&neighbour_distance_generic) neighbours;
  decltype(&sky_behind_generic) sky;
  decltype(&sky_behind_backward_generic) sky_backward;
};

static std::mt19937 generator(1);
static float uniform(float low, float high) { return std::uniform_real_distribution<float>(low, high)(generator); }

static std::vector<float> noise(std::size_t n, float low, float high) {
  std::vector<float> values(n);
  for (float& v : values) v = uniform(low, high);
  return values;
}

static void check(int status, const std::string& what) {
  if (status) std::printf("%s returned %d\n", what.c_str(), status), std::exit(1);
}

static void check_finite(const std::vector<float>& values, const std::string& what) {
  for (float v : values)
    if (!std::isfinite(v)) std::printf("%s holds %f\n", what.c_str(), v), std::exit(1);
}

struct Scene {
  std::string name;
  std::vector<float> means, quats, scales, opacities, colors;
  Input in{};

  Scene(std::string title, std::int64_t n, int width, int height, int degree, float size) : name(std::move(title)) {
    int terms = degree < 0 ? 1 : (degree + 1) * (degree + 1);
    means = noise(3 * n, -2, 2), quats = noise(4 * n, -1, 1), scales = noise(3 * n, 0.1f * size, size);
    opacities = noise(n, 0, 1), colors = noise(3 * n * terms, -1, 1);
    for (std::int64_t i = 0; i < n; i++) means[3 * i + 2] = uniform(-1, 6);
    in.size = n, in.degree = degree, in.coefficients = terms;
    for (int i = 0; i < 3; i++) in.rotation[4 * i] = 1, in.background[i] = 0.5f;
    in.fx = in.fy = (float)std::max(width, height), in.cx = width / 2.f, in.cy = height / 2.f;
    in.width = width, in.height = height, in.near = 0.01f, in.eps2d = 0.3f, in.threads = 3;
  }

  // Breaks every third Gaussian in one of the ways that users manage to.
  void spoil() {
    const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
    const float bad[] = {nan, inf, -inf, 0, 3e38f, -3e38f, 1e-40f, 1e30f};
    std::vector<float>* groups[] = {&means, &quats, &scales, &opacities, &colors};
    for (std::int64_t i = 0, k = 0; i < in.size; i += 3, k++) {
      std::vector<float>& group = *groups[k % 5];
      std::size_t stride = group.size() / in.size;
      // Colours beyond 1e30 are finite, and rightly give gradients that are not.
      int kinds = &group == &colors ? 4 : 8;
      for (std::size_t j = 0; j < stride; j++) group[i * stride + j] = bad[(k / 5 + j * (k % 2)) % kinds];
    }
    name += ", spoiled";
  }

  void drive(const Kernels& k) {
    in.means = means.data(), in.quats = quats.data(), in.scales = scales.data();
    in.opacities = opacities.data(), in.colors = colors.data();
    std::size_t pixels = (std::size_t)in.width * in.height;
    // Exactly as large as promised, so that a write past the end is seen; NaN, so that a gap is seen.
    const float nan = std::numeric_limits<float>::quiet_NaN();
    std::vector<float> rgb(3 * pixels, nan), alpha(pixels, nan), depth(pixels, nan), radii(in.size, nan);
    std::vector<std::int32_t> blended(pixels);
    Image image{rgb.data(), alpha.data(), depth.data(), blended.data()};
    Context* context = nullptr;
    std::string what = std::string(k.name) + ", " + name;
    check(k.forward(&in, &image, radii.data(), &context), what + ": forward");
    for (auto* plane : {&rgb, &alpha, &depth, &radii}) check_finite(*plane, what + ": image");
    auto by_rgb = noise(3 * pixels, -1, 1), by_alpha = noise(pixels, -1, 1), by_depth = noise(pixels, -1, 1);
    for (int planes = 0; planes < 8; planes++) {
      Upstream up{planes & 1 ? by_rgb.data() : nullptr, planes & 2 ? by_alpha.data() : nullptr,
                  planes & 4 ? by_depth.data() : nullptr};
      std::vector<float> out[] = {means, quats, scales, opacities, colors, std::vector<float>(2 * in.size)};
      for (auto& v : out) std::fill(v.begin(), v.end(), nan);
      PerGaussian to{out[0].data(), out[1].data(), out[2].data(), out[3].data(), out[4].data(), out[5].data()};
      check(k.backward(&in, context, &image, &up, &to), what + ": backward");
      for (auto& v : out) check_finite(v, what + ": gradient");
    }
    std::vector<float> sums[] = {means, quats, scales, opacities, colors};
    for (auto& v : sums) std::fill(v.begin(), v.end(), 0.f);
    PerGaussian to{sums[0].data(), sums[1].data(), sums[2].data(), sums[3].data(), sums[4].data(), nullptr};
    check(k.fisher(&in, context, &image, &to), what + ": fisher");
    for (auto& v : sums) check_finite(v, what + ": information");
    for (auto& v : sums)
      for (float& x : v) x = 1 / (x + 1e-6f);
    std::vector<float> map(pixels, nan);
    check(k.gain(&in, context, &image, &to, map.data()), what + ": gain");
    check_finite(map, what + ": gain");
    k.free(context);
    drive_released(k, what, pixels);
  }

  void drive_released(const Kernels& k, const std::string& what, std::size_t pixels) {
    auto doubles = [](const std::vector<float>& v) { return std::vector<double>(v.begin(), v.end()); };
    std::vector<double> groups[] = {doubles(means), doubles(quats), doubles(scales), doubles(opacities), doubles(colors)};
    for (std::int64_t i = 0; i < in.size; i++) {  // As fisherrf.py does; a length of zero becomes NaN.
      double *q = groups[1].data() + 4 * i, norm = std::hypot(std::hypot(q[0], q[1]), std::hypot(q[2], q[3]));
      for (int k = 0; k < 4; k++) q[k] /= norm;
    }
    Exposure e{groups[0].data(), groups[1].data(), groups[2].data(), groups[3].data(), groups[4].data(), in.size,
               {}, {}, {}, in.fx, in.fy, in.cx, in.cy, in.width, in.height, std::min(in.degree, 1), in.coefficients, 0,
               in.threads};
    for (int i = 0; i < 3; i++) e.rotation[4 * i] = 1;
    const double nan = std::numeric_limits<double>::quiet_NaN();
    std::vector<double> planes[] = {std::vector<double>(3 * pixels, nan), std::vector<double>(pixels, nan),
                                    std::vector<double>(pixels, nan), std::vector<double>(pixels, nan)};
    std::vector<std::int32_t> last(pixels);
    std::vector<double> ones(std::max<std::size_t>(pixels, in.size), 1.0);
    Planes to{planes[0].data(), planes[1].data(), planes[2].data(), planes[3].data(), last.data()};
    check(k.released_render(&e, ones.data(), &to), what + ": released render");
    for (auto& plane : planes)
      for (double v : plane)
        if (!std::isfinite(v)) std::printf("%s: released plane holds %f\n", what.c_str(), v), std::exit(1);
    for (e.slip = 0; e.slip < 2; e.slip++) {
      std::vector<double> out[5];
      for (int g = 0; g < 5; g++) out[g].assign(groups[g].size(), 0.0);
      check(k.released_squares(&e, ones.data(), out[0].data(), out[1].data(), out[2].data(), out[3].data(),
                               out[4].data()), what + ": released squares");
      // The slip reads other Gaussians' harmonics, which a spoiled scene may have broken.
      for (int g = e.slip; g < 5; g++)
        for (double v : out[g])
          if (!std::isfinite(v)) std::printf("%s: released squares hold %f\n", what.c_str(), v), std::exit(1);
    }
  }
};

static void drive_scenes(const Kernels& k) {
  for (int degree = -1; degree <= 3; degree++) {
    Scene scene("degree " + std::to_string(degree), 500, 70, 50, degree, 0.2f);
    scene.drive(k);
    scene.spoil();
    scene.drive(k);
  }
  Scene("none", 0, 40, 30, 1, 0.2f).drive(k);
  Scene("one", 1, 40, 30, -1, 0.2f).drive(k);
  Scene("one pixel", 100, 1, 1, 0, 0.2f).drive(k);
  Scene("one tile", 100, 32, 32, 0, 0.2f).drive(k);
  Scene("one column", 100, 1, 300, 2, 0.2f).drive(k);
  Scene("wide", 200, 4097, 2, -1, 0.5f).drive(k);
  Scene("huge", 60, 65, 33, 1, 1e4f).drive(k);
  Scene("points", 300, 65, 33, 1, 0.f).drive(k);
  Scene("many", 5000, 130, 70, -1, 0.05f).drive(k);
  Scene opaque("opaque", 300, 65, 33, 1, 1.f);
  std::fill(opaque.opacities.begin(), opaque.opacities.end(), 1.f);
  opaque.drive(k);
  Scene needles("needles", 100, 65, 33, -1, 1e-6f);
  for (std::size_t i = 0; i < needles.scales.size(); i += 3) needles.scales[i] = 100;
  needles.drive(k);
  Scene behind("behind", 100, 40, 30, 3, 0.2f);
  for (std::size_t i = 2; i < behind.means.size(); i += 3) behind.means[i] = -5;
  behind.drive(k);
}

static void drive_training(const Kernels& k) {
  for (auto [height, width] : {std::pair{40, 50}, {11, 11}, {33, 12}}) {
    std::size_t pixels = (std::size_t)height * width;
    auto rendered = noise(3 * pixels, 0, 1), target = noise(3 * pixels, 0, 1), weight = noise(pixels, 0, 1);
    std::vector<float> gradient(3 * pixels);
    for (double lambda : {0.0, 0.2})
      for (std::int64_t border : {0, 5}) {
        double means[2];
        check(k.photometric(rendered.data(), target.data(), weight.data(), weight.data(), height, width, border,
                            lambda, gradient.data(), means, 3), "photometric");
        check_finite(gradient, "photometric");
      }
    Lens lens{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, 30, 30, width / 2.f, height / 2.f, width, height, 16};
    auto sky = noise(3 * 16 * 16, 0, 1);
    std::vector<float> out(3 * pixels), by_alpha(pixels), by_sky(sky.size());
    check(k.sky(&lens, rendered.data(), weight.data(), sky.data(), out.data(), 3), "sky");
    check(k.sky_backward(&lens, rendered.data(), weight.data(), sky.data(), by_alpha.data(), by_sky.data(), 3), "sky");
    check_finite(by_sky, "sky");
  }
  for (std::int64_t n : {0, 1, 17, 100000}) {
    auto parameter = noise(n, -1, 1), gradient = noise(n, -1, 1);
    std::vector<float> first(n), second(n);
    for (int step = 1; step < 4; step++)
      check(k.adam(parameter.data(), gradient.data(), first.data(), second.data(), n, step, 1e-3, 0.9, 0.999, 1e-15, 3),
            "adam");
    check_finite(parameter, "adam");
  }
  for (std::int64_t n : {4, 50, 3000}) {
    auto points = noise(3 * n, -1, 1);
    std::vector<float> distance(n);
    check(k.neighbours(points.data(), n, 3, distance.data(), 3), "neighbours");
    check_finite(distance, "neighbours");
  }
}

int main() {
  const Kernels all[] = {TABLE(generic),
#if defined(__x86_64__)
                         TABLE(avx2), TABLE(avx512)
#endif
  };
  for (int isa = 0; isa <= recgen_machine(); isa++) {
    drive_scenes(all[isa]);
    drive_training(all[isa]);
    std::printf("%s: done\n", all[isa].name);
  }
}
