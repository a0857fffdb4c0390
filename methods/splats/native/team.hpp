// A few threads that live for one call: no OpenMP, because torch brings its own and two idle pools spin
// against each other, and no global pool, because a forked child would inherit one without its threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <system_error>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

#ifndef RECGEN_NS
#error "compile with -DRECGEN_NS=recgen_<instruction set>; setup.py does"
#endif

namespace RECGEN_NS {

// Keeps the caller on its processor and lets other threads keep off it, until destroyed. Linux starts a thread
// beside its creator, moves a waking one to its waker, and on some virtual machines leaves both there for longer
// than a call lasts while another processor is idle: two threads then take twice as long as one.
class Spread {
 public:
#if defined(__linux__)
  explicit Spread(bool wanted) {
    int home = wanted ? sched_getcpu() : -1;
    if (home < 0 || home >= CPU_SETSIZE || sched_getaffinity(0, sizeof allowed_, &allowed_) != 0) return;
    others_ = allowed_;
    CPU_CLR(home, &others_);
    cpu_set_t here;
    CPU_ZERO(&here);
    CPU_SET(home, &here);
    active_ = CPU_COUNT(&others_) > 0 && sched_setaffinity(0, sizeof here, &here) == 0;
  }
  ~Spread() {
    if (active_) sched_setaffinity(0, sizeof allowed_, &allowed_);
  }
  void leave() const {
    if (active_) sched_setaffinity(0, sizeof others_, &others_);
  }

 private:
  cpu_set_t allowed_, others_;
  bool active_ = false;
#else
  explicit Spread(bool) {}
  void leave() const {}
#endif
};

class Team {
 public:
  // Starts size - 1 threads; the caller is the remaining one. Fewer start when the system refuses more.
  explicit Team(int size) : spread_(size > 1) {
    if (size > kMost) size = kMost;
    for (int rank = 1; rank < size; rank++) {
      try {
        threads_[rank - 1] = std::thread([this, rank] { serve(rank); });
      } catch (const std::system_error&) {
        break;
      }
      size_ = rank + 1;
    }
  }
  ~Team() {
    body_ = nullptr;
    wake();
    for (int rank = 1; rank < size_; rank++) threads_[rank - 1].join();
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return size_; }

  // Calls body(rank) once per thread and returns when all are done. The body must not throw.
  template <class Body>
  void run(const Body& body) {
    body_ = [](const void* b, int rank) { (*static_cast<const Body*>(b))(rank); };
    argument_ = &body;
    pending_.store(size_ - 1, std::memory_order_relaxed);
    if (size_ > 1) wake();
    body(0);
    for (int left, spins = 0; (left = pending_.load(std::memory_order_acquire)) != 0;)
      if (++spins > kSpins) pending_.wait(left);
  }

  // Calls body(begin, end) over [0, n) in pieces of `grain`, whoever is free takes the next one.
  template <class Body>
  void share(std::int64_t n, std::int64_t grain, const Body& body) {
    std::atomic<std::int64_t> next{0};
    run([&](int) {
      for (std::int64_t begin; (begin = next.fetch_add(grain, std::memory_order_relaxed)) < n;)
        body(begin, begin + grain < n ? begin + grain : n);
    });
  }

 private:
  static constexpr int kMost = 64;
  static constexpr int kSpins = 20000;  // About 20 us; waking a sleeping thread takes longer.

  void wake() {
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
  }
  void serve(int rank) {
    spread_.leave();
    for (int seen = 0;; seen++) {
      for (int spins = 0; epoch_.load(std::memory_order_acquire) == seen;)
        if (++spins > kSpins) epoch_.wait(seen);
      if (!body_) return;
      body_(argument_, rank);
      if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
    }
  }

  Spread spread_;
  void (*body_)(const void*, int) = nullptr;
  const void* argument_ = nullptr;
  std::atomic<int> epoch_{0};
  std::atomic<int> pending_{0};
  int size_ = 1;
  std::thread threads_[kMost - 1];
};

}  // namespace RECGEN_NS
