// The relation and the loss on a CUDA device, for any framework: addresses on the device, sizes, the caller's stream.
//
// The kernels are those of obrl.torch, compiled ahead of time. A call enqueues its work on the stream and does not
// wait. It allocates no memory of the device: it uses the caller's `scratch`, which may be reused as soon as the call
// has ended on the stream. Calls may be captured into graphs. Any number of threads may call at once.
//
// Arrays are contiguous, row by row, and begin at multiples of 16 bytes. Numbers are float32; the caller casts other
// dtypes. NaN marks a missing target. 1 <= num_labels <= 16384 and 0 <= batch <= 2^24. Const arrays are not written.
//
// Sizes, addresses and the device are checked before anything is enqueued. Every function returns a status; if that is
// not OBRL_CUDA_OK, the call's `error` says why.
#pragma once

#include <cstdint>

#include "obrl_cpu.h"  // obrl_measure and obrl_gradient

extern "C" {

enum obrl_cuda_status : int32_t {
  OBRL_CUDA_OK = 0,
  OBRL_CUDA_REFUSED = 1,  // an argument is wrong, or the scratch too small
  OBRL_CUDA_MISSING = 2,  // no driver, no kernels, or none for the device
  OBRL_CUDA_FAILED = 3,   // the driver said so
};

// The stream and the scratch of a call, and its error.
struct obrl_cuda_call {
  void* stream;   // CUstream of the device that all arrays are on
  void* scratch;  // on the device; null where no bytes are needed
  int64_t scratch_bytes;
  char error[512];  // written if a call fails: text that ends with 0
};

// A move of a relation from sum and weight to new_sum and new_weight, which may be the same arrays.
struct obrl_cuda_relation {
  const float* targets;  // (batch, num_labels): 1 where at least 0.5; or null
  const float* counts;   // (3, num_labels, num_labels) of obrl_cuda_count, perhaps summed over processes; or null
  const float* sum;      // (num_labels, num_labels), or with `average_counts` (3, num_labels, num_labels)
  const float* weight;   // (num_labels, num_labels)
  float* new_sum;        // likewise; if nothing moves, they become copies of sum and weight, or both may be null
  float* new_weight;
  uint8_t* pairs;        // obrl_cuda_pairs_bytes(num_labels) bytes: see there
  double decay;
  double positive_threshold;
  double negative_threshold;
  int64_t batch;  // not read without targets
  int64_t num_labels;
  int32_t measure;         // obrl_measure
  int32_t average_counts;  // whether pair counts are averaged, not batch relations
};

// A loss of each sample, and where its terms are written: a null term of the three is not written.
struct obrl_cuda_loss_arguments {
  const float* logits;         // (batch, num_labels)
  const float* targets;        // (batch, num_labels), NaN where missing; null for L_B alone
  const float* sample_weight;  // (batch,): ones for none
  const float* pos_weight;     // (num_labels,): ones for none; may be null for L_B alone
  const uint8_t* pairs;        // of obrl_cuda_move
  float* total;                // (batch,): w_k L_k, without a reduction; undefined for L_B alone
  float* cross_entropy;        // (batch,): w_k L_E,k; likewise
  float* relation_loss;        // (batch,): w_k L_B,k
  float* gradient;             // (batch, num_labels): of the sum of L, of L_E with OBRL_PARTS, of L_B alone
  float* relation_gradient;    // (batch, num_labels): of the sum of L_B; written with OBRL_PARTS and targets
  double alpha;
  int64_t batch;
  int64_t num_labels;
  int32_t gradients;     // obrl_gradient
  int32_t active_pairs;  // whether L_B is divided by the number of active ordered pairs, not by num_labels^2
};

// Load the driver and the table of kernels, once in a process, before anything else; further calls change nothing.
//
// `cubins` is the folder of the kernels, `driver` the driver's name, or null for libcuda.so.1.
int32_t obrl_cuda_start(const char* cubins, const char* driver, char* error, int64_t error_bytes);

// The bytes of the pairs of a relation: first the codes of obrl_move, in num_labels rows, each with zeros up to a
// multiple of 16 bytes; then numbers of active pairs.
//
// This and the sizes below need obrl_cuda_start but no device; they hold for every device. They are -1 if it has not
// been called or sizes are out of range.
int64_t obrl_cuda_pairs_bytes(int64_t num_labels);

// Bytes of scratch for obrl_cuda_move; `batch` is 0 without targets.
int64_t obrl_cuda_move_scratch(int64_t batch, int64_t num_labels);

// Bytes of scratch for obrl_cuda_loss; `joint` is whether there are targets; `gradients` is an obrl_gradient.
int64_t obrl_cuda_loss_scratch(int64_t batch, int64_t num_labels, int32_t joint, int32_t gradients);

// The pair counts n, s and r of a batch: (3, num_labels, num_labels); needs no scratch.
int32_t obrl_cuda_count(const float* targets, int64_t batch, int64_t num_labels, float* counts, obrl_cuda_call* call);

// Eq. 1 for a batch, from its targets or from its counts; if both are null, nothing moves. Then Eq. 3.
int32_t obrl_cuda_move(const obrl_cuda_relation* relation, obrl_cuda_call* call);

// Eq. 2 and Eq. 4 for each sample, with their gradients. The caller reduces: a mean is that of these terms, and its
// gradient this gradient divided by `batch`.
int32_t obrl_cuda_loss(const obrl_cuda_loss_arguments* arguments, obrl_cuda_call* call);

}  // extern "C"
