// NVIDIA's driver, loaded at run time: what the launcher calls of it, and its errors as text.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "obrl_cuda.h"

namespace obrl::cuda {

// Why a call ends: a status of the interface, and a text.
class Failure : public std::runtime_error {
 public:
  Failure(obrl_cuda_status status, const std::string& text) : std::runtime_error(text), status(status) {}
  const obrl_cuda_status status;
};

// The driver's own names and numbers.
using CUresult = int;
using CUdevice = int;
using CUdeviceptr = uint64_t;
using CUcontext = struct CUctx_st*;
using CUmodule = struct CUmod_st*;
using CUfunction = struct CUfunc_st*;
using CUstream = struct CUstream_st*;
constexpr CUresult CUDA_SUCCESS = 0, CUDA_ERROR_NOT_SUPPORTED = 801;
constexpr int CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76;
constexpr int CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8;
constexpr int CU_STREAM_CAPTURE_MODE_RELAXED = 2;

class Driver {
 public:
  // `name` is that of a library as dlopen takes it. It stays loaded.
  explicit Driver(const char* name) : library_(dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
    if (!library_) throw Failure(OBRL_CUDA_MISSING, "the driver of CUDA cannot be loaded: " + error_of_dlopen());
    find(cuInit, "cuInit");
    find(cuGetErrorName, "cuGetErrorName");
    find(cuGetErrorString, "cuGetErrorString");
    find(cuStreamGetCtx, "cuStreamGetCtx");
    find(cuCtxGetCurrent, "cuCtxGetCurrent");
    find(cuCtxPushCurrent, "cuCtxPushCurrent_v2");
    find(cuCtxPopCurrent, "cuCtxPopCurrent_v2");
    find(cuCtxGetDevice, "cuCtxGetDevice");
    find(cuCtxGetId, "cuCtxGetId");
    find(cuDeviceGetAttribute, "cuDeviceGetAttribute");
    find(cuModuleLoadData, "cuModuleLoadData");
    find(cuModuleUnload, "cuModuleUnload");
    find(cuModuleGetFunction, "cuModuleGetFunction");
    find(cuFuncSetAttribute, "cuFuncSetAttribute");
    find(cuThreadExchangeStreamCaptureMode, "cuThreadExchangeStreamCaptureMode");
    find(cuLaunchKernel, "cuLaunchKernel");
    find(cuMemsetD32Async, "cuMemsetD32Async");
    find(cuMemcpyDtoDAsync, "cuMemcpyDtoDAsync_v2");
    check(cuInit(0), "cuInit");
  }

  // Raise what a function of that name said, unless it went well.
  void check(CUresult result, const std::string& function) const {
    if (result == CUDA_SUCCESS) return;
    const char *name = nullptr, *text = nullptr;
    cuGetErrorName(result, &name);
    cuGetErrorString(result, &text);
    throw Failure(OBRL_CUDA_FAILED, function + " failed: " + (name ? name : "error " + std::to_string(result)) +
                                        (text ? std::string(", ") + text : ""));
  }

  CUresult (*cuInit)(unsigned);
  CUresult (*cuGetErrorName)(CUresult, const char**);
  CUresult (*cuGetErrorString)(CUresult, const char**);
  CUresult (*cuStreamGetCtx)(CUstream, CUcontext*);
  CUresult (*cuCtxGetCurrent)(CUcontext*);
  CUresult (*cuCtxPushCurrent)(CUcontext);
  CUresult (*cuCtxPopCurrent)(CUcontext*);
  CUresult (*cuCtxGetDevice)(CUdevice*);
  CUresult (*cuCtxGetId)(CUcontext, unsigned long long*);
  CUresult (*cuDeviceGetAttribute)(int*, int, CUdevice);
  CUresult (*cuModuleLoadData)(CUmodule*, const void*);
  CUresult (*cuModuleUnload)(CUmodule);
  CUresult (*cuModuleGetFunction)(CUfunction*, CUmodule, const char*);
  CUresult (*cuFuncSetAttribute)(CUfunction, int, int);
  CUresult (*cuThreadExchangeStreamCaptureMode)(int*);
  CUresult (*cuLaunchKernel)(CUfunction, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, CUstream,
                             void**, void**);
  CUresult (*cuMemsetD32Async)(CUdeviceptr, unsigned, size_t, CUstream);
  CUresult (*cuMemcpyDtoDAsync)(CUdeviceptr, CUdeviceptr, size_t, CUstream);

 private:
  template <class F>
  void find(F*& function, const char* name) {
    function = reinterpret_cast<F*>(dlsym(library_, name));
    if (!function) {
      throw Failure(OBRL_CUDA_MISSING, std::string("the driver of CUDA has no ") + name + "; that of CUDA 12 has");
    }
  }

  static std::string error_of_dlopen() {
    const char* text = dlerror();
    return text ? text : "dlopen does not say why";
  }

  void* library_;
};

// A context that is current while this is there: the stream's own, or what is current where the stream has none.
class Current {
 public:
  Current(const Driver& driver, CUstream stream) : driver_(driver) {
    CUcontext context = nullptr;
    const CUresult result = stream ? driver.cuStreamGetCtx(stream, &context) : CUDA_ERROR_NOT_SUPPORTED;
    if (result == CUDA_ERROR_NOT_SUPPORTED) {
      driver.check(driver.cuCtxGetCurrent(&context), "cuCtxGetCurrent");
    } else {
      driver.check(result, "cuStreamGetCtx");
    }
    if (!context) throw Failure(OBRL_CUDA_REFUSED, "no context of CUDA is current, and the stream has none");
    driver.check(driver.cuCtxGetId(context, &id_), "cuCtxGetId");
    driver.check(driver.cuCtxPushCurrent(context), "cuCtxPushCurrent");
  }

  ~Current() {
    CUcontext context;
    driver_.cuCtxPopCurrent(&context);
  }

  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

  // What tells it from all other contexts that there ever were.
  unsigned long long id() const { return id_; }

 private:
  const Driver& driver_;
  unsigned long long id_ = 0;
};

// While this is there, what a thread does beside a stream that is being captured does not end the capture.
class Relaxed {
 public:
  explicit Relaxed(const Driver& driver) : driver_(driver) {
    driver.check(driver.cuThreadExchangeStreamCaptureMode(&mode_), "cuThreadExchangeStreamCaptureMode");
  }

  ~Relaxed() { driver_.cuThreadExchangeStreamCaptureMode(&mode_); }

  Relaxed(const Relaxed&) = delete;
  Relaxed& operator=(const Relaxed&) = delete;

 private:
  const Driver& driver_;
  int mode_ = CU_STREAM_CAPTURE_MODE_RELAXED;
};

}  // namespace obrl::cuda
