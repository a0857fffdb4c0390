// The forward pass: place, sort, bin, then composite every tile front to back.
#include "bins.hpp"
#include "tile.hpp"

namespace RECGEN_NS {

// What a block has gathered. One structure per block: as arrays of 4 KiB each, the five planes of a block
// would compete for one set of the cache.
struct Paint {
  Float red, green, blue, depth;
  Int blended;
};

static void write_tile(const Input& in, Context& c, const Tile& tile, const Paint* canvas, Image& out) {
  auto lane = [](const Float& v, int i) { return v.part[i / kWidth][i % kWidth]; };
  tile.pixels(c, [&](int b, int i, std::int64_t pixel) {
    float through = lane(tile.through[b], i), alpha = 1.f - through;
    out.rgb[3 * pixel] = lane(canvas[b].red, i) + through * in.background[0];
    out.rgb[3 * pixel + 1] = lane(canvas[b].green, i) + through * in.background[1];
    out.rgb[3 * pixel + 2] = lane(canvas[b].blue, i) + through * in.background[2];
    c.through[pixel] = through;
    out.alpha[pixel] = alpha;
    out.depth[pixel] = alpha > 0 ? lane(canvas[b].depth, i) / alpha : 0.f;
    out.blended[pixel] = canvas[b].blended.part[i / kWidth][i % kWidth];
  });
}

static void composite(const Input& in, Context& c, std::int64_t which, Image& out) {
  Tile tile(c, which);
  Paint canvas[kBlocks];
  std::memset((void*)canvas, 0, sizeof canvas);
  std::int64_t k = c.begin[which], end = c.begin[which + 1];
  for (; k < end && tile.live; k++) {
    __builtin_prefetch(&c.splats[c.pairs[std::min(k + kFetch, end - 1)].gaussian]);
    const Splat& s = c.splats[c.pairs[k].gaussian];
    std::uint64_t met = blocks_met(s, tile.left, tile.top) & tile.live;
    c.blocks[k] = met;
    c.touched[c.pairs[k].ticket] = met != 0;
    Float red = s.color[0], green = s.color[1], blue = s.color[2], depth = s.depth;
    if (!met) continue;
    each_block(tile, Brush(s, tile), met, [&](int b, const Print& print) {
      Stroke stroke = blend(tile, print, b);
      Paint& paint = canvas[b];
      paint.red = fma(stroke.weight, red, paint.red);
      paint.green = fma(stroke.weight, green, paint.green);
      paint.blue = fma(stroke.weight, blue, paint.blue);
      paint.depth = fma(stroke.weight, depth, paint.depth);
      paint.blended = count(stroke.blended, paint.blended);
      if (!any(tile.alive[b])) tile.live &= ~(std::uint64_t{1} << b);
    });
  }
  c.end[which] = k;
  for (; k < end; k++) c.touched[c.pairs[k].ticket] = 0;
  write_tile(in, c, tile, canvas, out);
}

// Renders and hands out a context for the passes that replay the render; give it back with splats_free.
RECGEN_EXPORT(splats_forward)(const Input* in, Image* out, float* radii, Context** result) try {
  auto context = std::make_unique<Context>();
  Context& c = *context;
  Team team(in->threads);
  prepare(team, *in, c, radii);
  c.blocks.reserve(c.total), c.touched.reserve(c.total);
  c.through.reserve((std::size_t)c.width * c.height);
  team.share(c.tiles(), 1, [&](std::int64_t tile, std::int64_t) { composite(*in, c, tile, *out); });
  *result = context.release();
  return kDone;
} catch (const std::bad_alloc&) {
  return kNoMemory;
}

RECGEN_EXPORT(splats_free)(Context* context) {
  delete context;
  return kDone;
}

}  // namespace RECGEN_NS
