// A driver of CUDA without a device: it reads from cubins what their kernels take, and records each call as a line of text.
// It refuses what NVIDIA's driver refuses.
//
// A stream s belongs to the context s / 4096, which is that of the device of the same number.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "elf.h"

namespace {

constexpr int kInvalidValue = 1, kInvalidContext = 201, kInvalidImage = 200, kNotFound = 500, kNotDuringCapture = 900;

struct Module {
  int context;
  std::vector<char> image;
  std::string name;
  bool loaded = true;
};

struct Function {
  const Module* module = nullptr;
  std::string symbol;
  Attributes attributes;
  unsigned shared = 48 * 1024;
};

std::mutex mutex;
std::string text;
std::map<std::string, int> failing;     // the error that a function returns
bool capturing = false;                 // whether every stream is being captured
std::map<int, int> capabilities;        // of devices, times ten
std::vector<std::unique_ptr<Module>> modules;
std::vector<std::unique_ptr<Function>> functions;
thread_local std::vector<int> current;  // contexts
thread_local int capture_mode = 0;

int context() { return current.empty() ? 0 : current.back(); }

int fail(const char* function) {
  const auto error = failing.find(function);
  return error == failing.end() ? 0 : error->second;
}

void say(const std::string& line) { text += line + "\n"; }

std::string hex(const void* data, size_t size) {
  std::string digits;
  char two[3];
  for (size_t i = 0; i < size; ++i) {
    std::snprintf(two, sizeof two, "%02x", static_cast<const unsigned char*>(data)[i]);
    digits += two;
  }
  return digits;
}

// FNV-1a, by which tests identify an image.
uint64_t hash(const char* data, size_t size) {
  uint64_t state = 14695981039346656037u;
  for (size_t i = 0; i < size; ++i) state = (state ^ static_cast<unsigned char>(data[i])) * 1099511628211u;
  return state;
}

}  // namespace

extern "C" {

// Functions for tests. This one forgets the text, and no function fails any more.
void recording_reset() {
  const std::lock_guard<std::mutex> lock(mutex);
  text.clear();
  failing.clear();
  capturing = false;
}

// The text so far; returns its length.
int64_t recording_text(char* into, int64_t size) {
  const std::lock_guard<std::mutex> lock(mutex);
  std::snprintf(into, size, "%s", text.c_str());
  return static_cast<int64_t>(text.size());
}

// The name of an image in the text.
uint64_t recording_hash(const char* image, int64_t size) { return hash(image, size); }

// Lets a function return an error.
void recording_fail(const char* function, int result) {
  const std::lock_guard<std::mutex> lock(mutex);
  failing[function] = result;
}

// Sets the compute capability of a device, times ten.
void recording_device(int device, int capability) {
  const std::lock_guard<std::mutex> lock(mutex);
  capabilities[device] = capability;
}

// Sets the current context of this thread; 0 for none.
void recording_current(int context) { current.assign(context ? 1 : 0, context); }

// Lets every stream be captured.
void recording_capture() {
  const std::lock_guard<std::mutex> lock(mutex);
  capturing = true;
}

// The number of contexts on this thread's stack.
int recording_depth() { return static_cast<int>(current.size()); }

int recording_capture_mode() { return capture_mode; }

int cuInit(unsigned) { return fail("cuInit"); }

int cuGetErrorName(int error, const char** name) {
  *name = error == kInvalidValue ? "CUDA_ERROR_INVALID_VALUE" : nullptr;
  return *name ? 0 : kInvalidValue;
}

int cuGetErrorString(int error, const char** text_of) {
  *text_of = error == kInvalidValue ? "invalid argument" : nullptr;
  return *text_of ? 0 : kInvalidValue;
}

int cuStreamIsCapturing(void*, int* status) {
  const std::lock_guard<std::mutex> lock(mutex);
  *status = capturing;
  return fail("cuStreamIsCapturing");
}

int cuStreamGetCtx(void* stream, void** result) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (capturing) return kNotDuringCapture;
  if (const int error = fail("cuStreamGetCtx")) return error;
  *result = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(stream) / 4096);
  return *result ? 0 : kInvalidContext;
}

int cuCtxGetCurrent(void** result) {
  *result = reinterpret_cast<void*>(static_cast<uintptr_t>(context()));
  return 0;
}

int cuCtxPushCurrent_v2(void* pushed) {
  current.push_back(static_cast<int>(reinterpret_cast<uintptr_t>(pushed)));
  return 0;
}

int cuCtxPopCurrent_v2(void** popped) {
  if (current.empty()) return kInvalidContext;
  *popped = reinterpret_cast<void*>(static_cast<uintptr_t>(context()));
  current.pop_back();
  return 0;
}

int cuCtxGetDevice(int* device) {
  *device = context();
  return context() ? 0 : kInvalidContext;
}

int cuCtxGetId(void* of, unsigned long long* id) {
  *id = 7000 + reinterpret_cast<uintptr_t>(of);
  return 0;
}

int cuDeviceGetAttribute(int* value, int attribute, int device) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (attribute != 75 && attribute != 76) return kInvalidValue;
  const auto known = capabilities.find(device);
  const int capability = known == capabilities.end() ? 90 : known->second;
  *value = attribute == 75 ? capability / 10 : capability % 10;
  return 0;
}

int cuModuleLoadData(void** module, const void* image) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (const int error = fail("cuModuleLoadData")) return error;
  if (capturing && capture_mode != 2) return kNotDuringCapture;
  uint64_t size = 0;
  if (!context() || sections(static_cast<const char*>(image), &size).empty()) return kInvalidImage;
  const char* begin = static_cast<const char*>(image);
  Module loaded{context(), {begin, begin + size}, std::to_string(hash(begin, size))};
  modules.push_back(std::make_unique<Module>(std::move(loaded)));
  say("load " + std::to_string(context()) + " " + modules.back()->name + " " + std::to_string(capture_mode));
  *module = modules.back().get();
  return 0;
}

int cuModuleUnload(void* module) {
  const std::lock_guard<std::mutex> lock(mutex);
  static_cast<Module*>(module)->loaded = false;
  say("unload");
  return 0;
}

int cuModuleGetFunction(void** function, void* of, const char* name) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (const int error = fail("cuModuleGetFunction")) return error;
  const Module& module = *static_cast<Module*>(of);
  uint64_t size;
  for (const Section& section : sections(module.image.data(), &size)) {
    if (section.name != std::string(".nv.info.") + name) continue;
    functions.push_back(std::make_unique<Function>());
    Function& result = *functions.back();
    result.module = &module;
    result.symbol = name;
    result.attributes = attributes_of(section);
    *function = &result;
    return 0;
  }
  return kNotFound;
}

int cuFuncSetAttribute(void* function, int attribute, int value) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (const int error = fail("cuFuncSetAttribute")) return error;
  if (attribute != 8 || value > 227 * 1024) return kInvalidValue;
  static_cast<Function*>(function)->shared = value;
  return 0;
}

int cuThreadExchangeStreamCaptureMode(int* mode) {
  std::swap(*mode, capture_mode);
  return 0;
}

int cuLaunchKernel(void* of, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned threads_y,
                   unsigned threads_z, unsigned shared, void* stream, void** parameters, void** extra) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (const int error = fail("cuLaunchKernel")) return error;
  const Function& function = *static_cast<Function*>(of);
  const bool fits = x && y && z && x < 1u << 31 && y < 1u << 16 && z < 1u << 16 && shared <= function.shared &&
                    threads == function.attributes.threads && threads_y == 1 && threads_z == 1 && !extra;
  if (!fits || !function.module->loaded || function.module->context != context()) return kInvalidValue;
  std::string line = "launch " + std::to_string(context()) + " " + function.module->name + " " + function.symbol;
  for (const unsigned number : {x, y, z, threads, shared}) line += " " + std::to_string(number);
  line += " " + std::to_string(reinterpret_cast<uintptr_t>(stream));
  for (size_t i = 0; i < function.attributes.parameters.size(); ++i) {
    line += " " + hex(parameters[i], function.attributes.parameters[i].size);
  }
  say(line);
  return 0;
}

int cuMemsetD32Async(uint64_t to, unsigned value, size_t count, void* stream) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (const int error = fail("cuMemsetD32Async")) return error;
  if (to % 4) return kInvalidValue;
  say("set " + std::to_string(context()) + " " + std::to_string(to) + " " + std::to_string(value) + " " +
      std::to_string(count) + " " + std::to_string(reinterpret_cast<uintptr_t>(stream)));
  return 0;
}

int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (const int error = fail("cuMemcpyDtoDAsync")) return error;
  say("copy " + std::to_string(context()) + " " + std::to_string(to) + " " + std::to_string(from) + " " +
      std::to_string(bytes) + " " + std::to_string(reinterpret_cast<uintptr_t>(stream)));
  return 0;
}

}  // extern "C"
