// An aligned array that is not initialised, so that pages nobody writes never become resident.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <type_traits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace RECGEN_NS {

template <class T>
class Buffer {
  static_assert(std::is_trivially_destructible_v<T>);

 public:
  Buffer() = default;
  explicit Buffer(std::size_t size) { reserve(size); }
  ~Buffer() { std::free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  // Makes room for `size` items and forgets the old ones. Throws std::bad_alloc.
  void reserve(std::size_t size) {
    std::free(data_);
    data_ = nullptr;
    if (size > (PTRDIFF_MAX - 64) / sizeof(T)) throw std::bad_alloc();
    std::size_t align = size * sizeof(T) < kHuge ? 64 : kHuge;
    std::size_t bytes = (size * sizeof(T) + align - 1) / align * align;
    data_ = static_cast<T*>(std::aligned_alloc(align, bytes ? bytes : align));
    if (!data_) throw std::bad_alloc();
#if defined(__linux__)
    // Large arrays live for one call; taking them in large pages costs less than touching each small one.
    if (align == kHuge) madvise(data_, bytes, MADV_HUGEPAGE);
#endif
  }
  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

 private:
  static constexpr std::size_t kHuge = std::size_t{2} << 20;

  T* data_ = nullptr;
};

}  // namespace RECGEN_NS
