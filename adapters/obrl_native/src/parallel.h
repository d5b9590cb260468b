// Independent tasks on several threads.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#ifndef OBRL_OPERATIONS_PER_THREAD
#define OBRL_OPERATIONS_PER_THREAD 1e6
#endif

namespace obrl {

// The number of threads for this many operations: starting one costs some 20 microseconds.
inline int32_t worth(double operations, int32_t threads) {
  const double most = operations / OBRL_OPERATIONS_PER_THREAD;
  return most < 2 ? 1 : most < threads ? static_cast<int32_t>(most) : threads;
}

// Run `task(index, worker)` for every index; a worker, of which there are at most `threads`, runs one at a time.
template <class Task>
void parallel(int64_t tasks, int32_t threads, Task&& task) {
  std::atomic<int64_t> next{0};
  const auto work = [&](int32_t worker) {
    for (int64_t index; (index = next.fetch_add(1, std::memory_order_relaxed)) < tasks;) task(index, worker);
  };
  std::vector<std::thread> others;
  if (threads > tasks) threads = static_cast<int32_t>(tasks);
  if (threads > 1) {
    try {
      others.reserve(threads - 1);
      for (int32_t worker = 1; worker < threads; ++worker) others.emplace_back(work, worker);
    } catch (...) {
      // The system has no further thread or no memory for one; the threads that run do all tasks.
    }
  }
  work(0);
  for (std::thread& other : others) other.join();
}

}  // namespace obrl
