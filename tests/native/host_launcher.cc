// The functions of obrl_cuda.h on the memory of a CPU, for tests of what calls them: arrays, sizes and layouts are as the
// launcher has them, and the values come from obrl_cpu.h.
#include <cstdio>
#include <cstring>
#include <vector>

#include "obrl_cuda.h"

namespace {

int64_t row_of(int64_t labels) { return (labels + 15) / 16 * 16; }

int32_t refused(obrl_cuda_call* call, const char* why) {
  std::snprintf(call->error, sizeof call->error, "%s", why);
  return OBRL_CUDA_REFUSED;
}

// Whether the scratch is there to the last byte, which is written.
bool has_scratch(const obrl_cuda_call* call, int64_t bytes) {
  if (call->scratch_bytes < bytes || (bytes > 0 && call->scratch == nullptr)) return false;
  if (bytes > 0) std::memset(call->scratch, 0xff, bytes);
  return true;
}

}  // namespace

extern "C" {

int32_t obrl_cuda_start(const char*, const char*, char*, int64_t) { return OBRL_CUDA_OK; }

int64_t obrl_cuda_pairs_bytes(int64_t labels) {
  return labels < 1 || labels > 16384 ? -1 : labels * row_of(labels) + 4;
}

int64_t obrl_cuda_move_scratch(int64_t batch, int64_t labels) { return 64 + batch * labels; }

int64_t obrl_cuda_loss_scratch(int64_t batch, int64_t labels, int32_t joint, int32_t gradients) {
  return 128 + batch * labels + joint + gradients;
}

int32_t obrl_cuda_count(const float* targets, int64_t batch, int64_t labels, float* counts, obrl_cuda_call* call) {
  const obrl_labels given{targets, nullptr, batch, labels, OBRL_FLOAT32};
  std::vector<double> exact(3 * labels * labels);
  if (obrl_count(&given, exact.data(), 1) != OBRL_OK) return refused(call, "no memory");
  for (size_t index = 0; index < exact.size(); ++index) counts[index] = static_cast<float>(exact[index]);
  return OBRL_CUDA_OK;
}

int32_t obrl_cuda_move(const obrl_cuda_relation* given, obrl_cuda_call* call) {
  const int64_t labels = given->num_labels, row = row_of(labels), size = labels * labels;
  if (!has_scratch(call, obrl_cuda_move_scratch(given->targets == nullptr ? 0 : given->batch, labels)))
    return refused(call, "the scratch is too small");
  const int64_t sums = given->average_counts ? 3 * size : size;
  std::vector<float> sum(given->sum, given->sum + sums), weight(given->weight, given->weight + size);
  const obrl_labels batch{given->targets, nullptr, given->batch, labels, OBRL_FLOAT32};
  std::vector<double> counts;
  if (given->counts != nullptr) counts.assign(given->counts, given->counts + 3 * size);
  const obrl_relation relation{sum.data(),
                               weight.data(),
                               given->decay,
                               given->positive_threshold,
                               given->negative_threshold,
                               labels,
                               OBRL_FLOAT32,
                               given->measure,
                               given->measure != OBRL_CONDITIONAL,
                               given->average_counts};
  std::vector<uint8_t> code(size);
  if (obrl_move(given->targets == nullptr ? nullptr : &batch, counts.empty() ? nullptr : counts.data(), &relation,
                code.data(), 1) != OBRL_OK)
    return refused(call, "no memory");
  std::memset(given->pairs, 0, obrl_cuda_pairs_bytes(labels));
  for (int64_t label = 0; label < labels; ++label)
    std::memcpy(given->pairs + label * row, code.data() + label * labels, labels);
  if (given->new_sum != nullptr) std::memcpy(given->new_sum, sum.data(), sums * sizeof(float));
  if (given->new_weight != nullptr) std::memcpy(given->new_weight, weight.data(), size * sizeof(float));
  return OBRL_CUDA_OK;
}

int32_t obrl_cuda_loss(const obrl_cuda_loss_arguments* given, obrl_cuda_call* call) {
  const int64_t labels = given->num_labels, row = row_of(labels);
  const bool joint = given->targets != nullptr;
  if (!has_scratch(call, obrl_cuda_loss_scratch(given->batch, labels, joint, given->gradients)))
    return refused(call, "the scratch is too small");
  std::vector<uint8_t> code(labels * labels);
  for (int64_t label = 0; label < labels; ++label)
    std::memcpy(code.data() + label * labels, given->pairs + label * row, labels);
  const obrl_loss_arguments arguments{given->logits,
                                      given->targets,
                                      nullptr,
                                      given->sample_weight,
                                      given->pos_weight,
                                      code.data(),
                                      given->total,
                                      given->cross_entropy,
                                      given->relation_loss,
                                      given->gradient,
                                      given->relation_gradient,
                                      given->alpha,
                                      given->batch,
                                      labels,
                                      OBRL_FLOAT32,
                                      OBRL_FLOAT32,
                                      OBRL_NONE,
                                      given->gradients,
                                      joint,
                                      given->active_pairs};
  return obrl_loss(&arguments, 1) == OBRL_OK ? OBRL_CUDA_OK : refused(call, "no memory");
}

}  // extern "C"
