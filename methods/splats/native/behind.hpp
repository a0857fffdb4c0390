// What lies behind the splats while a tile is replayed front to back, and with it the derivatives by log alpha.
#pragma once

#include "tile.hpp"

namespace RECGEN_NS {

struct Behind {
  Float red, green, blue;  // Colour behind the splats so far, with the background.
};

inline void read_behind(const Context& c, const Tile& tile, const float* rgb, Behind* behind) {
  auto lane = [](Float& v, int i) -> float& { return reinterpret_cast<float*>(&v)[i]; };
  std::memset((void*)behind, 0, kBlocks * sizeof *behind);
  tile.pixels(c, [&](int b, int i, std::int64_t pixel) {
    lane(behind[b].red, i) = rgb[3 * pixel];
    lane(behind[b].green, i) = rgb[3 * pixel + 1];
    lane(behind[b].blue, i) = rgb[3 * pixel + 2];
  });
}

// Takes a channel's part of the splat from what is behind it and returns h.
inline Float uncover(Float& behind, const Stroke& stroke, Float color, Float share) {
  Float gain = stroke.weight * color;
  behind -= gain;
  return keep(stroke.unclamped, fnma(behind, share, gain));
}

}  // namespace RECGEN_NS
