// The functions of `obrl_cuda.h`.
//
// A call first makes a list of steps, with all checks and every kernel loaded, and then enqueues them. Block sizes are
// those of the table of kernels; grids follow from them. The rules are those of `obrl_torch.kernels.launch`, and
// `tests/cubins/test_launches.py` compares the two.

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <optional>

#include "cuda_loss.h"
#include "cuda_relation.h"
#include "cuda_scratch.h"
#include "cuda_state.h"

namespace obrl::cuda {
namespace {

// Not an inline variable of a header, which all libraries of a process would share.
std::mutex start_mutex;
State* the_state = nullptr;  // never deleted, for other threads may call until the process ends

State* state_or_null() {
  const std::lock_guard<std::mutex> lock(start_mutex);
  return the_state;
}

State& state() {
  if (State* started = state_or_null()) return *started;
  throw Failure(OBRL_CUDA_MISSING, "obrl_cuda_start has not been called, or failed");
}

// Call `run`, and return an exception as a status and a text.
template <class Run>
int32_t guarded(char* error, int64_t error_bytes, Run&& run) noexcept {
  const auto failed = [&](obrl_cuda_status status, const char* text) -> int32_t {
    if (error && error_bytes > 0) std::snprintf(error, static_cast<size_t>(error_bytes), "%s", text);
    return status;
  };
  try {
    run();
    return OBRL_CUDA_OK;
  } catch (const Failure& failure) {
    return failed(failure.status, failure.what());
  } catch (const std::exception& exception) {
    return failed(OBRL_CUDA_FAILED, exception.what());
  }
}

template <class Run>
int32_t guarded(obrl_cuda_call* call, Run&& run) noexcept {
  return guarded(call->error, sizeof call->error, [&] { run(state(), *call); });
}

// The size that `run` computes from the table of kernels; -1 without a table, or if sizes are out of range.
template <class Run>
int64_t size_of(int64_t batch, int64_t num_labels, Run&& run) noexcept try {
  const State* started = state_or_null();
  if (!started || !in_range(started->table, batch, num_labels)) return -1;
  return run(started->table);
} catch (const std::exception&) {
  return -1;
}

}  // namespace
}  // namespace obrl::cuda

int32_t obrl_cuda_start(const char* cubins, const char* driver, char* error, int64_t error_bytes) {
  using namespace obrl::cuda;
  return guarded(error, error_bytes, [&] {
    const std::lock_guard<std::mutex> lock(start_mutex);
    if (!the_state) the_state = new State(cubins, driver);
  });
}

int64_t obrl_cuda_pairs_bytes(int64_t num_labels) {
  using namespace obrl::cuda;
  return size_of(0, num_labels, [&](const Table& table) {
    const int64_t numbers = active_numbers(table, num_labels);
    return num_labels * code_row(num_labels) + numbers * static_cast<int64_t>(sizeof(int32_t));
  });
}

int64_t obrl_cuda_move_scratch(int64_t batch, int64_t num_labels) {
  using namespace obrl::cuda;
  return size_of(batch, num_labels, [&](const Table& table) {
    int64_t most = 0;
    for (const Kernel& kernel : table.code_kernels()) {
      if (kernel.is_for(batch, num_labels) && (batch || kernel.symbol == "code_kernel")) {
        most = std::max(most, MoveScratch(kernel, batch, num_labels).bytes);
      }
    }
    return most;
  });
}

int64_t obrl_cuda_loss_scratch(int64_t batch, int64_t num_labels, int32_t joint, int32_t gradients) {
  using namespace obrl::cuda;
  return size_of(batch, num_labels, [&](const Table& table) {
    const bool wide = num_labels > table.small_labels;
    int64_t most = 0;
    for (const auto& [capability, target] : table.targets()) {
      const Kernel& last = target.find(wide ? "wide_loss/all_pairs/total" : "loss/all_pairs/total", batch, num_labels);
      std::optional<Products> products;
      if (wide) products.emplace(target, batch, num_labels);
      const bool has_spare = has_spare_gradient(joint, gradients);
      most = std::max(most, LossScratch(last, products, batch, num_labels, has_spare).bytes);
    }
    return most;
  });
}

int32_t obrl_cuda_count(const float* targets, int64_t batch, int64_t num_labels, float* counts, obrl_cuda_call* call) {
  using namespace obrl::cuda;
  return guarded(call, [&](State& state, obrl_cuda_call& c) { count(state, targets, batch, num_labels, counts, c); });
}

int32_t obrl_cuda_move(const obrl_cuda_relation* relation, obrl_cuda_call* call) {
  using namespace obrl::cuda;
  return guarded(call, [&](State& state, obrl_cuda_call& c) { move(state, *relation, c); });
}

int32_t obrl_cuda_loss(const obrl_cuda_loss_arguments* arguments, obrl_cuda_call* call) {
  using namespace obrl::cuda;
  return guarded(call, [&](State& state, obrl_cuda_call& c) { loss(state, *arguments, c); });
}
