// A driver of CUDA without a device: it loads cubins as far as to know what their kernels take, and writes down what it
// is asked to do, a line each. What NVIDIA's would refuse of that, it refuses.
//
// A stream s belongs to the context s / 4096, which is that of the device of the same number.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace {

constexpr int kInvalidValue = 1, kInvalidContext = 201, kInvalidImage = 200, kNotFound = 500, kNotSupported = 801;

struct Parameter {
  uint16_t offset, size;
};

struct Module {
  int context;
  std::vector<char> image;
  std::string name;
  bool loaded = true;
};

struct Function {
  const Module* module = nullptr;
  std::string symbol;
  std::vector<Parameter> parameters;
  unsigned threads = 0, shared = 48 * 1024;
};

std::mutex mutex;
std::string text;
std::map<std::string, int> failing;     // what each function is to return
std::map<int, int> capabilities;        // of devices, times ten
std::vector<std::unique_ptr<Module>> modules;
std::vector<std::unique_ptr<Function>> functions;
thread_local std::vector<int> current;  // contexts
thread_local int capture_mode = 0;

int context() { return current.empty() ? 0 : current.back(); }

int fail(const char* function) {
  const auto found = failing.find(function);
  return found == failing.end() ? 0 : found->second;
}

void say(const std::string& line) { text += line + "\n"; }

std::string hex(const void* data, size_t size) {
  std::string found;
  char two[3];
  for (size_t i = 0; i < size; ++i) {
    std::snprintf(two, sizeof two, "%02x", static_cast<const unsigned char*>(data)[i]);
    found += two;
  }
  return found;
}

template <class T>
T at(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// FNV-1a, by which a test knows an image again.
uint64_t hash(const char* data, size_t size) {
  uint64_t found = 14695981039346656037u;
  for (size_t i = 0; i < size; ++i) found = (found ^ static_cast<unsigned char>(data[i])) * 1099511628211u;
  return found;
}

struct Section {
  std::string name;
  const char* data;
  uint64_t size;
};

// The sections of an ELF image, whose header says where it ends; empty where it is none.
std::vector<Section> sections(const char* image, uint64_t* size) {
  if (std::memcmp(image, "\177ELF", 4) != 0) return {};
  const uint64_t headers = at<uint64_t>(image + 0x28), programs = at<uint64_t>(image + 0x20);
  const uint16_t each = at<uint16_t>(image + 0x3a), count = at<uint16_t>(image + 0x3c);
  const uint64_t end = programs + uint64_t{at<uint16_t>(image + 0x36)} * at<uint16_t>(image + 0x38);
  *size = std::max(headers + uint64_t{each} * count, end);
  const char* of_names = image + headers + uint64_t{each} * at<uint16_t>(image + 0x3e);
  const char* names = image + at<uint64_t>(of_names + 0x18);
  std::vector<Section> found;
  for (int i = 0; i < count; ++i) {
    const char* header = image + headers + uint64_t{each} * i;
    found.push_back({names + at<uint32_t>(header), image + at<uint64_t>(header + 0x18), at<uint64_t>(header + 0x20)});
  }
  return found;
}

// What a kernel's attributes say of its parameters and of how many threads it is for.
void read_attributes(const Section& section, Function& function) {
  constexpr uint8_t kParameter = 0x17, kThreads = 0x10, kWithSize = 4;
  for (uint64_t place = 0; place + 4 <= section.size;) {
    const char* attribute = section.data + place;
    const uint16_t size = attribute[0] == kWithSize ? at<uint16_t>(attribute + 2) : 0;
    if (attribute[1] == kParameter) {
      const uint16_t ordinal = at<uint16_t>(attribute + 8);
      if (function.parameters.size() <= ordinal) function.parameters.resize(ordinal + 1);
      const uint32_t about = at<uint32_t>(attribute + 12);
      function.parameters[ordinal] = {at<uint16_t>(attribute + 10), static_cast<uint16_t>(about >> 18)};
    } else if (attribute[1] == kThreads) {
      function.threads = at<uint32_t>(attribute + 4);
    }
    place += 4 + size;
  }
}

}  // namespace

extern "C" {

// For tests: forget everything that was said, and what fails; the text so far; by what name an image goes in it; what
// is to fail; a device's compute capability, times ten; the thread's context, or none; how many it has; its capture
// mode.
void recording_reset() {
  const std::lock_guard<std::mutex> lock(mutex);
  text.clear();
  failing.clear();
}

int64_t recording_text(char* into, int64_t size) {
  const std::lock_guard<std::mutex> lock(mutex);
  std::snprintf(into, size, "%s", text.c_str());
  return static_cast<int64_t>(text.size());
}

uint64_t recording_hash(const char* image, int64_t size) { return hash(image, size); }

void recording_fail(const char* function, int result) {
  const std::lock_guard<std::mutex> lock(mutex);
  failing[function] = result;
}

void recording_device(int device, int capability) {
  const std::lock_guard<std::mutex> lock(mutex);
  capabilities[device] = capability;
}

void recording_current(int context) { current.assign(context ? 1 : 0, context); }

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

int cuStreamGetCtx(void* stream, void** found) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (const int error = fail("cuStreamGetCtx")) return error;
  *found = reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(stream) / 4096);
  return *found ? 0 : kInvalidContext;
}

int cuCtxGetCurrent(void** found) {
  *found = reinterpret_cast<void*>(static_cast<uintptr_t>(context()));
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
  const auto found = capabilities.find(device);
  const int capability = found == capabilities.end() ? 90 : found->second;
  *value = attribute == 75 ? capability / 10 : capability % 10;
  return 0;
}

int cuModuleLoadData(void** module, const void* image) {
  const std::lock_guard<std::mutex> lock(mutex);
  if (const int error = fail("cuModuleLoadData")) return error;
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
    Function& found = *functions.back();
    found.module = &module;
    found.symbol = name;
    read_attributes(section, found);
    *function = &found;
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
                    threads == function.threads && threads_y == 1 && threads_z == 1 && !extra;
  if (!fits || !function.module->loaded || function.module->context != context()) return kInvalidValue;
  std::string line = "launch " + std::to_string(context()) + " " + function.module->name + " " + function.symbol;
  for (const unsigned number : {x, y, z, threads, shared}) line += " " + std::to_string(number);
  line += " " + std::to_string(reinterpret_cast<uintptr_t>(stream));
  for (size_t i = 0; i < function.parameters.size(); ++i) {
    line += " " + hex(parameters[i], function.parameters[i].size);
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
