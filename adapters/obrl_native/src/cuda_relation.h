// Pair counts, Eq. 1 and Eq. 3 on a CUDA device: the kernels of a call and their arguments.
#pragma once

#include <cstdint>
#include <string>

#include "cubins.h"
#include "cuda_scratch.h"
#include "cuda_state.h"
#include "cuda_work.h"

namespace obrl::cuda {

// The key of a kernel in the table.
inline std::string relation_key(const char* what, const obrl_cuda_relation& relation) {
  if (!is_measure(relation.measure)) {
    throw Failure(OBRL_CUDA_REFUSED, "there is no measure " + std::to_string(relation.measure));
  }
  return std::string(what) + "/" + kMeasures[relation.measure].name + (relation.average_counts ? "/counts" : "/batch");
}

// The arguments of all kernels that count targets.
inline void set_targets(Values& values, const float* targets, int64_t batch, int64_t num_labels) {
  values.set(Arg::targets, targets).set(Arg::observed, targets).set(Arg::batch, batch).set(Arg::num_labels, num_labels);
  values.set(Arg::row, num_labels).set(Arg::observed_row, int64_t{0});
}

inline void count(State& state, const float* targets, int64_t batch, int64_t num_labels, float* counts,
                  obrl_cuda_call& call) {
  check_sizes(state.table, batch, num_labels);
  checked(counts, "counts");
  Values values;
  set_targets(values, batch ? checked(targets, "targets") : counts, batch, num_labels);
  values.set(Arg::counts, counts);
  Work work(state, call);
  const Kernel& kernel = work.target().find("count", batch, num_labels);
  work.launch(kernel, values, tile_pairs(kernel, num_labels));
  work.enqueue();
}

inline void move(State& state, const obrl_cuda_relation& relation, obrl_cuda_call& call) {
  const int64_t num_labels = relation.num_labels, batch = relation.targets ? relation.batch : 0;
  check_sizes(state.table, batch, num_labels);
  if (relation.targets && relation.counts) throw Failure(OBRL_CUDA_REFUSED, "expected targets or counts, got both");
  const bool by_targets = batch > 0, moves = by_targets || relation.counts;
  const bool writes = moves || relation.new_sum || relation.new_weight;
  const float* sum = checked(relation.sum, "sum");
  const float* weight = checked(relation.weight, "weight");
  if (writes) {
    sum = checked(relation.new_sum, "new_sum");
    weight = checked(relation.new_weight, "new_weight");
  }
  uint8_t* pairs = checked(relation.pairs, "pairs");
  const bool wide = num_labels > state.table.small_labels;
  const char* what = !moves ? "code" : !by_targets ? "move_by_counts" : wide ? "wide_relation" : "relation";

  Work work(state, call);
  const Kernel& kernel = work.target().find(relation_key(what, relation), batch, num_labels);
  const MoveScratch places(kernel, batch, num_labels);
  char* scratch = checked_scratch(call, places.bytes);
  int32_t* numbers = reinterpret_cast<int32_t*>(pairs + num_labels * code_row(num_labels));
  const int64_t pairs_of_tiles = tile_pairs(kernel, num_labels);

  Values values;
  values.set(Arg::relation_sum, sum).set(Arg::relation_weight, weight).set(Arg::code, pairs).set(Arg::active, numbers);
  values.set(Arg::counter, scratch + places.counter).set(Arg::decay_less_one, moves ? relation.decay - 1.0 : 0.0);
  values.set(Arg::r_p, relation.positive_threshold).set(Arg::r_n, relation.negative_threshold);
  values.set(Arg::num_labels, num_labels).set(Arg::code_row, code_row(num_labels));
  values.set(Arg::counts, relation.counts ? checked(relation.counts, "counts") : weight);
  if (by_targets) set_targets(values, checked(relation.targets, "targets"), batch, num_labels);

  const int64_t matrix = num_labels * num_labels;
  if (writes) {
    work.copy(relation.new_sum, relation.sum, relation.average_counts ? 3 * matrix : matrix);
    work.copy(relation.new_weight, relation.weight, matrix);
  }
  work.zero(numbers + pairs_of_tiles, active_numbers(state.table, num_labels) - pairs_of_tiles);
  if (by_targets && !wide) {
    const int64_t parts = kernel.block("PARTS");
    values.set(Arg::arrivals, scratch + places.arrivals).set(Arg::partials, scratch + places.partials);
    values.set(Arg::length, padded(blocks_of(batch, parts), kernel.block("ROWS")));
    work.zero(scratch + places.arrivals, pairs_of_tiles);
    work.launch(kernel, values, pairs_of_tiles, parts);
  } else {
    if (by_targets) {
      values.set(Arg::packed, scratch + places.packed);
      values.set(Arg::padded_batch, places.padded_batch).set(Arg::padded_labels, places.padded_labels);
      const Kernel& pack = work.target().find("pack", batch, num_labels);
      work.launch(pack, values, blocks_of(places.padded_batch, pack.block("ROWS")),
                  blocks_of(places.padded_labels, pack.block("LABELS")));
    }
    work.launch(kernel, values, pairs_of_tiles);
  }
  work.enqueue();
}

}  // namespace obrl::cuda
