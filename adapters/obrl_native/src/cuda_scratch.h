// The sizes of a call: checks of sizes and addresses, and the places in the scratch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "cubins.h"
#include "cuda_driver.h"

namespace obrl::cuda {

constexpr int64_t kPlace = 256;   // places in the scratch begin at multiples of it
constexpr int64_t kAligned = 16;  // addresses and rows of codes are multiples of it

inline int64_t blocks_of(int64_t size, int64_t block) { return (size + block - 1) / block; }

inline int64_t padded(int64_t size, int64_t block) { return blocks_of(size, block) * block; }

// The number of pairs I <= J of tiles of a (num_labels, num_labels) matrix.
inline int64_t tile_pairs(const Kernel& kernel, int64_t num_labels) {
  const int64_t along = blocks_of(num_labels, kernel.block("TILE"));
  return along * (along + 1) / 2;
}

// Assigns places in the scratch one after the other. A place is an offset, so that sizes are known without an array.
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

// An address that a kernel may use: neither null nor misaligned. Else raises, with its name.
template <class T>
T* checked(T* address, const char* name) {
  if (!address) throw Failure(OBRL_CUDA_REFUSED, std::string(name) + " is null");
  if (reinterpret_cast<uintptr_t>(address) % kAligned) {
    throw Failure(OBRL_CUDA_REFUSED, std::string(name) + " does not begin at a multiple of 16 bytes");
  }
  return address;
}

inline char* checked_scratch(const obrl_cuda_call& call, int64_t bytes) {
  if (call.scratch_bytes < bytes) {
    throw Failure(OBRL_CUDA_REFUSED, "the scratch must have at least " + std::to_string(bytes) + " bytes, got " +
                                         std::to_string(call.scratch_bytes));
  }
  return static_cast<char*>(checked(call.scratch, "scratch"));
}

inline bool in_range(const Table& table, int64_t batch, int64_t num_labels) {
  return 1 <= num_labels && num_labels <= table.most_labels && 0 <= batch && batch <= table.most_samples;
}

inline void check_sizes(const Table& table, int64_t batch, int64_t num_labels) {
  if (!in_range(table, batch, num_labels)) {
    throw Failure(OBRL_CUDA_REFUSED, "expected 1 to " + std::to_string(table.most_labels) + " labels and at most " +
                                         std::to_string(table.most_samples) + " samples, got " +
                                         std::to_string(num_labels) + " and " + std::to_string(batch));
  }
}

// Bytes from row to row of the codes.
inline int64_t code_row(int64_t num_labels) { return padded(num_labels, kAligned); }

// The size of the array behind the codes for numbers of active pairs: as many as any kernel writes.
inline int64_t active_numbers(const Table& table, int64_t num_labels) {
  int64_t most = 0;
  for (const Kernel& kernel : table.code_kernels()) {
    if (kernel.is_for_labels(num_labels)) most = std::max(most, tile_pairs(kernel, num_labels));
  }
  return most;
}

// The places in the scratch of a move.
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

// The parts and sizes of the products of a loss on many labels: those of `wide_loss` in `obrl_torch.kernels.launch`.
struct Products {
  int64_t rows, tiles, parts, length, padded_batch, padded_labels;

  Products(const Target& target, int64_t batch, int64_t num_labels) {
    const Kernel& kernel = target.find("products", batch, num_labels);
    const Kernel& halves = target.find("halves", batch, num_labels);
    rows = blocks_of(batch, kernel.block("ROWS"));
    tiles = blocks_of(num_labels, kernel.block("TILE"));
    padded_batch = rows * kernel.block("ROWS");
    double least = std::numeric_limits<double>::infinity();
    int64_t best = 1;
    for (int64_t number = 1; number <= target.most_parts; ++number) {
      const double waves = static_cast<double>(blocks_of(rows * tiles * number, target.at_once));
      const double run = waves * (static_cast<double>(num_labels) / static_cast<double>(number) + target.start_cost);
      const double cost = run + static_cast<double>(number * padded_batch * num_labels) * target.part_cost;
      if (cost < least) {
        least = cost;
        best = number;
      }
    }
    length = padded(blocks_of(num_labels, best), kernel.block("STEP"));
    parts = blocks_of(num_labels, length);
    padded_labels = padded(std::max(tiles * kernel.block("TILE"), parts * length), halves.block("LABELS"));
  }
};

// The places in the scratch of a loss.
struct LossScratch {
  int64_t counter, term, gradient = 0, partials, halves = 0, degrees = 0, products = 0, bytes;

  // `has_spare` is whether a gradient that the caller does not want is written to the scratch.
  LossScratch(const Kernel& last, const std::optional<Products>& wide, int64_t batch, int64_t num_labels,
              bool has_spare) {
    constexpr int64_t kFloat = sizeof(float), kHalf = 2;
    Places places;
    counter = places.take(sizeof(int32_t));
    term = places.take(batch * kFloat);
    if (has_spare) gradient = places.take(batch * num_labels * kFloat);
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

// Whether the kernels write a gradient that the caller does not want.
inline bool has_spare_gradient(bool joint, int32_t gradients) {
  return !joint || gradients == OBRL_NO_GRADIENT;
}

}  // namespace obrl::cuda
