// What the launcher has for the whole process: the driver, the table of kernels, and the kernels that are loaded.
#pragma once

#include <map>
#include <mutex>
#include <vector>

#include "cubins.h"
#include "cuda_driver.h"

namespace obrl::cuda {

constexpr const char* kDriver = "libcuda.so.1";
constexpr unsigned kSharedForAll = 48 * 1024;  // bytes of shared memory that a launch may use without asking for more

// The driver, the table of kernels, and the kernels that are loaded in each context.
class State {
 public:
  State(const char* cubins, const char* driver) : table(cubins), driver(driver ? driver : kDriver) {}

  // The kernels for the device of the current context, whose id is `id`.
  const Target& target(unsigned long long id) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return *context(id).target;
  }

  // A kernel, loaded into the current context on first use.
  CUfunction function(unsigned long long id, const Kernel& kernel) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Context& here = context(id);
    CUfunction& function = here.functions[kernel.number];
    if (!function) function = load(*here.target, kernel);
    return function;
  }

  const Table table;
  const Driver driver;

 private:
  struct Context {
    const Target* target = nullptr;
    std::vector<CUfunction> functions;  // by the number of the kernel; null until it is used
  };

  Context& context(unsigned long long id) {
    Context& here = contexts_[id];
    if (!here.target) {
      CUdevice device;
      int major, minor;
      driver.check(driver.cuCtxGetDevice(&device), "cuCtxGetDevice");
      const auto attribute = [&](int* value, int which) {
        driver.check(driver.cuDeviceGetAttribute(value, which, device), "cuDeviceGetAttribute");
      };
      attribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
      attribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
      const Target& target = table.target(major, minor);
      here.functions.resize(target.number_of_kernels);
      here.target = &target;
    }
    return here;
  }

  CUfunction load(const Target& target, const Kernel& kernel) {
    const Relaxed relaxed(driver);
    CUmodule module;
    CUfunction function;
    driver.check(driver.cuModuleLoadData(&module, target.cubins.data() + kernel.place), "cuModuleLoadData");
    try {
      driver.check(driver.cuModuleGetFunction(&function, module, kernel.symbol.c_str()), "cuModuleGetFunction");
      if (kernel.shared > kSharedForAll) {
        driver.check(driver.cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES,
                                               static_cast<int>(kernel.shared)),
                     "cuFuncSetAttribute");
      }
    } catch (...) {
      driver.cuModuleUnload(module);
      throw;
    }
    return function;
  }

  std::mutex mutex_;
  std::map<unsigned long long, Context> contexts_;
};

}  // namespace obrl::cuda
