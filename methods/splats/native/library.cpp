// What the library says of itself; compiled once, for any machine of its architecture.
#include "abi.hpp"

extern "C" __attribute__((visibility("default"))) int recgen_abi() { return RECGEN_ABI; }

// The best instruction set of this machine: 0 generic, 1 avx2, 2 avx512.
extern "C" __attribute__((visibility("default"))) int recgen_machine() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd"))
    return 2;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return 1;
#endif
  return 0;
}
