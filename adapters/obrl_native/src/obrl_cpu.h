// The relation and the loss on a CPU, for any framework: plain pointers and sizes, and no memory that outlives a call.
//
// Matrices lie row by row without gaps. Every function returns OBRL_OK, or OBRL_NO_MEMORY before it has written anything.
// Results do not depend on the number of threads.
#pragma once

#include <cstdint>

extern "C" {

enum obrl_status : int32_t { OBRL_OK = 0, OBRL_NO_MEMORY = 1 };

enum obrl_dtype : int32_t { OBRL_UINT8 = 0, OBRL_FLOAT32 = 1, OBRL_FLOAT64 = 2 };

// In the order of obrl.MEASURES.
enum obrl_measure : int32_t {
  OBRL_PEARSON = 0,
  OBRL_UNIT_PEARSON = 1,
  OBRL_MATCHING = 2,
  OBRL_COSINE = 3,
  OBRL_JACCARD = 4,
  OBRL_CONDITIONAL = 5,
  OBRL_YULE_Q = 6,
  OBRL_PHI_RATIO = 7,
};

enum obrl_reduction : int32_t { OBRL_MEAN = 0, OBRL_SUM = 1, OBRL_NONE = 2 };

enum obrl_gradient : int32_t { OBRL_NO_GRADIENT = 0, OBRL_TOTAL = 1, OBRL_PARTS = 2 };

// What the labels of a batch are.
struct obrl_labels {
  const void* targets;      // (batch, num_labels): 1 where at least 0.5; NaN is missing
  const uint8_t* observed;  // (batch, num_labels): 0 is missing; null where only NaN is
  int64_t batch;
  int64_t num_labels;
  int32_t dtype;  // of the targets: obrl_dtype
};

// A relation: the two accumulators of Eq. 1, and how they move and are read.
struct obrl_relation {
  void* sum;     // (num_labels, num_labels), or with `counts` (3, num_labels, num_labels): n, s and r
  void* weight;  // (num_labels, num_labels)
  double decay;
  double positive_threshold;
  double negative_threshold;
  int64_t num_labels;
  int32_t dtype;      // of both: OBRL_FLOAT32 or OBRL_FLOAT64
  int32_t measure;    // obrl_measure
  int32_t symmetric;  // whether the measure is; without `counts` both accumulators are then, too, to the bit
  int32_t counts;     // whether pair counts are averaged, not batch relations
};

// A loss to evaluate, and where its terms go.
struct obrl_loss_arguments {
  const void* logits;          // (batch, num_labels)
  const void* targets;         // (batch, num_labels), NaN where missing; not read for L_B alone
  const uint8_t* observed;     // (batch, num_labels), or null
  const void* sample_weight;   // (batch,), or null
  const void* pos_weight;      // (num_labels,), or null
  const uint8_t* code;         // (num_labels, num_labels): see obrl_move
  void* total;                 // one number, or (batch,) without a reduction; of the three, null where it is not wanted
  void* cross_entropy;
  void* relation_loss;
  void* gradient;              // (batch, num_labels): of L, of L_E with OBRL_PARTS, of L_B alone
  void* relation_gradient;     // (batch, num_labels): of L_B with OBRL_PARTS
  double alpha;
  int64_t batch;
  int64_t num_labels;
  int32_t dtype;          // of everything above but targets and bytes: OBRL_FLOAT32 or OBRL_FLOAT64
  int32_t target_dtype;   // `dtype` or OBRL_UINT8
  int32_t reduction;      // obrl_reduction
  int32_t gradients;      // obrl_gradient
  int32_t joint;          // whether L is wanted, not L_B alone
  int32_t active_pairs;   // whether L_B is divided by the number of active ordered pairs, not by num_labels^2
};

// The pair counts n, s and r of a batch: float64, (3, num_labels, num_labels).
int32_t obrl_count(const obrl_labels* labels, double* counts, int32_t threads);

// Eq. 1 for a batch, given by its labels or else by its counts, or for none where both are null; then Eq. 3.
//
// `code` is (num_labels, num_labels): a + 4 b, where a and b are twice the symmetric weights of a positive and a
// negative pair (0, 1 or 2), and 0 on the diagonal.
int32_t obrl_move(const obrl_labels* labels, const double* counts, const obrl_relation* relation, uint8_t* code,
                  int32_t threads);

// Eq. 2 and Eq. 4 with their gradients.
int32_t obrl_loss(const obrl_loss_arguments* arguments, int32_t threads);

}  // extern "C"
