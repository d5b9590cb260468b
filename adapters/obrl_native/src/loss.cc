// Eq. 2 and Eq. 4 with their gradients, a block of samples at a time.
//
// Blocks share nothing, so threads take them in any order. loss_block.h has the layout of a block, and the pairs of Eq. 2.

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <vector>

#include "loss_block.h"
#include "obrl_cpu.h"
#include "parallel.h"
#include "vector.h"

namespace obrl {
namespace {

// The sum of a vector, by halves: adding one lane after the other would make each addition wait for the one before.
template <class T>
T sum(const V<T>& v) {
  T lanes[Vector<T>::kWidth];
  std::memcpy(lanes, &v, sizeof v);
  for (int half = Vector<T>::kWidth / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

template <class T>
class Loss {
 public:
  explicit Loss(const obrl_loss_arguments& arguments)
      : arguments_(arguments),
        num_labels_(arguments.num_labels),
        logits_(static_cast<const T*>(arguments.logits)),
        weights_(static_cast<const T*>(arguments.sample_weight)),
        pos_weight_(static_cast<const T*>(arguments.pos_weight)),
        joint_(arguments.joint != 0),
        share_(arguments.reduction == OBRL_MEAN ? T(1) / T(arguments.batch ? arguments.batch : 1) : T(1)),
        pairs_(arguments.code, arguments.num_labels),
        active_labels_(pairs_.labels(), arguments.num_labels),
        entropies_(arguments.batch),
        relations_(arguments.batch) {
    const double all_pairs = double(num_labels_) * double(num_labels_);
    scale_ = 0.5 / (arguments.active_pairs ? (pairs_.ordered() > 0 ? pairs_.ordered() : 1.0) : all_pairs);
    if (pos_weight_) {  // repeated for each row of a block, so that vectors need not end with a row
      pos_weights_.emplace(num_labels_ * kBlock<T>);
      for (int64_t at = 0; at < num_labels_ * kBlock<T>; ++at) pos_weights_->get()[at] = pos_weight_[at % num_labels_];
    }
    const bool parts = joint_ && arguments.gradients == OBRL_PARTS;
    auto* gradient = static_cast<T*>(arguments.gradients == OBRL_NO_GRADIENT ? nullptr : arguments.gradient);
    entropy_gradient_ = joint_ ? gradient : nullptr;
    relation_gradient_ = parts ? static_cast<T*>(arguments.relation_gradient) : gradient;
    relation_factor_ = joint_ && !parts ? T(arguments.alpha) : T(1);
    adds_ = joint_ && !parts;  // then both are the gradient of L: Eq. 4 writes it, and L_B adds its part
  }

  void run(int32_t threads) {
    const int64_t blocks = (arguments_.batch + kBlock<T> - 1) / kBlock<T>;
    const double of_pairs = double(pairs_.size()) * 9 * kVectors, of_labels = double(num_labels_) * 6 * kBlock<T>;
    threads = worth(double(blocks) * (of_pairs + of_labels), threads);
    threads = static_cast<int32_t>(std::min<int64_t>(threads, blocks ? blocks : 1));
    std::vector<Scratch<T>> scratch;
    scratch.reserve(threads);
    for (int32_t worker = 0; worker < threads; ++worker) scratch.emplace_back(num_labels_);
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
    for (int64_t row = 0; joint_ && row < rows; ++row) finish_entropy(first, row, scratch);
    active_labels_.gather(rows, scratch);
    double values[kBlock<T>] = {};
    pairs_.add_terms(scratch.q.get(), scratch.slope.get(), values);
    for (int64_t row = 0; row < rows; ++row) relations_[first + row] = scale_ * values[row];
    if (relation_gradient_) add_relation_gradient(first, rows, scratch);
  }

  // p - 1/2 for `count` logits from `first` on; with targets also Eq. 4 and its slope, which is written to the gradient
  // of L_E.
  template <class Y>
  void evaluate_probabilities(int64_t first, int64_t count, const Scratch<T>& scratch) const {
    const T* logits = logits_ + first;
    const auto* targets = static_cast<const Y*>(arguments_.targets) + (joint_ ? first : 0);
    const uint8_t* observed = arguments_.observed ? arguments_.observed + first : nullptr;
    const V<T> zero{};
    for (int64_t at = 0; at < count; at += Vector<T>::kWidth) {
      const int64_t left = count - at;
      const V<T> x = load<T>(logits + at, left);
      const V<T> u = exp_negative<T>(x < 0 ? -x : x);
      const V<T> inverse = T(1) / ((u + T(1)) * (u + T(2)));  // one division for both quotients
      const V<T> large = inverse * (u + T(2)), small = u * large;
      const V<T> p = x < 0 ? small : large, not_p = x < 0 ? large : small;
      store<T>(scratch.centred.get() + at, p - T(0.5), left);
      if (!joint_) continue;
      V<T> y = load<T>(targets + at, left);
      auto known = y == y;
      if (observed) known = known & (load<T>(observed + at, left) != T(0));
      y = known ? y : zero;
      const V<T> rest = T(1) - y;
      const V<T> positive = pos_weight_ ? y * load<T>(pos_weights_->get() + at, left) : y;
      // -log p = max(-x, 0) + log(1 + u) and -log(1 - p) = max(x, 0) + log(1 + u): nothing cancels.
      const V<T> excess = x < 0 ? -positive * x : rest * x;
      const V<T> value = excess + (positive + rest) * log1p_unit<T>(u * (u + T(1)) * inverse);
      store<T>(scratch.entropy.get() + at, known ? value : zero, left);
      if (entropy_gradient_) {
        const V<T> slope = rest * p - positive * not_p;
        store<T>(entropy_gradient_ + first + at, (known ? slope : zero) * share_, left);
      }
    }
  }

  // The sum over the labels of one sample, and its weight.
  void finish_entropy(int64_t first, int64_t row, const Scratch<T>& scratch) {
    const T* from = scratch.entropy.get() + row * num_labels_;
    V<T> total{};
    for (int64_t j = 0; j < num_labels_; j += Vector<T>::kWidth) {
      total += first_of<T>(load<T>(from + j, Vector<T>::kWidth), num_labels_ - j);
    }
    entropies_[first + row] = sum<T>(total);
    if (!weights_ || !entropy_gradient_) return;
    T* gradient = entropy_gradient_ + (first + row) * num_labels_;
    for (int64_t j = 0; j < num_labels_; ++j) gradient[j] *= weights_[first + row];
  }

  // The gradient of L_B with respect to the logits, with dp/dx = 1/4 - q^2. `scratch.slope` holds the sum of f over the
  // pairs of each label (loss_block.h has f), half the derivative of their terms with respect to q.
  void add_relation_gradient(int64_t first, int64_t rows, const Scratch<T>& scratch) {
    auto* slopes = reinterpret_cast<V<T>*>(scratch.slope.get());
    const auto* all_q = reinterpret_cast<const V<T>*>(scratch.q.get());
    V<T> factors[kVectors];
    T* factor = reinterpret_cast<T*>(factors);
    for (int64_t row = 0; row < kBlock<T>; ++row) {
      const T weight = row < rows && weights_ ? weights_[first + row] : T(1);
      factor[row] = T(2.0 * scale_) * relation_factor_ * share_ * weight;
    }
    if (!adds_) {
      std::memset(relation_gradient_ + first * num_labels_, 0, rows * num_labels_ * sizeof(T));
    }
    for (const int64_t i : pairs_.labels()) {
      for (int k = 0; k < kVectors; ++k) {
        const V<T> q = all_q[i * kVectors + k];
        slopes[i * kVectors + k] *= (T(0.25) - q * q) * factors[k];
      }
    }
    active_labels_.scatter(rows, scratch.slope.get(), relation_gradient_ + first * num_labels_);
  }

  void reduce() const {
    double entropies = 0, relations = 0;
    const bool by_sample = arguments_.reduction == OBRL_NONE;
    for (int64_t row = 0; row < arguments_.batch; ++row) {
      const double weight = weights_ ? double(weights_[row]) : 1.0;
      const double entropy = weight * entropies_[row], relation = weight * relations_[row];
      if (by_sample) write(row, entropy, relation);
      entropies += entropy;
      relations += relation;
    }
    const double divisor = double(arguments_.batch ? arguments_.batch : 1);
    const double share = arguments_.reduction == OBRL_MEAN ? 1.0 / divisor : 1.0;
    if (!by_sample) write(0, entropies * share, relations * share);
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
  const T *logits_, *weights_, *pos_weight_;
  const bool joint_;
  const T share_;
  const ActivePairs pairs_;
  const LabelSet<T> active_labels_;
  T *entropy_gradient_, *relation_gradient_, relation_factor_;
  bool adds_;  // whether the gradient of L_B is added to that of L_E
  double scale_;
  std::optional<Buffer<T>> pos_weights_;
  std::vector<double> entropies_, relations_;  // of each sample
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
