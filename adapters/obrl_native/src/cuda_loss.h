// Eq. 2 and Eq. 4 with their gradients on a CUDA device: the kernels of a call and their arguments.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cubins.h"
#include "cuda_scratch.h"
#include "cuda_state.h"
#include "cuda_work.h"

namespace obrl::cuda {

// Launch the products of a loss on many labels, and add what the last kernel reads of them to `values`.
inline void launch_products(Work& work, const Products& products, const LossScratch& places, const char* scratch,
                            int64_t batch, int64_t num_labels, Values& values) {
  values.set(Arg::halves, scratch + places.halves).set(Arg::degrees, scratch + places.degrees);
  values.set(Arg::products, scratch + places.products).set(Arg::parts, products.parts);
  values.set(Arg::length, products.length);
  values.set(Arg::padded_batch, products.padded_batch).set(Arg::padded_labels, products.padded_labels);
  const Target& target = work.target();
  const Kernel& halves = target.find("halves", batch, num_labels);
  work.launch(halves, values, blocks_of(products.padded_batch, halves.block("ROWS")),
              blocks_of(products.padded_labels, halves.block("LABELS")));
  const Kernel& degrees = target.find("degrees", batch, num_labels);
  work.launch(degrees, values, blocks_of(num_labels, degrees.block("LABELS")));
  work.launch(target.find("products", batch, num_labels), values, products.rows, products.tiles, products.parts);
}

inline void loss(State& state, const obrl_cuda_loss_arguments& arguments, obrl_cuda_call& call) {
  const int64_t batch = arguments.batch, num_labels = arguments.num_labels;
  check_sizes(state.table, batch, num_labels);
  if (!is_gradient(arguments.gradients)) {
    throw Failure(OBRL_CUDA_REFUSED, "there is no choice of gradients " + std::to_string(arguments.gradients));
  }
  if (batch == 0) return;
  const bool joint = arguments.targets, parts = !joint || arguments.gradients == OBRL_PARTS;
  const bool wide = num_labels > state.table.small_labels;

  Work work(state, call);
  const Target& target = work.target();
  const std::string key = std::string(wide ? "wide_loss" : "loss") +
                          (arguments.active_pairs ? "/active_pairs" : "/all_pairs") + (parts ? "/parts" : "/total");
  const Kernel& last = target.find(key, batch, num_labels);
  std::optional<Products> products;
  if (wide) products.emplace(target, batch, num_labels);
  const LossScratch places(last, products, batch, num_labels, has_spare_gradient(joint, arguments.gradients));
  char* scratch = checked_scratch(call, places.bytes);
  const float* x = checked(arguments.logits, "logits");
  const uint8_t* codes = checked(arguments.pairs, "pairs");
  const auto term = [&](float* address, const char* name) -> const void* {
    return address ? checked(address, name) : static_cast<const void*>(scratch + places.term);
  };

  Values values;
  values.set(Arg::logits, x).set(Arg::targets, joint ? checked(arguments.targets, "targets") : x).set(Arg::observed, x);
  values.set(Arg::sample_weight, checked(arguments.sample_weight, "sample_weight"));
  values.set(Arg::pos_weight, joint || arguments.pos_weight ? checked(arguments.pos_weight, "pos_weight") : x);
  values.set(Arg::code, codes).set(Arg::alpha, arguments.alpha);
  values.set(Arg::active, codes + num_labels * code_row(num_labels));
  values.set(Arg::tiles, active_numbers(state.table, num_labels));
  values.set(Arg::total, term(arguments.total, "total"));
  values.set(Arg::cross_entropy, term(arguments.cross_entropy, "cross_entropy"));
  values.set(Arg::relation_loss, term(arguments.relation_loss, "relation_loss"));
  // For L_B alone the kernel writes the gradient of L_E to the scratch, and that of L_B to the caller's `gradient`.
  const void* spare = scratch + places.gradient;
  const bool has_gradient = arguments.gradients != OBRL_NO_GRADIENT;
  const void* gradient = has_gradient ? checked(arguments.gradient, "gradient") : spare;
  values.set(Arg::gradient, joint ? gradient : spare);
  const bool both = joint && parts;
  values.set(Arg::second_gradient, both ? checked(arguments.relation_gradient, "relation_gradient") : gradient);
  values.set(Arg::partials, scratch + places.partials).set(Arg::counter, scratch + places.counter);
  values.set(Arg::batch, batch).set(Arg::num_labels, num_labels).set(Arg::code_row, code_row(num_labels));
  values.set(Arg::row, num_labels).set(Arg::target_row, num_labels).set(Arg::observed_row, int64_t{0});

  work.zero(scratch + places.counter, 1);
  if (wide) launch_products(work, *products, places, scratch, batch, num_labels, values);
  work.launch(last, values, blocks_of(batch, last.block("ROWS")), blocks_of(num_labels, last.block("TILE")));
  work.enqueue();
}

}  // namespace obrl::cuda
