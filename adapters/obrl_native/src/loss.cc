// Eq. 2 and Eq. 4 with their gradients, a block of samples at a time.
//
// Only differences of probabilities occur in Eq. 2, so they are centred: q = p - 1/2. Let a and b be twice the symmetric
// weights of a pair of labels (0, 1 or 2), and d = q_i - q_j. An unordered pair adds to one sample
//
//     a d^2 + b (1 - d^2)^2,
//
// and its derivative with respect to q_i is 2 f with f = (a - 2 b (1 - d^2)) d, that with respect to q_j is -2 f. So an
// active pair costs some nine operations a sample, about what the four matrix products of obrl.algebra cost it, and a pair
// that is not active is passed over. A block holds the samples of a few vectors side by side: the q of a label
// is loaded once, and its gradient stays in registers while its pairs are gone through. Blocks share nothing, so threads
// take them as they come.

#include <algorithm>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "obrl_cpu.h"
#include "parallel.h"
#include "vector.h"

namespace obrl {
namespace {

constexpr int kVectors = 4;         // of a block: its samples side by side
constexpr int64_t kLabelTile = 32;  // labels j whose q and gradient stay in the first cache

template <class T>
constexpr int kBlock = kVectors * Vector<T>::kWidth;  // samples

// The sum of a vector, by halves: one number after the other would wait for each other.
template <class T>
T sum(const V<T>& v) {
  T lanes[Vector<T>::kWidth];
  std::memcpy(lanes, &v, sizeof v);
  for (int half = Vector<T>::kWidth / 2; half > 0; half /= 2) {
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

// Memory that vectors may be read from and written to.
template <class T>
class Room {
 public:
  explicit Room(int64_t numbers)
      : memory_(static_cast<T*>(::operator new(numbers * sizeof(T), std::align_val_t(kBytes)))) {}

  T* get() const { return memory_.get(); }

 private:
  struct Free {
    void operator()(T* memory) const { ::operator delete(memory, std::align_val_t(kBytes)); }
  };
  std::unique_ptr<T, Free> memory_;
};

// What a thread keeps of a block: row by row what Eq. 4 and the gradient of L_E come to, and p - 1/2; label by label q,
// and the gradient of L_B with respect to it.
template <class T>
struct Scratch {
  explicit Scratch(int64_t num_labels)
      : entropy(num_labels * kBlock<T> + Vector<T>::kWidth),  // the last vector of a row reaches past its end
        centred(num_labels * kBlock<T>),
        q(num_labels * kBlock<T>),
        slope(num_labels * kBlock<T>) {}
  Room<T> entropy, centred, q, slope;
};

template <class T>
class Loss {
 public:
  explicit Loss(const obrl_loss_arguments& given)
      : given_(given),
        num_labels_(given.num_labels),
        logits_(static_cast<const T*>(given.logits)),
        weights_(static_cast<const T*>(given.sample_weight)),
        pos_weight_(static_cast<const T*>(given.pos_weight)),
        joint_(given.joint != 0),
        share_(given.reduction == OBRL_MEAN ? T(1) / T(given.batch ? given.batch : 1) : T(1)),
        entropies_(given.batch),
        relations_(given.batch) {
    find_active();
    if (pos_weight_) {  // once for each row of a block
      pos_weights_.emplace(num_labels_ * kBlock<T>);
      for (int64_t at = 0; at < num_labels_ * kBlock<T>; ++at) pos_weights_->get()[at] = pos_weight_[at % num_labels_];
    }
    const bool parts = joint_ && given.gradients == OBRL_PARTS;
    auto* gradient = static_cast<T*>(given.gradients == OBRL_NO_GRADIENT ? nullptr : given.gradient);
    entropy_gradient_ = joint_ ? gradient : nullptr;
    relation_gradient_ = parts ? static_cast<T*>(given.relation_gradient) : gradient;
    relation_factor_ = joint_ && !parts ? T(given.alpha) : T(1);
    adds_ = joint_ && !parts;
  }

  void run(int32_t threads) {
    const int64_t blocks = (given_.batch + kBlock<T> - 1) / kBlock<T>;
    threads = worth(double(blocks) * (double(pairs_) * 9 * kVectors + double(num_labels_) * 6 * kBlock<T>), threads);
    threads = static_cast<int32_t>(std::min<int64_t>(threads, blocks ? blocks : 1));
    std::vector<Scratch<T>> scratch;
    scratch.reserve(threads);
    for (int32_t worker = 0; worker < threads; ++worker) scratch.emplace_back(num_labels_);
    parallel(blocks, threads, [&](int64_t block, int32_t worker) {
      const int64_t first = block * kBlock<T>, rows = std::min<int64_t>(kBlock<T>, given_.batch - first);
      if (given_.target_dtype == OBRL_UINT8) {
        run_block<uint8_t>(first, rows, scratch[worker]);
      } else {
        run_block<T>(first, rows, scratch[worker]);
      }
    });
    reduce();
  }

 private:
  // Which labels have an active pair, how many pairs there are, and what L_B is divided by.
  void find_active() {
    int64_t halves = 0;
    for (int64_t i = 0; i < num_labels_; ++i) {
      const uint8_t* code = given_.code + i * num_labels_;
      int32_t found = 0, of_row = 0;
      for (int64_t j = 0; j < num_labels_; ++j) {
        of_row += (code[j] & 3) + (code[j] >> 2);
        found += code[j] != 0;
      }
      halves += of_row;
      pairs_ += found;
      if (found) active_.push_back(i);
    }
    constexpr int64_t width = Vector<T>::kWidth;
    const int64_t squared = num_labels_ / width * width;
    for (const int64_t i : active_) {
      if (i >= squared) {
        singles_.push_back(i);
      } else if (squares_.empty() || squares_.back() != i / width * width) {
        squares_.push_back(i / width * width);
      }
    }
    pairs_ /= 2;
    const double ordered = 0.5 * double(halves);
    const double all_pairs = double(num_labels_) * double(num_labels_);
    scale_ = 0.5 / (given_.active_pairs ? (ordered > 0 ? ordered : 1.0) : all_pairs);
  }

  template <class Y>
  void run_block(int64_t first, int64_t rows, const Scratch<T>& scratch) {
    evaluate_entropy<Y>(first * num_labels_, rows * num_labels_, scratch);
    for (int64_t row = 0; joint_ && row < rows; ++row) finish_entropy(first, row, scratch);
    gather(rows, scratch);
    double values[kBlock<T>] = {};
    go_through_pairs(scratch.q.get(), scratch.slope.get(), values);
    for (int64_t row = 0; row < rows; ++row) relations_[first + row] = scale_ * values[row];
    if (relation_gradient_) add_relation_gradient(first, rows, scratch);
  }

  // Eq. 4 for `count` targets from `first` on, with its slope, which goes where the gradient of L_E does, and p - 1/2.
  template <class Y>
  void evaluate_entropy(int64_t first, int64_t count, const Scratch<T>& scratch) const {
    const T* logits = logits_ + first;
    const auto* targets = static_cast<const Y*>(given_.targets) + (joint_ ? first : 0);
    const uint8_t* observed = given_.observed ? given_.observed + first : nullptr;
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

  // q, label by label, from p - 1/2, row by row; and slopes of 0. Rows that the block lacks are 0.
  void gather(int64_t rows, const Scratch<T>& scratch) const {
    constexpr int width = Vector<T>::kWidth;
    const T* centred = scratch.centred.get();
    std::fill(scratch.centred.get() + rows * num_labels_, scratch.centred.get() + kBlock<T> * num_labels_, T(0));
    for (const int64_t start : squares_) {
      std::fill_n(scratch.slope.get() + start * kBlock<T>, width * kBlock<T>, T(0));
      for (int row = 0; row < kBlock<T>; row += width) {
        V<T> square[width];
        for (int k = 0; k < width; ++k) square[k] = load<T>(centred + (row + k) * num_labels_ + start, width);
        transpose<T>(square);
        for (int k = 0; k < width; ++k) store<T>(scratch.q.get() + (start + k) * kBlock<T> + row, square[k], width);
      }
    }
    for (const int64_t i : singles_) {
      std::fill_n(scratch.slope.get() + i * kBlock<T>, kBlock<T>, T(0));
      for (int row = 0; row < kBlock<T>; ++row) scratch.q.get()[i * kBlock<T> + row] = centred[row * num_labels_ + i];
    }
  }

  // Eq. 2 for a block, pair by pair: its values, and f for each label.
  void go_through_pairs(const T* q, T* slope, double* values) const {
    for (int64_t first = 0; first < num_labels_; first += kLabelTile) {
      const int64_t last = std::min(first + kLabelTile, num_labels_);
      for (const int64_t i : active_) {
        if (i + 1 >= last) break;
        const int64_t from = i + 1 > first ? i + 1 : first;
        if (any(given_.code + i * num_labels_ + from, last - from)) pairs_of(i, from, last, q, slope, values);
      }
    }
  }

  static bool any(const uint8_t* code, int64_t count) {
    uint8_t found = 0;
    for (int64_t j = 0; j < count; ++j) found |= code[j];
    return found != 0;
  }

  void pairs_of(int64_t i, int64_t from, int64_t last, const T* q, T* slope, double* values) const {
    constexpr int width = Vector<T>::kWidth;
    const uint8_t* code = given_.code + i * num_labels_;
    const auto* all_q = reinterpret_cast<const V<T>*>(q);
    auto* all_slopes = reinterpret_cast<V<T>*>(slope);
    V<T> own[kVectors], own_slope[kVectors], value[kVectors];
    for (int k = 0; k < kVectors; ++k) {
      own[k] = all_q[i * kVectors + k];
      own_slope[k] = all_slopes[i * kVectors + k];
      value[k] = V<T>{};
    }
    for (int64_t j = from; j < last; ++j) {
      if (!code[j]) continue;
      const T a = T(code[j] & 3), b = T(code[j] >> 2);
      for (int k = 0; k < kVectors; ++k) {
        const V<T> d = own[k] - all_q[j * kVectors + k];
        const V<T> d2 = d * d;
        const V<T> e = T(1) - d2;
        const V<T> be = b * e;
        value[k] += a * d2;
        value[k] += be * e;
        const V<T> t = a - T(2) * be;
        own_slope[k] += t * d;
        all_slopes[j * kVectors + k] -= t * d;
      }
    }
    for (int k = 0; k < kVectors; ++k) {
      all_slopes[i * kVectors + k] = own_slope[k];
      for (int lane = 0; lane < width; ++lane) values[k * width + lane] += value[k][lane];
    }
  }

  // From f to the gradient with respect to the logits, with dp/dx = 1/4 - q^2.
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
    for (const int64_t i : active_) {
      for (int k = 0; k < kVectors; ++k) {
        const V<T> q = all_q[i * kVectors + k];
        slopes[i * kVectors + k] *= (T(0.25) - q * q) * factors[k];
      }
    }
    scatter(rows, scratch.slope.get(), relation_gradient_ + first * num_labels_);
  }

  // Add slopes, label by label, to a gradient, row by row.
  void scatter(int64_t rows, const T* slope, T* gradient) const {
    constexpr int width = Vector<T>::kWidth;
    for (const int64_t start : squares_) {
      for (int64_t row = 0; row < rows; row += width) {
        V<T> square[width];
        for (int k = 0; k < width; ++k) square[k] = load<T>(slope + (start + k) * kBlock<T> + row, width);
        transpose<T>(square);
        for (int64_t k = 0; k < std::min<int64_t>(width, rows - row); ++k) {
          T* to = gradient + (row + k) * num_labels_ + start;
          store<T>(to, load<T>(to, width) + square[k], width);
        }
      }
    }
    for (const int64_t i : singles_) {
      for (int64_t row = 0; row < rows; ++row) gradient[row * num_labels_ + i] += slope[i * kBlock<T> + row];
    }
  }

  void reduce() const {
    auto* total = static_cast<T*>(given_.total);
    auto* cross_entropy = static_cast<T*>(given_.cross_entropy);
    auto* relation_loss = static_cast<T*>(given_.relation_loss);
    double entropies = 0, relations = 0;
    const bool each = given_.reduction == OBRL_NONE;
    for (int64_t row = 0; row < given_.batch; ++row) {
      const double weight = weights_ ? double(weights_[row]) : 1.0;
      const double entropy = weight * entropies_[row], relation = weight * relations_[row];
      if (each) write(row, entropy, relation, total, cross_entropy, relation_loss);
      entropies += entropy;
      relations += relation;
    }
    const double share = given_.reduction == OBRL_MEAN ? 1.0 / double(given_.batch ? given_.batch : 1) : 1.0;
    if (!each) write(0, entropies * share, relations * share, total, cross_entropy, relation_loss);
  }

  void write(int64_t at, double entropy, double relation, T* total, T* cross_entropy, T* relation_loss) const {
    if (relation_loss) relation_loss[at] = static_cast<T>(relation);
    if (cross_entropy) cross_entropy[at] = static_cast<T>(entropy);
    if (total) total[at] = static_cast<T>(entropy + given_.alpha * relation);
  }

  const obrl_loss_arguments& given_;
  const int64_t num_labels_;
  const T *logits_, *weights_, *pos_weight_;
  const bool joint_;
  const T share_;
  T *entropy_gradient_, *relation_gradient_, relation_factor_;
  bool adds_;  // the gradient of L_B to that of L_E
  double scale_;
  int64_t pairs_ = 0;
  std::optional<Room<T>> pos_weights_;
  std::vector<int64_t> active_;
  std::vector<int64_t> squares_, singles_;  // where vectors of labels begin that hold an active one, and those at the end
  std::vector<double> entropies_, relations_;  // of each sample
};

}  // namespace
}  // namespace obrl

int32_t obrl_loss(const obrl_loss_arguments* arguments, int32_t threads) try {
  if (arguments->dtype == OBRL_FLOAT64) {
    obrl::Loss<double>(*arguments).run(threads);
  } else {
    obrl::Loss<float>(*arguments).run(threads);
  }
  return OBRL_OK;
} catch (const std::bad_alloc&) {
  return OBRL_NO_MEMORY;
}
