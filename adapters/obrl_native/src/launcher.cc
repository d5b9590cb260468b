// The functions of `obrl_cuda.h`: what is launched for which sizes, and where in the scratch everything lies.
//
// A function first makes a list of what is to be done, with every check there is and every kernel loaded, and then
// enqueues it. Grids follow from the block sizes in the table of kernels. Those and the rules here are those of
// `obrl_torch.kernels.launch`; `tests/cubins/test_launches.py` compares the two.

#include <cstdio>
#include <mutex>
#include <optional>

#include "cubins.h"

namespace obrl::cuda {
namespace {

constexpr const char* kDriver = "libcuda.so.1";
constexpr unsigned kSharedForAll = 48 * 1024;  // what a launch may ask for without having said so
constexpr int64_t kPlace = 256;                // places in scratch begin at its multiples
constexpr int64_t kAligned = 16;               // what kernels take of addresses and of the rows of codes

int64_t blocks_of(int64_t size, int64_t block) { return (size + block - 1) / block; }

int64_t padded(int64_t size, int64_t block) { return blocks_of(size, block) * block; }

// The pairs I <= J of tiles of a (num_labels, num_labels) matrix.
int64_t tile_pairs(const Kernel& kernel, int64_t num_labels) {
  const int64_t along = blocks_of(num_labels, kernel.block("TILE"));
  return along * (along + 1) / 2;
}

// The driver, the kernels, and what of them is loaded in which context.
class State {
 public:
  State(const char* cubins, const char* driver) : table(cubins), driver(driver ? driver : kDriver) {}

  // That of the current context; `id` is the context's.
  const Target& target(unsigned long long id) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return *loaded(id).target;
  }

  CUfunction function(unsigned long long id, const Kernel& kernel) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Loaded& here = loaded(id);
    CUfunction& function = here.functions[kernel.number];
    if (!function) function = load(*here.target, kernel);
    return function;
  }

  const Table table;
  const Driver driver;

 private:
  struct Loaded {
    const Target* target = nullptr;
    std::vector<CUfunction> functions;  // by the number of the kernel; null where it has not been needed
  };

  Loaded& loaded(unsigned long long id) {
    Loaded& here = contexts_[id];
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
  std::map<unsigned long long, Loaded> contexts_;
};

std::mutex start_mutex;
State* started = nullptr;  // stays until the process ends, for other threads may call until then

State* state_or_null() {
  const std::lock_guard<std::mutex> lock(start_mutex);
  return started;
}

State& state() {
  if (State* found = state_or_null()) return *found;
  throw Failure(OBRL_CUDA_MISSING, "obrl_cuda_start has not been called, or failed");
}

// What a call is to do, in its order.
class Work {
 public:
  Work(State& state, obrl_cuda_call& call)
      : state_(state),
        stream_(static_cast<CUstream>(call.stream)),
        current_(state.driver, stream_),
        target_(state.target(current_.id())) {}

  const Target& target() const { return target_; }

  void copy(float* to, const float* from, int64_t numbers) {
    if (to == from) return;
    steps_.push_back({});
    Step& step = steps_.back();
    step.to = reinterpret_cast<CUdeviceptr>(to);
    step.from = reinterpret_cast<CUdeviceptr>(from);
    step.size = static_cast<size_t>(numbers) * sizeof(float);
  }

  void zero(const void* to, int64_t numbers) {
    if (numbers == 0) return;
    steps_.push_back({});
    steps_.back().to = reinterpret_cast<CUdeviceptr>(to);
    steps_.back().size = static_cast<size_t>(numbers);
  }

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
    CUdeviceptr to = 0, from = 0;  // `from` is 0 where zeros are written
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

// Scratch, dealt out from its beginning: sizes first, addresses once there is an array.
class Places {
 public:
  int64_t take(int64_t bytes) {
    const int64_t place = bytes_;
    bytes_ += padded(bytes, kPlace);
    return place;
  }

  int64_t bytes() const { return bytes_; }

 private:
  int64_t bytes_ = 0;
};

// An address that kernels may read from or write to.
template <class T>
T* checked(T* address, const char* name) {
  if (!address) throw Failure(OBRL_CUDA_REFUSED, std::string(name) + " is null");
  if (reinterpret_cast<uintptr_t>(address) % kAligned) {
    throw Failure(OBRL_CUDA_REFUSED, std::string(name) + " does not begin at a multiple of 16 bytes");
  }
  return address;
}

char* checked_scratch(const obrl_cuda_call& call, int64_t bytes) {
  if (call.scratch_bytes < bytes) {
    throw Failure(OBRL_CUDA_REFUSED, "the scratch must have at least " + std::to_string(bytes) + " bytes, got " +
                                         std::to_string(call.scratch_bytes));
  }
  return static_cast<char*>(checked(call.scratch, "scratch"));
}

bool in_range(const Table& table, int64_t batch, int64_t num_labels) {
  return 1 <= num_labels && num_labels <= table.most_labels && 0 <= batch && batch <= table.most_samples;
}

void check_sizes(const Table& table, int64_t batch, int64_t num_labels) {
  if (!in_range(table, batch, num_labels)) {
    throw Failure(OBRL_CUDA_REFUSED, "expected 1 to " + std::to_string(table.most_labels) + " labels and at most " +
                                         std::to_string(table.most_samples) + " samples, got " +
                                         std::to_string(num_labels) + " and " + std::to_string(batch));
  }
}

int64_t code_row(int64_t num_labels) { return padded(num_labels, kAligned); }

// How many numbers of active pairs there is room for behind codes: as many as any kernel writes.
int64_t active_numbers(const Table& table, int64_t num_labels) {
  int64_t most = 0;
  for (const Kernel& kernel : table.coders()) {
    if (kernel.is_for_labels(num_labels)) most = std::max(most, tile_pairs(kernel, num_labels));
  }
  return most;
}

// Where everything lies in the scratch of a move.
struct MoveScratch {
  int64_t counter, arrivals = 0, partials = 0, packed = 0, bytes = 0;
  int64_t padded_batch = 0, padded_labels = 0;  // of the packed targets

  MoveScratch(const Kernel& kernel, int64_t batch, int64_t num_labels) {
    Places places;
    counter = places.take(sizeof(int32_t));
    if (kernel.symbol == "relation_kernel") {
      const int64_t pairs = tile_pairs(kernel, num_labels), tile = kernel.block("TILE");
      arrivals = places.take(pairs * static_cast<int64_t>(sizeof(int32_t)));
      partials = places.take(pairs * kernel.block("PARTS") * 4 * tile * tile * static_cast<int64_t>(sizeof(float)));
    } else if (kernel.symbol == "wide_relation_kernel") {
      padded_batch = padded(batch, kernel.block("ROWS"));
      padded_labels = padded(num_labels, kernel.block("TILE"));
      packed = places.take(2 * padded_labels * padded_batch);
    }
    bytes = places.bytes();
  }
};

// How the products of a loss on many labels are dealt out: `wide_loss` in `obrl_torch.kernels.launch`.
struct Products {
  int64_t rows, tiles, parts, length, padded_batch, padded_labels;

  Products(const Target& target, int64_t batch, int64_t num_labels) {
    const Kernel& kernel = target.find("products", batch, num_labels);
    const Kernel& halves = target.find("halves", batch, num_labels);
    rows = blocks_of(batch, kernel.block("ROWS"));
    tiles = blocks_of(num_labels, kernel.block("TILE"));
    padded_batch = rows * kernel.block("ROWS");
    double least = std::numeric_limits<double>::infinity();
    int64_t wanted = 1;
    for (int64_t number = 1; number <= target.most_parts; ++number) {
      const double waves = static_cast<double>(blocks_of(rows * tiles * number, target.at_once));
      const double run = waves * (static_cast<double>(num_labels) / static_cast<double>(number) + target.start_cost);
      const double cost = run + static_cast<double>(number * padded_batch * num_labels) * target.part_cost;
      if (cost < least) {
        least = cost;
        wanted = number;
      }
    }
    length = padded(blocks_of(num_labels, wanted), kernel.block("STEP"));
    parts = blocks_of(num_labels, length);
    padded_labels = padded(std::max(tiles * kernel.block("TILE"), parts * length), halves.block("LABELS"));
  }
};

// Where everything lies in the scratch of a loss.
struct LossScratch {
  int64_t counter, term, gradient = 0, partials, halves = 0, degrees = 0, products = 0, bytes;

  // `unwanted` is whether a gradient is written that nobody wants.
  LossScratch(const Kernel& last, const std::optional<Products>& wide, int64_t batch, int64_t num_labels,
              bool unwanted) {
    constexpr int64_t kFloat = sizeof(float), kHalf = 2;
    Places places;
    counter = places.take(sizeof(int32_t));
    term = places.take(batch * kFloat);
    if (unwanted) gradient = places.take(batch * num_labels * kFloat);
    partials = places.take(2 * blocks_of(num_labels, last.block("TILE")) * batch * kFloat);
    if (wide) {
      const int64_t matrix = wide->padded_batch * wide->padded_labels;
      halves = places.take(6 * matrix * kHalf);
      degrees = places.take(2 * num_labels * kFloat);
      products = places.take(wide->parts * 3 * matrix * kFloat);
    }
    bytes = places.bytes();
  }
};

bool is_unwanted(bool joint, int32_t gradients) { return !joint || gradients == OBRL_NO_GRADIENT; }

const char* const kMeasures[] = {"pearson", "unit_pearson", "matching", "cosine",
                                 "jaccard", "conditional",  "yule_q",   "phi_ratio"};

std::string relation_key(const char* what, const obrl_cuda_relation& relation) {
  if (relation.measure < 0 || relation.measure >= static_cast<int32_t>(std::size(kMeasures))) {
    throw Failure(OBRL_CUDA_REFUSED, "there is no measure " + std::to_string(relation.measure));
  }
  return std::string(what) + "/" + kMeasures[relation.measure] + (relation.average_counts ? "/counts" : "/batch");
}

// The targets of a batch, as every kernel that counts them takes them.
void set_targets(Values& values, const float* targets, int64_t batch, int64_t num_labels) {
  values.set(Arg::targets, targets).set(Arg::observed, targets).set(Arg::batch, batch).set(Arg::num_labels, num_labels);
  values.set(Arg::row, num_labels).set(Arg::observed_row, int64_t{0});
}

void count(State& state, const float* targets, int64_t batch, int64_t num_labels, float* counts, obrl_cuda_call& call) {
  check_sizes(state.table, batch, num_labels);
  checked(counts, "counts");
  Values values;
  set_targets(values, batch ? checked(targets, "targets") : counts, batch, num_labels);
  values.set(Arg::counts, counts);
  Work work(state, call);
  const Kernel& kernel = work.target().find("count", batch, num_labels);
  work.launch(kernel, values, tile_pairs(kernel, num_labels));
  work.enqueue();
}

void move(State& state, const obrl_cuda_relation& relation, obrl_cuda_call& call) {
  const int64_t num_labels = relation.num_labels, batch = relation.targets ? relation.batch : 0;
  check_sizes(state.table, batch, num_labels);
  if (relation.targets && relation.counts) throw Failure(OBRL_CUDA_REFUSED, "both targets and counts are given");
  const bool by_targets = batch > 0, moves = by_targets || relation.counts;
  const bool writes = moves || relation.new_sum || relation.new_weight;
  const float* sum = checked(relation.sum, "sum");
  const float* weight = checked(relation.weight, "weight");
  if (writes) {
    sum = checked(relation.new_sum, "new_sum");
    weight = checked(relation.new_weight, "new_weight");
  }
  uint8_t* pairs = checked(relation.pairs, "pairs");
  const bool wide = num_labels > state.table.small_labels;
  const char* what = !moves ? "code" : !by_targets ? "move_by_counts" : wide ? "wide_relation" : "relation";

  Work work(state, call);
  const Kernel& kernel = work.target().find(relation_key(what, relation), batch, num_labels);
  const MoveScratch places(kernel, batch, num_labels);
  char* scratch = checked_scratch(call, places.bytes);
  int32_t* numbers = reinterpret_cast<int32_t*>(pairs + num_labels * code_row(num_labels));
  const int64_t written = tile_pairs(kernel, num_labels);

  Values values;
  values.set(Arg::relation_sum, sum).set(Arg::relation_weight, weight).set(Arg::code, pairs).set(Arg::active, numbers);
  values.set(Arg::counter, scratch + places.counter).set(Arg::decay_less_one, moves ? relation.decay - 1.0 : 0.0);
  values.set(Arg::r_p, relation.positive_threshold).set(Arg::r_n, relation.negative_threshold);
  values.set(Arg::num_labels, num_labels).set(Arg::code_row, code_row(num_labels));
  values.set(Arg::counts, relation.counts ? checked(relation.counts, "counts") : weight);
  if (by_targets) set_targets(values, checked(relation.targets, "targets"), batch, num_labels);

  const int64_t matrix = num_labels * num_labels;
  if (writes) {
    work.copy(relation.new_sum, relation.sum, relation.average_counts ? 3 * matrix : matrix);
    work.copy(relation.new_weight, relation.weight, matrix);
  }
  work.zero(numbers + written, active_numbers(state.table, num_labels) - written);
  if (by_targets && !wide) {
    const int64_t parts = kernel.block("PARTS");
    values.set(Arg::arrivals, scratch + places.arrivals).set(Arg::partials, scratch + places.partials);
    values.set(Arg::length, padded(blocks_of(batch, parts), kernel.block("ROWS")));
    work.zero(scratch + places.arrivals, written);
    work.launch(kernel, values, written, parts);
  } else {
    if (by_targets) {
      values.set(Arg::packed, scratch + places.packed);
      values.set(Arg::padded_batch, places.padded_batch).set(Arg::padded_labels, places.padded_labels);
      const Kernel& pack = work.target().find("pack", batch, num_labels);
      work.launch(pack, values, blocks_of(places.padded_batch, pack.block("ROWS")),
                  blocks_of(places.padded_labels, pack.block("LABELS")));
    }
    work.launch(kernel, values, written);
  }
  work.enqueue();
}

void loss(State& state, const obrl_cuda_loss_arguments& given, obrl_cuda_call& call) {
  const int64_t batch = given.batch, num_labels = given.num_labels;
  check_sizes(state.table, batch, num_labels);
  if (given.gradients < OBRL_NO_GRADIENT || given.gradients > OBRL_PARTS) {
    throw Failure(OBRL_CUDA_REFUSED, "there is no choice of gradients " + std::to_string(given.gradients));
  }
  if (batch == 0) return;
  const bool joint = given.targets, parts = !joint || given.gradients == OBRL_PARTS;
  const bool wide = num_labels > state.table.small_labels;
  const bool unwanted = is_unwanted(joint, given.gradients);

  Work work(state, call);
  const Target& target = work.target();
  const std::string key = std::string(wide ? "wide_loss" : "loss") +
                          (given.active_pairs ? "/active_pairs" : "/all_pairs") + (parts ? "/parts" : "/total");
  const Kernel& last = target.find(key, batch, num_labels);
  std::optional<Products> products;
  if (wide) products.emplace(target, batch, num_labels);
  const LossScratch places(last, products, batch, num_labels, unwanted);
  char* scratch = checked_scratch(call, places.bytes);
  const float* x = checked(given.logits, "logits");
  const uint8_t* codes = checked(given.pairs, "pairs");
  const auto term = [&](float* address, const char* name) -> const void* {
    return address ? checked(address, name) : static_cast<const void*>(scratch + places.term);
  };

  Values values;
  values.set(Arg::logits, x).set(Arg::targets, joint ? checked(given.targets, "targets") : x).set(Arg::observed, x);
  values.set(Arg::sample_weight, checked(given.sample_weight, "sample_weight"));
  values.set(Arg::pos_weight, joint || given.pos_weight ? checked(given.pos_weight, "pos_weight") : x);
  values.set(Arg::pairs, codes).set(Arg::second_pairs, codes).set(Arg::code, codes).set(Arg::alpha, given.alpha);
  values.set(Arg::active, codes + num_labels * code_row(num_labels));
  values.set(Arg::tiles, active_numbers(state.table, num_labels));
  values.set(Arg::total, term(given.total, "total"));
  values.set(Arg::cross_entropy, term(given.cross_entropy, "cross_entropy"));
  values.set(Arg::relation_loss, term(given.relation_loss, "relation_loss"));
  const void* nowhere = scratch + places.gradient;
  const bool wanted = given.gradients != OBRL_NO_GRADIENT;
  const void* first = wanted ? checked(given.gradient, "gradient") : nowhere;
  values.set(Arg::gradient, joint ? first : nowhere);
  const bool second = joint && parts;
  values.set(Arg::second_gradient, second ? checked(given.relation_gradient, "relation_gradient") : first);
  values.set(Arg::partials, scratch + places.partials).set(Arg::counter, scratch + places.counter);
  values.set(Arg::batch, batch).set(Arg::num_labels, num_labels).set(Arg::code_row, code_row(num_labels));
  values.set(Arg::row, num_labels).set(Arg::target_row, num_labels).set(Arg::observed_row, int64_t{0});

  work.zero(scratch + places.counter, 1);
  if (wide) {
    values.set(Arg::halves, scratch + places.halves).set(Arg::degrees, scratch + places.degrees);
    values.set(Arg::products, scratch + places.products).set(Arg::parts, products->parts);
    values.set(Arg::length, products->length);
    values.set(Arg::padded_batch, products->padded_batch).set(Arg::padded_labels, products->padded_labels);
    const Kernel& split = target.find("halves", batch, num_labels);
    work.launch(split, values, blocks_of(products->padded_batch, split.block("ROWS")),
                blocks_of(products->padded_labels, split.block("LABELS")));
    const Kernel& sums = target.find("degrees", batch, num_labels);
    work.launch(sums, values, blocks_of(num_labels, sums.block("LABELS")));
    work.launch(target.find("products", batch, num_labels), values, products->rows, products->tiles, products->parts);
  }
  work.launch(last, values, blocks_of(batch, last.block("ROWS")), blocks_of(num_labels, last.block("TILE")));
  work.enqueue();
}

// Run something that may raise, and say as a status and a text how it ended.
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

// A size that `run` finds for the kernels of every kind of device: the largest of them; -1 where there is none.
template <class Run>
int64_t largest(int64_t batch, int64_t num_labels, Run&& run) noexcept try {
  const State* found = state_or_null();
  if (!found || !in_range(found->table, batch, num_labels)) return -1;
  return run(found->table);
} catch (const std::exception&) {
  return -1;
}

}  // namespace
}  // namespace obrl::cuda

int32_t obrl_cuda_start(const char* cubins, const char* driver, char* error, int64_t error_bytes) {
  using namespace obrl::cuda;
  return guarded(error, error_bytes, [&] {
    const std::lock_guard<std::mutex> lock(start_mutex);
    if (!started) started = new State(cubins, driver);
  });
}

int64_t obrl_cuda_pairs_bytes(int64_t num_labels) {
  using namespace obrl::cuda;
  return largest(0, num_labels, [&](const Table& table) {
    const int64_t numbers = active_numbers(table, num_labels);
    return num_labels * code_row(num_labels) + numbers * static_cast<int64_t>(sizeof(int32_t));
  });
}

int64_t obrl_cuda_move_scratch(int64_t batch, int64_t num_labels) {
  using namespace obrl::cuda;
  return largest(batch, num_labels, [&](const Table& table) {
    int64_t most = 0;
    for (const Kernel& kernel : table.coders()) {
      if (kernel.is_for(batch, num_labels) && (batch || kernel.symbol == "code_kernel")) {
        most = std::max(most, MoveScratch(kernel, batch, num_labels).bytes);
      }
    }
    return most;
  });
}

int64_t obrl_cuda_loss_scratch(int64_t batch, int64_t num_labels, int32_t joint, int32_t gradients) {
  using namespace obrl::cuda;
  return largest(batch, num_labels, [&](const Table& table) {
    const bool wide = num_labels > table.small_labels;
    int64_t most = 0;
    for (const auto& [capability, target] : table.targets()) {
      const Kernel& last = target.find(wide ? "wide_loss/all_pairs/total" : "loss/all_pairs/total", batch, num_labels);
      std::optional<Products> products;
      if (wide) products.emplace(target, batch, num_labels);
      const bool unwanted = is_unwanted(joint, gradients);
      most = std::max(most, LossScratch(last, products, batch, num_labels, unwanted).bytes);
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
