// Eq. 1 and Eq. 3, row by row of the relation.
//
// pair_counts.h counts the pairs of a batch, fraction.h has the measures. The arithmetic is that of obrl.measures and
// obrl.online, in the same order. This file is compiled without contraction to fused operations, so the accumulators
// equal NumPy's to the bit.

#include <algorithm>
#include <memory>
#include <new>

#include "obrl_cpu.h"
#include "pair_counts.h"
#include "parallel.h"

namespace obrl {
namespace {

constexpr int64_t kRowsOfTask = 16;
constexpr int64_t kTile = 64;  // side of the tiles in which pairs are added to their mirror images

bool is_symmetric(const obrl_relation& relation) { return kMeasures[relation.measure].symmetric; }

// Whether the relation of (i, j) equals that of (j, i) to the bit. Averages of counts are rounded in each direction.
bool mirrors_itself(const obrl_relation& relation) { return is_symmetric(relation) && !relation.counts; }

// Eq. 1 and Eq. 3 on rows of a relation in S, float or double.
template <class S>
class Rows {
 public:
  // `batch` is null where nothing moves. A pair is written to `pairs` as unit * (f_p + 4 f_n); `unit` is 2 where both
  // directions are equal, so that it is already the code.
  Rows(const obrl_relation& relation, const BatchCounts<S>* batch, uint8_t* pairs, int32_t unit)
      : sum_(static_cast<S*>(relation.sum)),
        weight_(static_cast<S*>(relation.weight)),
        num_labels_(relation.num_labels),
        matrix_(relation.num_labels * relation.num_labels),
        decay_less_one_(static_cast<S>(relation.decay - 1.0)),
        r_p_(static_cast<S>(relation.positive_threshold)),
        r_n_(static_cast<S>(relation.negative_threshold)),
        counts_(relation.counts != 0),
        unit_(static_cast<S>(unit)),
        batch_(batch),
        pairs_(pairs),
        of_batch_(batch && batch->exact() ? apply_of<S, true>(relation.measure) : apply_of<S, false>(relation.measure)),
        of_average_(apply_of<S, false>(relation.measure)) {}

  // Eq. 1 on a row, if there is a batch.
  void move(int64_t i) const {
    for (int64_t start = 0; batch_ && start < num_labels_; start += kColumns) {
      const int64_t size = std::min(kColumns, num_labels_ - start), at = i * num_labels_ + start;
      Counts<S> counts;
      batch_->read_row(i, start, size, counts);
      S value[kColumns], defined[kColumns];
      if (counts_) {
        for (int64_t j = 0; j < size; ++j) defined[j] = counts.n[j] > 0 ? S(1) : S(0);
        average(sum_ + at, counts.n, defined, size);
        average(sum_ + matrix_ + at, counts.s, defined, size);
        average(sum_ + 2 * matrix_ + at, counts.r, defined, size);
      } else {
        of_batch_(counts, size, value, defined);
        average(sum_ + at, value, defined, size);
      }
      for (int64_t j = 0; j < size; ++j) {
        weight_[at + j] = decay_of(defined[j]) * weight_[at + j] + defined[j];  // S <- lambda S + 1
      }
    }
  }

  // Eq. 3 on a row. With averaged counts all rows must have moved before, for c of (i, j) is r of (j, i).
  void select(int64_t i) const {
    for (int64_t start = 0; start < num_labels_; start += kColumns) {
      const int64_t size = std::min(kColumns, num_labels_ - start), at = i * num_labels_ + start;
      if (!counts_) {
        compare(sum_ + at, weight_ + at, size, pairs_ + at);
        continue;
      }
      Counts<S> counts;
      for (int64_t j = 0; j < size; ++j) {
        counts.n[j] = sum_[at + j];
        counts.s[j] = sum_[matrix_ + at + j];
        counts.r[j] = sum_[2 * matrix_ + at + j];
        counts.c[j] = sum_[2 * matrix_ + (start + j) * num_labels_ + i];
      }
      S value[kColumns], defined[kColumns];
      of_average_(counts, size, value, defined);
      compare(value, defined, size, pairs_ + at);
    }
    pairs_[i * num_labels_ + i] = 0;
  }

 private:
  // The decay where the batch relation is defined, else 1.
  S decay_of(S defined) const { return defined * decay_less_one_ + S(1); }

  // R_sb <- lambda R_sb + R_b where R_b is defined.
  void average(S* sum, const S* batch, const S* defined, int64_t size) const {
    for (int64_t j = 0; j < size; ++j) sum[j] = decay_of(defined[j]) * sum[j] + defined[j] * batch[j];
  }

  // R_g >= r_p without a division: R_sb >= r_p S where S > 0. With averaged counts S is 1 where R_g is defined.
  void compare(const S* sum, const S* weight, int64_t size, uint8_t* pairs) const {
    // Local copies: the compiler must assume that a store to `pairs` changes members, and would not vectorize.
    const S r_p = r_p_, r_n = r_n_, unit = unit_;
    int32_t code[kColumns];
    for (int64_t j = 0; j < size; ++j) {
      const S pair = (sum[j] >= r_p * weight[j] ? unit : S(0)) + (sum[j] <= r_n * weight[j] ? 4 * unit : S(0));
      code[j] = static_cast<int32_t>(weight[j] > 0 ? pair : S(0));
    }
    for (int64_t j = 0; j < size; ++j) pairs[j] = static_cast<uint8_t>(code[j]);
  }

  S *sum_, *weight_;
  int64_t num_labels_, matrix_;
  S decay_less_one_, r_p_, r_n_;
  bool counts_;
  S unit_;
  const BatchCounts<S>* batch_;
  uint8_t* pairs_;
  Apply<S> of_batch_, of_average_;
};

// The code of a pair from f_p + 4 f_n of (i, j) and of (j, i). Averages of counts are rounded, so the two directions of
// a symmetric measure may differ in the last digit: with `agree`, a pair is active where both are.
void symmetrize(const uint8_t* pairs, uint8_t* code, int64_t num_labels, bool agree, int64_t tile) {
  const int64_t tiles = (num_labels + kTile - 1) / kTile;
  const int64_t i0 = tile / tiles * kTile, j0 = tile % tiles * kTile;
  const int64_t i1 = std::min(i0 + kTile, num_labels), j1 = std::min(j0 + kTile, num_labels);
  for (int64_t i = i0; i < i1; ++i) {
    for (int64_t j = j0; j < j1; ++j) {
      const uint8_t one = pairs[i * num_labels + j], other = pairs[j * num_labels + i];
      code[i * num_labels + j] = agree ? static_cast<uint8_t>((one & other) * 2) : static_cast<uint8_t>(one + other);
    }
  }
}

// `pairs` has space for f_p + 4 f_n of each direction, or is null where both directions are equal.
template <class S>
void move(const Bits* bits, const double* counts, int64_t batch, const obrl_relation& relation, uint8_t* pairs,
          uint8_t* code, int32_t threads) {
  const int64_t num_labels = relation.num_labels, tasks = (num_labels + kRowsOfTask - 1) / kRowsOfTask;
  const BatchCounts<S> of_batch(bits, counts, batch, num_labels);
  const bool moves = bits || counts;
  const Rows<S> rows(relation, moves ? &of_batch : nullptr, pairs ? pairs : code, pairs ? 1 : 2);
  const double operations = double(num_labels) * double(num_labels) * (8.0 + (bits ? double(bits->words) : 0.0));
  threads = worth(operations, threads);
  const auto each = [&](auto&& run) {
    parallel(tasks, threads, [&](int64_t task, int32_t) {
      for (int64_t i = task * kRowsOfTask; i < std::min((task + 1) * kRowsOfTask, num_labels); ++i) run(i);
    });
  };
  if (relation.counts) {
    each([&](int64_t i) { rows.move(i); });
    each([&](int64_t i) { rows.select(i); });
  } else {
    each([&](int64_t i) {
      rows.move(i);
      rows.select(i);
    });
  }
  if (!pairs) return;
  const int64_t tiles = (num_labels + kTile - 1) / kTile;
  const bool agree = relation.counts && is_symmetric(relation);
  parallel(tiles * tiles, threads,
           [&](int64_t tile, int32_t) { symmetrize(pairs, code, num_labels, agree, tile); });
}

}  // namespace
}  // namespace obrl

int32_t obrl_count(const obrl_labels* labels, double* counts, int32_t threads) try {
  using namespace obrl;
  if (!is_dtype(labels->dtype)) return OBRL_UNKNOWN_NUMBER;
  const Bits bits = pack_labels(*labels);
  const int64_t num_labels = labels->num_labels, matrix = num_labels * num_labels;
  const BatchCounts<double> batch(&bits, nullptr, labels->batch, num_labels);
  threads = worth(double(matrix) * double(bits.words) * 4.0, threads);
  parallel(num_labels, threads, [&](int64_t i, int32_t) {
    Counts<double> row;
    for (int64_t start = 0; start < num_labels; start += kColumns) {
      const int64_t size = std::min(kColumns, num_labels - start), at = i * num_labels + start;
      batch.read_row(i, start, size, row);
      for (int64_t j = 0; j < size; ++j) {
        counts[at + j] = row.n[j];
        counts[matrix + at + j] = row.s[j];
        counts[2 * matrix + at + j] = row.r[j];
      }
    }
  });
  return OBRL_OK;
} catch (const std::bad_alloc&) {
  return OBRL_NO_MEMORY;
}

int32_t obrl_move(const obrl_labels* labels, const double* counts, const obrl_relation* relation, uint8_t* code,
                  int32_t threads) try {
  using namespace obrl;
  if (!is_measure(relation->measure) || !is_float(relation->dtype)) return OBRL_UNKNOWN_NUMBER;
  if (labels && !is_dtype(labels->dtype)) return OBRL_UNKNOWN_NUMBER;
  const int64_t batch = labels ? labels->batch : 0;
  const Bits bits = labels ? pack_labels(*labels) : Bits{};
  const int64_t size = mirrors_itself(*relation) ? 0 : relation->num_labels * relation->num_labels;
  const std::unique_ptr<uint8_t[]> pairs(size ? new uint8_t[size] : nullptr);
  if (relation->dtype == OBRL_FLOAT64) {
    move<double>(labels ? &bits : nullptr, counts, batch, *relation, pairs.get(), code, threads);
  } else {
    move<float>(labels ? &bits : nullptr, counts, batch, *relation, pairs.get(), code, threads);
  }
  return OBRL_OK;
} catch (const std::bad_alloc&) {
  return OBRL_NO_MEMORY;
}
