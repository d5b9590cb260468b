// The table of kernels, which `tools.cubins.build` describes and writes, and their cubins.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <limits>
#include <locale>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cuda_driver.h"

namespace obrl::cuda {

// The arguments of kernels, by their names in the table.
enum class Arg : int {
#define OBRL_ARGUMENTS(each)                                                                                          \
  each(targets) each(observed) each(counts) each(relation_sum) each(relation_weight) each(code) each(active)          \
  each(counter) each(arrivals) each(partials) each(decay_less_one) each(r_p) each(r_n) each(batch) each(num_labels)   \
  each(length) each(code_row) each(row) each(observed_row) each(packed) each(padded_batch) each(padded_labels)        \
  each(logits) each(sample_weight) each(pos_weight) each(alpha) each(total)                                           \
  each(cross_entropy) each(relation_loss) each(gradient) each(second_gradient) each(tiles) each(target_row)           \
  each(halves) each(degrees) each(products) each(parts) each(global_scratch) each(profile_scratch)
#define OBRL_NUMBER(name) name,
  OBRL_ARGUMENTS(OBRL_NUMBER)
#undef OBRL_NUMBER
  kCount
};
constexpr int kArgs = static_cast<int>(Arg::kCount);

#define OBRL_TEXT(name) #name,
constexpr const char* kTexts[] = {OBRL_ARGUMENTS(OBRL_TEXT)};
#undef OBRL_TEXT

inline const char* text_of(Arg name) { return kTexts[static_cast<int>(name)]; }

// An address, a size in 32 bits, or a number in float64.
enum class Kind : uint8_t { kNone, kAddress, kSize, kNumber };

struct Parameter {
  Arg name;
  Kind kind;
};

// The values of a kernel's arguments, each as the bytes that the kernel reads.
class Values {
 public:
  Values() { set(Arg::global_scratch, nullptr).set(Arg::profile_scratch, nullptr); }

  Values& set(Arg name, const void* address) { return put(name, Kind::kAddress, address); }
  Values& set(Arg name, double number) { return put(name, Kind::kNumber, number); }
  Values& set(Arg name, int64_t size) {
    if (size < 0 || size > std::numeric_limits<int32_t>::max()) {
      const std::string text = std::string(text_of(name)) + " does not fit in 32 bits: " + std::to_string(size);
      throw Failure(OBRL_CUDA_REFUSED, text);
    }
    return put(name, Kind::kSize, static_cast<int32_t>(size));
  }

  Kind kind(Arg name) const { return kinds_[static_cast<int>(name)]; }
  uint64_t bits(Arg name) const { return bits_[static_cast<int>(name)]; }

 private:
  template <class T>
  Values& put(Arg name, Kind kind, T value) {
    static_assert(sizeof value <= sizeof(uint64_t));
    kinds_[static_cast<int>(name)] = kind;
    __builtin_memcpy(&bits_[static_cast<int>(name)], &value, sizeof value);
    return *this;
  }

  std::array<uint64_t, kArgs> bits_{};
  std::array<Kind, kArgs> kinds_{};
};

// A line of the table: a cubin, and what a launch of it needs.
struct Kernel {
  std::string symbol;
  int64_t labels_from, labels_to, samples_from, samples_to;
  int64_t place, bytes;
  unsigned threads, shared;
  std::map<std::string, int64_t> blocks;
  const std::vector<Parameter>* parameters;
  size_t number;  // among those of its target

  bool is_for_labels(int64_t labels) const { return labels_from <= labels && labels <= labels_to; }

  bool is_for(int64_t samples, int64_t labels) const {
    return is_for_labels(labels) && samples_from <= samples && samples <= samples_to;
  }

  int64_t block(const char* name) const {
    const auto size = blocks.find(name);
    if (size != blocks.end()) return size->second;
    throw Failure(OBRL_CUDA_MISSING, symbol + " has no block size " + name + " in the table of kernels");
  }
};

// The kernels of one kind of device.
struct Target {
  int64_t at_once, most_parts;  // of products_kernel: see `wide_loss` in `obrl_torch.kernels.launch`
  double start_cost, part_cost;
  std::map<std::string, std::vector<Kernel>> kernels;
  size_t number_of_kernels = 0;
  std::vector<char> cubins;

  // The kernel of a key for these sizes.
  const Kernel& find(const std::string& key, int64_t samples, int64_t labels) const {
    const auto of_key = kernels.find(key);
    if (of_key != kernels.end()) {
      for (const Kernel& kernel : of_key->second) {
        if (kernel.is_for(samples, labels)) return kernel;
      }
    }
    throw Failure(OBRL_CUDA_MISSING, "there is no kernel " + key + " for " + std::to_string(labels) + " labels");
  }
};

class Table {
 public:
  explicit Table(const std::string& folder) : path_(folder + "/table.txt") {
    std::ifstream file(path_);
    if (!file) throw Failure(OBRL_CUDA_MISSING, "the table of kernels cannot be read: " + path_);
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      words.imbue(std::locale::classic());
      std::string what;
      words >> what;
      read(what, words, folder);
      if (words.fail()) throw wrong(line);
    }
    if (targets_.empty() || most_labels == 0) throw wrong("it ends early");
  }

  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  int64_t small_labels = 0, most_labels = 0, most_samples = 0;

  const std::map<int, Target>& targets() const { return targets_; }

  // The kernels that write codes, for every device. Kernels with the same symbol, label range and block sizes are
  // listed once.
  const std::vector<Kernel>& code_kernels() const { return code_kernels_; }

  // The kernels for a device of this compute capability; all devices of 8.x use those of 8.0.
  const Target& target(int major, int minor) const {
    const int capability = 10 * major + minor;
    const auto target = targets_.find(major == 8 ? 80 : capability);
    if (target != targets_.end()) return target->second;
    std::string all;
    for (const auto& each : targets_) all += (all.empty() ? "" : ", ") + (each.first == 80 ? "8.x" : name(each.first));
    throw Failure(OBRL_CUDA_MISSING, "there are no kernels for a device of compute capability " + name(capability) +
                                         ", only for " + all);
  }

 private:
  static std::string name(int capability) {
    return std::to_string(capability / 10) + "." + std::to_string(capability % 10);
  }

  Failure wrong(const std::string& what) const {
    return Failure(OBRL_CUDA_MISSING, "the table of kernels is not as it should be: " + path_ + ": " + what);
  }

  void read(const std::string& what, std::istringstream& words, const std::string& folder) {
    int number = 0;
    if (what == "obrl-cubins") {
      words >> number;
      if (number != 1) throw wrong("another form: " + std::to_string(number));
    } else if (what == "limits") {
      words >> small_labels >> most_labels >> most_samples;
    } else if (what == "parts") {
      words >> number;
      Target& target = targets_[number];
      words >> target.at_once >> target.most_parts >> target.start_cost >> target.part_cost;
    } else if (what == "bundle") {
      int64_t bytes;
      words >> number >> bytes;
      read_cubins(folder + "/sm_" + std::to_string(number) + ".bin", bytes, targets_[number].cubins);
    } else if (what == "arguments") {
      read_arguments(words);
    } else if (what == "kernel") {
      read_kernel(words);
    }
  }

  void read_cubins(const std::string& path, int64_t bytes, std::vector<char>& into) const {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    const int64_t size = file ? static_cast<int64_t>(file.tellg()) : 0;
    if (size != bytes) {
      throw Failure(OBRL_CUDA_MISSING, path + " has " + std::to_string(size) + " bytes where the table says " +
                                           std::to_string(bytes));
    }
    into.resize(static_cast<size_t>(bytes));
    file.seekg(0).read(into.data(), bytes);
    if (!file) throw Failure(OBRL_CUDA_MISSING, path + " cannot be read");
  }

  void read_arguments(std::istringstream& words) {
    std::string symbol;
    words >> symbol;
    std::vector<Parameter>& parameters = arguments_[symbol];
    for (std::string word; words >> word;) {
      const size_t colon = word.find(':');
      const std::string name = word.substr(0, colon), type = colon == std::string::npos ? "" : word.substr(colon + 1);
      int number = 0;
      while (number < kArgs && name != text_of(static_cast<Arg>(number))) ++number;
      if (number == kArgs) throw wrong("an argument that is not known: " + word);
      const Kind kind = type[0] == '*'   ? Kind::kAddress
                        : type == "i32"  ? Kind::kSize
                        : type == "fp64" ? Kind::kNumber
                                         : Kind::kNone;
      if (kind == Kind::kNone) throw wrong("a type that is not known: " + word);
      parameters.push_back({static_cast<Arg>(number), kind});
    }
    words.clear();  // the end of the line is no failure
  }

  void read_kernel(std::istringstream& words) {
    int number;
    std::string key;
    Kernel kernel;
    words >> number >> key >> kernel.symbol >> kernel.labels_from >> kernel.labels_to >> kernel.samples_from >>
        kernel.samples_to >> kernel.place >> kernel.bytes >> kernel.threads >> kernel.shared;
    if (words.fail()) return;
    for (std::string word; words >> word;) {
      const size_t equals = word.find('=');
      if (equals == std::string::npos) throw wrong(word);
      kernel.blocks[word.substr(0, equals)] = std::atoll(word.c_str() + equals + 1);
    }
    words.clear();
    const auto target = targets_.find(number);
    if (target == targets_.end()) throw wrong("a kernel for no target");
    const int64_t end = kernel.place + kernel.bytes;
    if (kernel.place < 0 || kernel.bytes <= 0 || end > static_cast<int64_t>(target->second.cubins.size())) {
      throw wrong(key + " lies outside of its file");
    }
    kernel.parameters = &arguments_[kernel.symbol];
    if (kernel.parameters->empty()) throw wrong(kernel.symbol + " has no arguments");
    kernel.number = target->second.number_of_kernels++;
    const std::string& symbol = kernel.symbol;
    if (symbol == "code_kernel" || symbol == "relation_kernel" || symbol == "wide_relation_kernel") {
      const auto alike = [&](const Kernel& other) {
        return other.symbol == symbol && other.labels_from == kernel.labels_from &&
               other.labels_to == kernel.labels_to && other.blocks == kernel.blocks;
      };
      if (std::none_of(code_kernels_.begin(), code_kernels_.end(), alike)) code_kernels_.push_back(kernel);
    }
    target->second.kernels[key].push_back(std::move(kernel));
  }

  std::string path_;
  std::map<int, Target> targets_;
  std::vector<Kernel> code_kernels_;
  std::map<std::string, std::vector<Parameter>> arguments_;  // kernels point to its elements
};

}  // namespace obrl::cuda
