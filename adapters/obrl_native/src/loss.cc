// Eq. 2 and Eq. 4 with their gradients, a block of samples at a time. Blocks share nothing, so threads take them in any
// order.
//
// Logits, targets and gradients lie row by row, one sample after the other, and Eq. 4 is computed in that order. The
// pairs of Eq. 2 are computed label by label, with the samples of a block side by side in vectors, one active pair
// after the other. vector.h has both layouts.
//
// Only differences of probabilities occur in Eq. 2, so they are centred: q = p - 1/2. Let a and b be the parts of a
// pair's code, twice its symmetric weights, and d = q_i - q_j. An unordered pair adds to one sample
//
//     a d^2 + b (1 - d^2)^2,
//
// and its derivative with respect to q_i is 2 f with f = (a - 2 b (1 - d^2)) d, that with respect to q_j is -2 f. An
// active pair costs some nine operations a sample, about as many as the four matrix products of obrl.algebra spend on a
// pair, and a pair that is not active costs nothing.

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <vector>

#include "obrl_cpu.h"
#include "parallel.h"
#include "vector.h"

namespace obrl {
namespace {

constexpr int64_t kLabelTile = 32;  // labels j whose q and slopes stay in the first-level cache

// The active pairs of a relation.
class ActivePairs {
 public:
  // `code` is that of obrl_move, which must outlive this.
  ActivePairs(const uint8_t* code, int64_t num_labels) : code_(code), num_labels_(num_labels) {
    for (int64_t i = 0; i < num_labels; ++i) {
      const uint8_t* row = code + i * num_labels;
      int32_t twice_of_label = 0;
      for (int64_t j = 0; j < num_labels; ++j) twice_of_label += (row[j] & 3) + (row[j] >> 2);
      twice_ordered_ += twice_of_label;
      if (twice_of_label) labels_.push_back(i);
    }
  }

  // The labels with an active pair, in ascending order.
  const std::vector<int64_t>& labels() const { return labels_; }

  // The number of ordered active pairs; a pair whose directions differ counts half.
  double ordered() const { return 0.5 * double(twice_ordered_); }

  // Add Eq. 2, without its factor, to `values`, one for each sample, and f to `slope`. Both q and `slope` lie label by
  // label.
  template <class T>
  void add_terms(const Buffer<T>& q, const Buffer<T>& slope, Doubles<T>* values) const {
    for (int64_t first = 0; first < num_labels_; first += kLabelTile) {
      const int64_t last = std::min(first + kLabelTile, num_labels_);
      for (const int64_t i : labels_) {
        if (i + 1 >= last) break;
        const int64_t from = std::max(i + 1, first);
        if (any(code_ + i * num_labels_ + from, last - from)) {
          add_pairs_of<T>(i, from, last, q.vectors(), slope.vectors(), values);
        }
      }
    }
  }

 private:
  static bool any(const uint8_t* code, int64_t count) {
    uint8_t bits = 0;
    for (int64_t j = 0; j < count; ++j) bits |= code[j];
    return bits != 0;
  }

  // The pairs of label i with labels j in [from, last).
  template <class T>
  void add_pairs_of(int64_t i, int64_t from, int64_t last, const V<T>* q, V<T>* slope, Doubles<T>* values) const {
    const uint8_t* code = code_ + i * num_labels_;
    V<T> q_i[kVectors], slope_i[kVectors], value[kVectors];
    for (int k = 0; k < kVectors; ++k) {
      q_i[k] = q[i * kVectors + k];
      slope_i[k] = slope[i * kVectors + k];
      value[k] = V<T>{};
    }
    for (int64_t j = from; j < last; ++j) {
      if (!code[j]) continue;
      const T a = T(code[j] & 3), b = T(code[j] >> 2);
      for (int k = 0; k < kVectors; ++k) {
        const V<T> d = q_i[k] - q[j * kVectors + k];
        const V<T> d2 = d * d;
        const V<T> e = T(1) - d2;
        const V<T> be = b * e;
        value[k] += a * d2;
        value[k] += be * e;
        const V<T> t = a - T(2) * be;
        slope_i[k] += t * d;
        slope[j * kVectors + k] -= t * d;
      }
    }
    for (int k = 0; k < kVectors; ++k) {
      slope[i * kVectors + k] = slope_i[k];
      values[k] += __builtin_convertvector(value[k], Doubles<T>);
    }
  }

  const uint8_t* code_;
  int64_t num_labels_, twice_ordered_ = 0;
  std::vector<int64_t> labels_;
};

// What a thread computes of a block. Row by row: Eq. 4, and q. Label by label: q again, and in `slope` the sum of f,
// then the gradient of L_B with respect to the logits.
template <class T>
struct Scratch {
  explicit Scratch(int64_t size) : cross_entropy(size), q_by_row(size), q_by_label(size), slope(size) {}
  Buffer<T> cross_entropy, q_by_row, q_by_label, slope;
};

template <class T>
class Loss {
 public:
  explicit Loss(const obrl_loss_arguments& arguments)
      : arguments_(arguments),
        num_labels_(arguments.num_labels),
        logits_(static_cast<const T*>(arguments.logits)),
        weights_(static_cast<const T*>(arguments.sample_weight)),
        joint_(arguments.joint != 0),
        share_(arguments.reduction == OBRL_MEAN && arguments.batch ? 1.0 / double(arguments.batch) : 1.0),
        pairs_(arguments.code, arguments.num_labels),
        layouts_(pairs_.labels(), arguments.num_labels),
        entropies_(arguments.batch),
        relations_(arguments.batch) {
    const double all_pairs = double(num_labels_) * double(num_labels_);
    scale_ = 0.5 / (arguments.active_pairs ? (pairs_.ordered() > 0 ? pairs_.ordered() : 1.0) : all_pairs);
    if (const auto* pos_weight = static_cast<const T*>(arguments.pos_weight)) {
      // Repeated for each row of a block, so that vectors need not end with a row.
      T* to = pos_weights_.emplace(num_labels_ * kBlock<T>).get();
      for (int64_t at = 0; at < num_labels_ * kBlock<T>; ++at) to[at] = pos_weight[at % num_labels_];
    }
    adds_ = joint_ && arguments.gradients != OBRL_PARTS;
    auto* gradient = static_cast<T*>(arguments.gradients == OBRL_NO_GRADIENT ? nullptr : arguments.gradient);
    entropy_gradient_ = joint_ ? gradient : nullptr;
    relation_gradient_ = !joint_ || adds_ ? gradient : static_cast<T*>(arguments.relation_gradient);
    relation_factor_ = adds_ ? T(arguments.alpha) : T(1);
  }

  void run(int32_t threads) {
    const int64_t blocks = (arguments_.batch + kBlock<T> - 1) / kBlock<T>;
    const double of_pairs = pairs_.ordered() / 2 * 9 * kVectors, of_labels = double(num_labels_) * 6 * kBlock<T>;
    threads = worth(double(blocks) * (of_pairs + of_labels), threads);
    threads = static_cast<int32_t>(std::min<int64_t>(threads, blocks ? blocks : 1));
    std::vector<Scratch<T>> scratch;
    scratch.reserve(threads);
    for (int32_t worker = 0; worker < threads; ++worker) scratch.emplace_back(layouts_.size());
    parallel(blocks, threads, [&](int64_t block, int32_t worker) {
      const int64_t first = block * kBlock<T>, rows = std::min<int64_t>(kBlock<T>, arguments_.batch - first);
      if (arguments_.target_dtype == OBRL_UINT8) {
        run_block<uint8_t>(first, rows, scratch[worker]);
      } else {
        run_block<T>(first, rows, scratch[worker]);
      }
    });
    reduce();
  }

 private:
  template <class Y>
  void run_block(int64_t first, int64_t rows, const Scratch<T>& scratch) {
    evaluate_probabilities<Y>(first * num_labels_, rows * num_labels_, scratch);
    for (int64_t row = 0; joint_ && row < rows; ++row) {
      finish_entropy(first + row, scratch.cross_entropy.get() + row * num_labels_);
    }
    layouts_.gather(rows, scratch.q_by_row.get(), scratch.q_by_label.vectors());
    layouts_.clear(scratch.slope.vectors());
    Doubles<T> values[kVectors] = {};
    pairs_.add_terms(scratch.q_by_label, scratch.slope, values);
    std::memcpy(&relations_[first], values, rows * sizeof(double));
    if (relation_gradient_) add_relation_gradient(first, rows, scratch);
  }

  // q = p - 1/2 for `count` logits from `first` on; with targets also Eq. 4 and its slope, which is written to the
  // gradient of L_E.
  template <class Y>
  void evaluate_probabilities(int64_t first, int64_t count, const Scratch<T>& scratch) const {
    const T* logits = logits_ + first;
    const auto* targets = static_cast<const Y*>(arguments_.targets) + (joint_ ? first : 0);
    const uint8_t* observed = arguments_.observed ? arguments_.observed + first : nullptr;
    const V<T> zero{};
    for (int64_t at = 0; at < count; at += Vector<T>::kWidth) {
      const int64_t left = count - at;
      const V<T> x = load<T>(logits + at, left);
      const Logistic<T> logistic(x);
      store<T>(scratch.q_by_row.get() + at, logistic.p - T(0.5), left);
      if (!joint_) continue;
      V<T> y = load<T>(targets + at, left);
      auto known = y == y;
      if (observed) known = known & (load<T>(observed + at, left) != T(0));
      y = known ? y : zero;
      const V<T> rest = T(1) - y;
      const V<T> positive = pos_weights_ ? y * load<T>(pos_weights_->get() + at, left) : y;
      // -log p = max(-x, 0) + log(1 + e^-|x|) and -log(1 - p) = max(x, 0) + log(1 + e^-|x|): nothing cancels.
      const V<T> excess = x < 0 ? -positive * x : rest * x;
      const V<T> value = excess + (positive + rest) * logistic.logarithm();
      store<T>(scratch.cross_entropy.get() + at, known ? value : zero, left);
      if (entropy_gradient_) {
        const V<T> slope = rest * logistic.p - positive * logistic.not_p;
        store<T>(entropy_gradient_ + first + at, (known ? slope : zero) * T(share_), left);
      }
    }
  }

  // The sum over the labels of one sample; its weight is multiplied into the gradient here, into the value in `reduce`.
  void finish_entropy(int64_t sample, const T* terms) {
    entropies_[sample] = sum(terms, num_labels_);
    if (!weights_ || !entropy_gradient_) return;
    T* gradient = entropy_gradient_ + sample * num_labels_;
    const T weight = weights_[sample];
    for (int64_t j = 0; j < num_labels_; ++j) gradient[j] *= weight;
  }

  // The gradient of L_B with respect to the logits, with dp/dx = 1/4 - q^2. `scratch.slope` holds the sum of f over the
  // pairs of each label, half the derivative of their terms with respect to q.
  void add_relation_gradient(int64_t first, int64_t rows, const Scratch<T>& scratch) {
    V<T> factors[kVectors];
    T* factor = reinterpret_cast<T*>(factors);
    for (int64_t row = 0; row < kBlock<T>; ++row) {
      const T weight = row < rows && weights_ ? weights_[first + row] : T(1);
      factor[row] = T(2.0 * scale_) * relation_factor_ * T(share_) * weight;
    }
    T* gradient = relation_gradient_ + first * num_labels_;
    if (!adds_) std::memset(gradient, 0, rows * num_labels_ * sizeof(T));
    for (const int64_t i : pairs_.labels()) {
      for (int k = 0; k < kVectors; ++k) {
        const V<T> q = scratch.q_by_label.vectors()[i * kVectors + k];
        scratch.slope.vectors()[i * kVectors + k] *= (T(0.25) - q * q) * factors[k];
      }
    }
    layouts_.scatter(rows, scratch.slope.vectors(), gradient);
  }

  void reduce() const {
    double entropies = 0, relations = 0;
    const bool by_sample = arguments_.reduction == OBRL_NONE;
    for (int64_t row = 0; row < arguments_.batch; ++row) {
      const double weight = weights_ ? double(weights_[row]) : 1.0;
      const double entropy = weight * entropies_[row], relation = weight * (scale_ * relations_[row]);
      if (by_sample) write(row, entropy, relation);
      entropies += entropy;
      relations += relation;
    }
    if (!by_sample) write(0, entropies * share_, relations * share_);
  }

  void write(int64_t at, double entropy, double relation) const {
    const auto to = [at](void* term, double value) {
      if (term) static_cast<T*>(term)[at] = static_cast<T>(value);
    };
    to(arguments_.relation_loss, relation);
    to(arguments_.cross_entropy, entropy);
    to(arguments_.total, entropy + arguments_.alpha * relation);
  }

  const obrl_loss_arguments& arguments_;
  const int64_t num_labels_;
  const T *logits_, *weights_;
  const bool joint_;
  const double share_;  // of a sample in the reduction
  const ActivePairs pairs_;
  const Layouts<T> layouts_;
  T *entropy_gradient_, *relation_gradient_, relation_factor_;
  bool adds_;  // a gradient is that of L: Eq. 4 writes it, and L_B adds its part
  double scale_;
  std::optional<Buffer<T>> pos_weights_;
  std::vector<double> entropies_, relations_;  // of each sample; L_B without `scale_`
};

}  // namespace
}  // namespace obrl

int32_t obrl_loss(const obrl_loss_arguments* arguments, int32_t threads) try {
  using namespace obrl;
  const int32_t dtype = arguments->dtype, target_dtype = arguments->target_dtype;
  if (!is_float(dtype) || !is_reduction(arguments->reduction) || !is_gradient(arguments->gradients) ||
      (arguments->joint && target_dtype != dtype && target_dtype != OBRL_UINT8)) {
    return OBRL_UNKNOWN_NUMBER;
  }
  if (dtype == OBRL_FLOAT64) {
    Loss<double>(*arguments).run(threads);
  } else {
    Loss<float>(*arguments).run(threads);
  }
  return OBRL_OK;
} catch (const std::bad_alloc&) {
  return OBRL_NO_MEMORY;
}
