// The functions of NVIDIA's driver that the launcher calls, loaded at run time, and the driver's errors as text.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <stdexcept>
#include <string>

#include "obrl_cuda.h"

namespace obrl::cuda {

// The error of a call: a status of the interface, and a text.
class Failure : public std::runtime_error {
 public:
  Failure(obrl_cuda_status status, const std::string& text) : std::runtime_error(text), status(status) {}
  const obrl_cuda_status status;
};

// Names and numbers of the driver.
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
  // `name` is the driver's library, for dlopen. It is never unloaded.
  explicit Driver(const char* name) : library_(dlopen(name, RTLD_NOW | RTLD_LOCAL)) {
    if (!library_) throw Failure(OBRL_CUDA_MISSING, "the driver of CUDA cannot be loaded: " + error_of_dlopen());
    find(cuInit, "cuInit");
    find(cuGetErrorName, "cuGetErrorName");
    find(cuGetErrorString, "cuGetErrorString");
    find(cuStreamIsCapturing, "cuStreamIsCapturing");
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

  // Raise the error of a function of that name, if it failed.
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
  CUresult (*cuStreamIsCapturing)(CUstream, int*);
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

// Makes a stream's context current while this object exists. For the default stream, a green context's stream or one being
// captured, it uses the context that is already current.
class Current {
 public:
  Current(const Driver& driver, CUstream stream) : driver_(driver) {
    const CUcontext context = find(driver, stream);
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

  // The id of the context, which no other context of the process ever has.
  unsigned long long id() const { return id_; }

 private:
  // Asking a stream that is being captured could end the capture; then the context is the current one.
  static CUcontext find(const Driver& driver, CUstream stream) {
    CUcontext context = nullptr;
    int capturing = 0;
    if (stream) driver.check(driver.cuStreamIsCapturing(stream, &capturing), "cuStreamIsCapturing");
    if (stream && !capturing) {
      const CUresult result = driver.cuStreamGetCtx(stream, &context);
      if (result == CUDA_SUCCESS) return context;
      if (result != CUDA_ERROR_NOT_SUPPORTED) driver.check(result, "cuStreamGetCtx");
    }
    driver.check(driver.cuCtxGetCurrent(&context), "cuCtxGetCurrent");
    return context;
  }

  const Driver& driver_;
  unsigned long long id_ = 0;
};

// While this object exists, other calls of this thread do not end the capture of a stream.
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
