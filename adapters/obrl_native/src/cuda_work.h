// What a call enqueues on its stream: launches, copies and zeros.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "cubins.h"
#include "cuda_driver.h"
#include "cuda_state.h"

namespace obrl::cuda {

// The steps of a call. Each is added after its checks, with its kernel loaded; `enqueue` then enqueues all of them.
class Work {
 public:
  Work(State& state, obrl_cuda_call& call)
      : state_(state),
        stream_(static_cast<CUstream>(call.stream)),
        current_(state.driver, stream_),
        target_(state.target(current_.id())) {}

  const Target& target() const { return target_; }

  // Copy `numbers` numbers on the device, unless both addresses are the same.
  void copy(float* to, const float* from, int64_t numbers) {
    if (to == from) return;
    steps_.push_back({});
    Step& step = steps_.back();
    step.to = reinterpret_cast<CUdeviceptr>(to);
    step.from = reinterpret_cast<CUdeviceptr>(from);
    step.size = static_cast<size_t>(numbers) * sizeof(float);
  }

  // Set `numbers` numbers of 32 bits to 0.
  void zero(const void* to, int64_t numbers) {
    if (numbers == 0) return;
    steps_.push_back({});
    steps_.back().to = reinterpret_cast<CUdeviceptr>(to);
    steps_.back().size = static_cast<size_t>(numbers);
  }

  // Launch a kernel on a grid of x times y times z programs.
  void launch(const Kernel& kernel, const Values& values, int64_t x, int64_t y = 1, int64_t z = 1) {
    for (const Parameter& parameter : *kernel.parameters) {
      if (values.kind(parameter.name) != parameter.kind) {
        throw Failure(OBRL_CUDA_MISSING, "the table of kernels is not for this launcher: " + kernel.symbol + " takes " +
                                             text_of(parameter.name));
      }
    }
    steps_.push_back({});
    Step& step = steps_.back();
    step.kernel = &kernel;
    step.function = state_.function(current_.id(), kernel);
    step.values = values;
    step.grid = {static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z)};
  }

  void enqueue() const {
    for (const Step& step : steps_) step.kernel ? enqueue_launch(step) : enqueue_memory(step);
  }

 private:
  struct Step {
    const Kernel* kernel = nullptr;
    CUfunction function = nullptr;
    Values values;
    std::array<unsigned, 3> grid{};
    CUdeviceptr to = 0, from = 0;  // `from` is 0 if zeros are written
    size_t size = 0;               // bytes to copy, or numbers to zero
  };

  void enqueue_launch(const Step& step) const {
    std::array<uint64_t, kArgs> bits;
    std::array<void*, kArgs> arguments;
    size_t number = 0;
    for (const Parameter& parameter : *step.kernel->parameters) {
      bits[number] = step.values.bits(parameter.name);
      arguments[number] = &bits[number];
      ++number;
    }
    const auto [x, y, z] = step.grid;
    state_.driver.check(state_.driver.cuLaunchKernel(step.function, x, y, z, step.kernel->threads, 1, 1,
                                                     step.kernel->shared, stream_, arguments.data(), nullptr),
                        "cuLaunchKernel of " + step.kernel->symbol);
  }

  void enqueue_memory(const Step& step) const {
    if (step.from) {
      state_.driver.check(state_.driver.cuMemcpyDtoDAsync(step.to, step.from, step.size, stream_), "cuMemcpyDtoDAsync");
    } else {
      state_.driver.check(state_.driver.cuMemsetD32Async(step.to, 0, step.size, stream_), "cuMemsetD32Async");
    }
  }

  State& state_;
  CUstream stream_;
  Current current_;
  const Target& target_;
  std::vector<Step> steps_;
};

}  // namespace obrl::cuda
