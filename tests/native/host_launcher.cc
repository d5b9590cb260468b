// The functions of obrl_cuda.h on the memory of a CPU, for tests of what calls them: arrays, sizes and layouts are as
// the launcher has them, and the values come from obrl_cpu.h.
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
  const obrl_labels labels_of_batch{targets, nullptr, batch, labels, OBRL_FLOAT32};
  std::vector<double> exact(3 * labels * labels);
  if (obrl_count(&labels_of_batch, exact.data(), 1) != OBRL_OK) return refused(call, "obrl_cpu.h refused the call");
  for (size_t index = 0; index < exact.size(); ++index) counts[index] = static_cast<float>(exact[index]);
  return OBRL_CUDA_OK;
}

int32_t obrl_cuda_move(const obrl_cuda_relation* request, obrl_cuda_call* call) {
  const int64_t labels = request->num_labels, row = row_of(labels), size = labels * labels;
  if (!has_scratch(call, obrl_cuda_move_scratch(request->targets == nullptr ? 0 : request->batch, labels)))
    return refused(call, "the scratch is too small");
  const int64_t sums = request->average_counts ? 3 * size : size;
  std::vector<float> sum(request->sum, request->sum + sums), weight(request->weight, request->weight + size);
  const obrl_labels batch{request->targets, nullptr, request->batch, labels, OBRL_FLOAT32};
  std::vector<double> counts;
  if (request->counts != nullptr) counts.assign(request->counts, request->counts + 3 * size);
  const obrl_relation relation{sum.data(),
                               weight.data(),
                               request->decay,
                               request->positive_threshold,
                               request->negative_threshold,
                               labels,
                               OBRL_FLOAT32,
                               request->measure,
                               request->average_counts};
  std::vector<uint8_t> code(size);
  if (obrl_move(request->targets == nullptr ? nullptr : &batch, counts.empty() ? nullptr : counts.data(), &relation,
                code.data(), 1) != OBRL_OK)
    return refused(call, "obrl_cpu.h refused the call");
  std::memset(request->pairs, 0, obrl_cuda_pairs_bytes(labels));
  for (int64_t label = 0; label < labels; ++label)
    std::memcpy(request->pairs + label * row, code.data() + label * labels, labels);
  if (request->new_sum != nullptr) std::memcpy(request->new_sum, sum.data(), sums * sizeof(float));
  if (request->new_weight != nullptr) std::memcpy(request->new_weight, weight.data(), size * sizeof(float));
  return OBRL_CUDA_OK;
}

int32_t obrl_cuda_loss(const obrl_cuda_loss_arguments* request, obrl_cuda_call* call) {
  const int64_t labels = request->num_labels, row = row_of(labels);
  const bool joint = request->targets != nullptr;
  if (!has_scratch(call, obrl_cuda_loss_scratch(request->batch, labels, joint, request->gradients)))
    return refused(call, "the scratch is too small");
  std::vector<uint8_t> code(labels * labels);
  for (int64_t label = 0; label < labels; ++label)
    std::memcpy(code.data() + label * labels, request->pairs + label * row, labels);
  const obrl_loss_arguments arguments{request->logits,
                                      request->targets,
                                      nullptr,
                                      request->sample_weight,
                                      request->pos_weight,
                                      code.data(),
                                      request->total,
                                      request->cross_entropy,
                                      request->relation_loss,
                                      request->gradient,
                                      request->relation_gradient,
                                      request->alpha,
                                      request->batch,
                                      labels,
                                      OBRL_FLOAT32,
                                      OBRL_FLOAT32,
                                      OBRL_NONE,
                                      request->gradients,
                                      joint,
                                      request->active_pairs};
  return obrl_loss(&arguments, 1) == OBRL_OK ? OBRL_CUDA_OK : refused(call, "obrl_cpu.h refused the call");
}

}  // extern "C"
