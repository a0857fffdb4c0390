// Sixteen float lanes with the same meaning on every instruction set.
//
// A file that includes this header is compiled once per instruction set. The build defines RECGEN_NS, the
// namespace of that copy, so that the linker can never replace one copy's code by another's. Keep templates
// of the standard library over built-in types (std::vector<float>, ...) out of such files for the same reason.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#ifndef RECGEN_NS
#error "compile with -DRECGEN_NS=recgen_<instruction set>; setup.py does"
#endif

namespace RECGEN_NS {

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#define RECGEN_AVX512 1
constexpr int kWidth = 16;
#elif defined(__AVX2__) && defined(__FMA__)
#define RECGEN_AVX2 1
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif
constexpr int kLanes = 16;
constexpr int kParts = kLanes / kWidth;

typedef float FloatPart __attribute__((vector_size(4 * kWidth)));
typedef std::int32_t IntPart __attribute__((vector_size(4 * kWidth)));
typedef std::uint32_t UintPart __attribute__((vector_size(4 * kWidth)));

struct Int {
  IntPart part[kParts];
};

struct Float {
  FloatPart part[kParts];

  Float() = default;
  Float(float x) {
    for (auto& p : part) p = FloatPart{} + x;
  }
};

#if RECGEN_AVX512
struct Mask {
  __mmask16 bits;
};
#else
struct Mask {
  IntPart part[kParts];
};
#endif

#define RECGEN_LANEWISE(op)                                             \
  inline Float operator op(Float a, Float b) {                          \
    for (int i = 0; i < kParts; i++) a.part[i] = a.part[i] op b.part[i]; \
    return a;                                                           \
  }
RECGEN_LANEWISE(+)
RECGEN_LANEWISE(-)
RECGEN_LANEWISE(*)
RECGEN_LANEWISE(/)
#undef RECGEN_LANEWISE

inline Float operator-(Float a) {
  for (auto& p : a.part) p = -p;
  return a;
}
inline Float& operator+=(Float& a, Float b) { return a = a + b; }
inline Float& operator-=(Float& a, Float b) { return a = a - b; }

inline Float load(const float* from) {
  Float v;
  std::memcpy(v.part, from, sizeof v.part);
  return v;
}
inline void store(float* to, Float v) { std::memcpy(to, v.part, sizeof v.part); }
inline void store(std::int32_t* to, Int v) { std::memcpy(to, v.part, sizeof v.part); }

// a * b + c and c - a * b with one rounding where the machine can.
inline Float fma(Float a, Float b, Float c) {
#if RECGEN_AVX512
  c.part[0] = (FloatPart)_mm512_fmadd_ps((__m512)a.part[0], (__m512)b.part[0], (__m512)c.part[0]);
#elif RECGEN_AVX2
  for (int i = 0; i < kParts; i++)
    c.part[i] = (FloatPart)_mm256_fmadd_ps((__m256)a.part[i], (__m256)b.part[i], (__m256)c.part[i]);
#else
  for (int i = 0; i < kParts; i++) c.part[i] = a.part[i] * b.part[i] + c.part[i];
#endif
  return c;
}
inline Float fnma(Float a, Float b, Float c) {
#if RECGEN_AVX512
  c.part[0] = (FloatPart)_mm512_fnmadd_ps((__m512)a.part[0], (__m512)b.part[0], (__m512)c.part[0]);
#elif RECGEN_AVX2
  for (int i = 0; i < kParts; i++)
    c.part[i] = (FloatPart)_mm256_fnmadd_ps((__m256)a.part[i], (__m256)b.part[i], (__m256)c.part[i]);
#else
  for (int i = 0; i < kParts; i++) c.part[i] = c.part[i] - a.part[i] * b.part[i];
#endif
  return c;
}

// Comparisons are false wherever an operand is NaN.
#if RECGEN_AVX512
inline Mask operator<(Float a, Float b) {
  return {_mm512_cmp_ps_mask((__m512)a.part[0], (__m512)b.part[0], _CMP_LT_OQ)};
}
inline Mask operator<=(Float a, Float b) {
  return {_mm512_cmp_ps_mask((__m512)a.part[0], (__m512)b.part[0], _CMP_LE_OQ)};
}
inline Mask operator&(Mask a, Mask b) { return {(__mmask16)(a.bits & b.bits)}; }
inline Mask operator|(Mask a, Mask b) { return {(__mmask16)(a.bits | b.bits)}; }
inline Mask without(Mask a, Mask b) { return {(__mmask16)(a.bits & ~b.bits)}; }
inline bool any(Mask m) { return m.bits != 0; }
inline unsigned bits(Mask m) { return m.bits; }
inline Mask lanes(unsigned bits) { return {(__mmask16)bits}; }
inline Float select(Mask m, Float a, Float b) {
  b.part[0] = (FloatPart)_mm512_mask_mov_ps((__m512)b.part[0], m.bits, (__m512)a.part[0]);
  return b;
}
inline Float keep(Mask m, Float a) {
  a.part[0] = (FloatPart)_mm512_maskz_mov_ps(m.bits, (__m512)a.part[0]);
  return a;
}
inline Int count(Mask m, Int n) {
  n.part[0] = (IntPart)_mm512_mask_add_epi32((__m512i)n.part[0], m.bits, (__m512i)n.part[0], _mm512_set1_epi32(1));
  return n;
}
inline Float min(Float a, Float b) {
  a.part[0] = (FloatPart)_mm512_min_ps((__m512)a.part[0], (__m512)b.part[0]);
  return a;
}
inline Float max(Float a, Float b) {
  a.part[0] = (FloatPart)_mm512_max_ps((__m512)a.part[0], (__m512)b.part[0]);
  return a;
}
#else
inline Mask operator<(Float a, Float b) {
  Mask m;
  for (int i = 0; i < kParts; i++) m.part[i] = a.part[i] < b.part[i];
  return m;
}
inline Mask operator<=(Float a, Float b) {
  Mask m;
  for (int i = 0; i < kParts; i++) m.part[i] = a.part[i] <= b.part[i];
  return m;
}
inline Mask operator&(Mask a, Mask b) {
  for (int i = 0; i < kParts; i++) a.part[i] &= b.part[i];
  return a;
}
inline Mask operator|(Mask a, Mask b) {
  for (int i = 0; i < kParts; i++) a.part[i] |= b.part[i];
  return a;
}
inline Mask without(Mask a, Mask b) {
  for (int i = 0; i < kParts; i++) a.part[i] &= ~b.part[i];
  return a;
}
inline unsigned bits(Mask m) {
  unsigned b = 0;
  for (int i = 0; i < kParts; i++) {
#if RECGEN_AVX2
    b |= (unsigned)_mm256_movemask_ps((__m256)m.part[i]) << (i * kWidth);
#elif defined(__x86_64__)
    b |= (unsigned)_mm_movemask_ps((__m128)m.part[i]) << (i * kWidth);
#else
    for (int k = 0; k < kWidth; k++) b |= (m.part[i][k] ? 1u : 0u) << (i * kWidth + k);
#endif
  }
  return b;
}
inline bool any(Mask m) { return bits(m) != 0; }
inline Mask lanes(unsigned bits) {
  Mask m;
  for (int i = 0; i < kLanes; i++) m.part[i / kWidth][i % kWidth] = (bits >> i & 1) ? -1 : 0;
  return m;
}
inline Float select(Mask m, Float a, Float b) {
  for (int i = 0; i < kParts; i++) b.part[i] = m.part[i] ? a.part[i] : b.part[i];
  return b;
}
inline Float keep(Mask m, Float a) {
  for (int i = 0; i < kParts; i++) a.part[i] = (FloatPart)((IntPart)a.part[i] & m.part[i]);
  return a;
}
inline Int count(Mask m, Int n) {
  for (int i = 0; i < kParts; i++) n.part[i] -= m.part[i];
  return n;
}
inline Float min(Float a, Float b) {
  for (int i = 0; i < kParts; i++) a.part[i] = a.part[i] < b.part[i] ? a.part[i] : b.part[i];
  return a;
}
inline Float max(Float a, Float b) {
  for (int i = 0; i < kParts; i++) a.part[i] = a.part[i] > b.part[i] ? a.part[i] : b.part[i];
  return a;
}
#endif

inline Float sqrt(Float a) {
#if RECGEN_AVX512
  a.part[0] = (FloatPart)_mm512_sqrt_ps((__m512)a.part[0]);
#elif RECGEN_AVX2
  for (auto& p : a.part) p = (FloatPart)_mm256_sqrt_ps((__m256)p);
#else
  for (auto& p : a.part)
    for (int k = 0; k < kWidth; k++) p[k] = __builtin_sqrtf(p[k]);
#endif
  return a;
}

inline Float round_up(Float a) {
#if RECGEN_AVX512
  a.part[0] = (FloatPart)_mm512_roundscale_ps((__m512)a.part[0], _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
#elif RECGEN_AVX2
  for (auto& p : a.part) p = (FloatPart)_mm256_ceil_ps((__m256)p);
#else
  for (auto& p : a.part)
    for (int k = 0; k < kWidth; k++) p[k] = __builtin_ceilf(p[k]);
#endif
  return a;
}

inline Float round_down(Float a) {
#if RECGEN_AVX512
  a.part[0] = (FloatPart)_mm512_roundscale_ps((__m512)a.part[0], _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
#elif RECGEN_AVX2
  for (auto& p : a.part) p = (FloatPart)_mm256_floor_ps((__m256)p);
#else
  for (auto& p : a.part)
    for (int k = 0; k < kWidth; k++) p[k] = __builtin_floorf(p[k]);
#endif
  return a;
}

// 1 / a to about 2^-22 or better, for a of ordinary size.
inline Float reciprocal(Float a) {
#if RECGEN_AVX512
  Float r;
  r.part[0] = (FloatPart)_mm512_rcp14_ps((__m512)a.part[0]);
  return r * fnma(a, r, 2.f);
#elif RECGEN_AVX2
  Float r;
  for (int i = 0; i < kParts; i++) r.part[i] = (FloatPart)_mm256_rcp_ps((__m256)a.part[i]);
  return r * fnma(a, r, 2.f);
#else
  return 1.f / a;
#endif
}

// True where low <= x <= -0, for low < 0. The bit patterns of negative floats grow with their size, and
// those of positive ones and of NaN lie above them all as signed integers, so one comparison does.
inline Mask negative_above(Float x, float low) {
  std::int32_t pattern;
  std::memcpy(&pattern, &low, 4);
#if RECGEN_AVX512
  return {_mm512_cmple_epi32_mask((__m512i)x.part[0], _mm512_set1_epi32(pattern))};
#else
  Mask m;
  for (int i = 0; i < kParts; i++) m.part[i] = (IntPart)x.part[i] <= IntPart{} + pattern;
  return m;
#endif
}

#if RECGEN_AVX512
alignas(64) inline constexpr float kTwicePowers[32] = {  // 2 * 2^(k / 32)
    2.0f, 2.0437943f, 2.08854756f, 2.1342808f, 2.18101547f, 2.22877349f, 2.27757727f, 2.32744972f,
    2.37841423f, 2.43049472f, 2.48371562f, 2.53810191f, 2.59367911f, 2.65047329f, 2.70851109f, 2.76781976f,
    2.82842712f, 2.89036161f, 2.95365229f, 3.01832886f, 3.08442165f, 3.15196169f, 3.22098066f, 3.29151096f,
    3.36358566f, 3.4372386f, 3.51250432f, 3.58941815f, 3.66801617f, 3.74833527f, 3.83041312f, 3.91428825f,
};
#endif

// 2 * 2^x for -120 < x < 120 to 1e-7 relative; any other x gives some value without trapping.
inline Float twice_exp2(Float x) {
#if RECGEN_AVX512
  // Few operations on the two pipes that multiply, which are what the loops wait for: the fraction in
  // thirty-seconds picks from a table in two registers, a quadratic does the rest.
  const Float magic(393216.f);  // 1.5 * 2^23 / 32: adding it rounds to thirty-seconds held in the low bits.
  Float t = x + magic, r = x - (t - magic), power;
  __m512i bits = (__m512i)t.part[0];
  __m512 low = _mm512_load_ps(kTwicePowers), high = _mm512_load_ps(kTwicePowers + 16);
  __m512i entry = (__m512i)_mm512_permutex2var_ps(low, bits, high);
  power.part[0] = (FloatPart)_mm512_add_epi32(entry, _mm512_slli_epi32(_mm512_srli_epi32(bits, 5), 23));
  return fma(power * r, fma(r, 0.240226599f, 0.693157329f), power);
#else
  // A minimax polynomial of degree 5 in relative error (7.5e-8).
  const Float magic(12582912.f);  // 1.5 * 2^23: adding it rounds to an integer held in the low bits.
  Float t = x + magic;
  Float f = x - (t - magic);
  Float low = fma(f, 1.38629393f, 2.00000014f), middle = fma(f, 0.111014265f, 0.480442394f);
  Float p = fma(f, 0.0026552943f, 0.0193510827f), square = f * f;
  p = fma(fma(p, square, middle), square, low);
  for (int i = 0; i < kParts; i++)
    p.part[i] = (FloatPart)((UintPart)p.part[i] + ((UintPart)t.part[i] << 23));
  return p;
#endif
}

// log2(x) for normal positive x to about 1e-7 absolute: atanh series on the mantissa in [1/sqrt 2, sqrt 2).
inline Float log2(Float x) {
  Float exponent, mantissa;
  for (int i = 0; i < kParts; i++) {
    UintPart u = (UintPart)x.part[i] - 0x3f3504f3u;
    exponent.part[i] = __builtin_convertvector((IntPart)u >> 23, FloatPart);
    mantissa.part[i] = (FloatPart)((u & 0x007fffffu) + 0x3f3504f3u);
  }
  Float s = (mantissa - 1.f) / (mantissa + 1.f), s2 = s * s;
  Float p = fma(s2, 0.320598898f, 0.412198583f);
  p = fma(s2, p, 0.577078016f);
  p = fma(s2, p, 0.961796694f);
  p = fma(s2, p, 2.88539008f);
  return fma(s, p, exponent);
}

// The sums of four vectors, lane by lane in one fixed order.
inline void sum4(const Float v[4], float out[4]) {
#if defined(__x86_64__)
  __m128 q[4];
  for (int i = 0; i < 4; i++) {
#if RECGEN_AVX512
    __m512 x = (__m512)v[i].part[0];
    __m256 y = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
    q[i] = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
#elif RECGEN_AVX2
    __m256 y = _mm256_add_ps((__m256)v[i].part[0], (__m256)v[i].part[1]);
    q[i] = _mm_add_ps(_mm256_castps256_ps128(y), _mm256_extractf128_ps(y, 1));
#else
    q[i] = (__m128)((v[i].part[0] + v[i].part[2]) + (v[i].part[1] + v[i].part[3]));
#endif
  }
  __m128 ab = _mm_add_ps(_mm_unpacklo_ps(q[0], q[1]), _mm_unpackhi_ps(q[0], q[1]));
  __m128 cd = _mm_add_ps(_mm_unpacklo_ps(q[2], q[3]), _mm_unpackhi_ps(q[2], q[3]));
  _mm_storeu_ps(out, _mm_add_ps(_mm_movelh_ps(ab, cd), _mm_movehl_ps(cd, ab)));
#else
  for (int i = 0; i < 4; i++) {
    FloatPart q = (v[i].part[0] + v[i].part[2]) + (v[i].part[1] + v[i].part[3]);
    out[i] = (q[0] + q[2]) + (q[1] + q[3]);
  }
#endif
}

}  // namespace RECGEN_NS
