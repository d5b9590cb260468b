// The relation and the loss on a CPU, for any framework: plain pointers and sizes, and no memory that outlives a call.
//
// Matrices are contiguous, row by row. Every function returns an obrl_status; where that is not OBRL_OK, it has written
// nothing. Results do not depend on the number of threads.
#pragma once

#include <cstdint>

#include "measures.h"

extern "C" {

enum obrl_status : int32_t {
  OBRL_OK = 0,
  OBRL_NO_MEMORY = 1,
  OBRL_UNKNOWN_NUMBER = 2,  // a dtype, measure, reduction or gradient that is none of its enumeration
};

enum obrl_dtype : int32_t { OBRL_UINT8 = 0, OBRL_FLOAT32 = 1, OBRL_FLOAT64 = 2 };

enum obrl_reduction : int32_t { OBRL_MEAN = 0, OBRL_SUM = 1, OBRL_NONE = 2 };

enum obrl_gradient : int32_t { OBRL_NO_GRADIENT = 0, OBRL_TOTAL = 1, OBRL_PARTS = 2 };

// The labels of a batch.
struct obrl_labels {
  const void* targets;      // (batch, num_labels): 1 where at least 0.5; NaN is missing
  const uint8_t* observed;  // (batch, num_labels): 0 is missing; or null: then only NaN is
  int64_t batch;
  int64_t num_labels;
  int32_t dtype;  // of the targets: obrl_dtype
};

// A relation: the two accumulators of Eq. 1, how Eq. 1 moves them, and how Eq. 3 reads them.
struct obrl_relation {
  void* sum;     // (num_labels, num_labels), or with `counts` (3, num_labels, num_labels): n, s and r
  void* weight;  // (num_labels, num_labels)
  double decay;
  double positive_threshold;
  double negative_threshold;
  int64_t num_labels;
  int32_t dtype;    // of both: OBRL_FLOAT32 or OBRL_FLOAT64
  int32_t measure;  // obrl_measure; of a symmetric one, without `counts`, both accumulators are symmetric to the bit
  int32_t counts;   // whether pair counts are averaged, not batch relations
};

// A loss, and where its terms are written.
struct obrl_loss_arguments {
  const void* logits;          // (batch, num_labels)
  const void* targets;         // (batch, num_labels), NaN where missing; not read for L_B alone
  const uint8_t* observed;     // (batch, num_labels), or null
  const void* sample_weight;   // (batch,), or null
  const void* pos_weight;      // (num_labels,), or null
  const uint8_t* code;         // (num_labels, num_labels): see obrl_move
  void* total;                 // one number, or (batch,) without a reduction; a null term of the three is not written
  void* cross_entropy;
  void* relation_loss;
  void* gradient;              // (batch, num_labels): of L, of L_E with OBRL_PARTS, of L_B alone
  void* relation_gradient;     // (batch, num_labels): of L_B with OBRL_PARTS
  double alpha;
  int64_t batch;
  int64_t num_labels;
  int32_t dtype;          // of every array above but targets and bytes: OBRL_FLOAT32 or OBRL_FLOAT64
  int32_t target_dtype;   // `dtype` or OBRL_UINT8
  int32_t reduction;      // obrl_reduction
  int32_t gradients;      // obrl_gradient
  int32_t joint;          // whether to compute L, not L_B alone
  int32_t active_pairs;   // whether L_B is divided by the number of active ordered pairs, not by num_labels^2
};

// The pair counts n, s and r of a batch: float64, (3, num_labels, num_labels).
int32_t obrl_count(const obrl_labels* labels, double* counts, int32_t threads);

// Eq. 1 for a batch, from its labels or from its counts; if both are null, nothing moves. Then Eq. 3.
//
// `code` is (num_labels, num_labels), the code of each pair as `obrl.algebra.coded_laplacians` defines it, and 0 on the
// diagonal.
int32_t obrl_move(const obrl_labels* labels, const double* counts, const obrl_relation* relation, uint8_t* code,
                  int32_t threads);

// Eq. 2 and Eq. 4 with their gradients.
int32_t obrl_loss(const obrl_loss_arguments* arguments, int32_t threads);

}  // extern "C"

namespace obrl {

constexpr bool is_float(int32_t dtype) { return dtype == OBRL_FLOAT32 || dtype == OBRL_FLOAT64; }
constexpr bool is_dtype(int32_t dtype) { return dtype == OBRL_UINT8 || is_float(dtype); }
constexpr bool is_reduction(int32_t number) { return OBRL_MEAN <= number && number <= OBRL_NONE; }
constexpr bool is_gradient(int32_t number) { return OBRL_NO_GRADIENT <= number && number <= OBRL_PARTS; }

}  // namespace obrl
