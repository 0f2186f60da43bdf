// The potentials of fully connected neurons whose inputs spike once, at all of their ticks, as running sums.
//
// An input's weight arrives at the first tick at or after its spike, and stays.  So the inputs are taken in the order of
// time, and the sum of their weights so far is the potential at each tick: an addition for each weight, not one for each
// weight and tick.  Backward, the gradient of a weight is the sum of dL/dV over the ticks from its input's spike on.
//
// A task is a block of neurons, whose weights stay in the cache while image after image reads them.  No two tasks write
// to the same place, so the sums are the same for any number of threads.
#pragma once

#include <ATen/Parallel.h>

#include <array>
#include <cstdint>
#include <vector>

#include "lanes.h"

namespace {

struct Dense {
  int64_t B, inputs, N;  // images [B, inputs], weights [inputs, N]
  std::vector<int64_t> steps;

  int64_t ticks() const { return static_cast<int64_t>(steps.size()); }
};

// The inputs of every image in the order of their ticks; those of tick k end at ends[b][k].
struct Arrivals {
  std::vector<int32_t> input;  // [B, inputs], those that no tick has seen last
  std::vector<int32_t> ends;   // [B, ticks]

  Arrivals(const Dense& layer, const uint8_t* times) : input(layer.B * layer.inputs), ends(layer.B * layer.ticks()) {
    const int64_t K = layer.ticks();
    const std::array<uint8_t, 256> first = first_ticks(layer.steps);
    at::parallel_for(0, layer.B, 16, [&](int64_t begin, int64_t end) {
      std::vector<int32_t> place(K + 1);
      for (int64_t b = begin; b < end; ++b) {
        const uint8_t* time = times + b * layer.inputs;
        std::fill(place.begin(), place.end(), 0);
        for (int64_t i = 0; i < layer.inputs; ++i) ++place[first[time[i]]];
        int32_t sum = 0;
        for (int64_t k = 0; k <= K; ++k) {
          const int32_t count = place[k];
          place[k] = sum;
          sum += count;
          if (k < K) ends[b * K + k] = sum;
        }
        for (int64_t i = 0; i < layer.inputs; ++i) input[b * layer.inputs + place[first[time[i]]]++] = i;
      }
    });
  }
};

constexpr int64_t kBlocks = 64 / kLanes;  // vectors of a task: more would not stay in registers
constexpr int64_t kWidth = kBlocks * kLanes;

// Calls visit(start, width) for every task: its first neuron, and how many it has.  That a whole task is whole is known
// to the compiler, which keeps its sums in registers.
template <typename Visit>
void each_task(const Dense& layer, Visit visit) {
  at::parallel_for(0, (layer.N + kWidth - 1) / kWidth, 1, [&](int64_t begin, int64_t end) {
    for (int64_t start = begin * kWidth; start < std::min(end * kWidth, layer.N); start += kWidth) {
      if (start + kWidth <= layer.N) {
        visit(start, std::integral_constant<int64_t, kWidth>{});
      } else {
        visit(start, layer.N - start);
      }
    }
  });
}

using Sums = std::array<Floats, kBlocks>;

// Calls visit(block, lanes) for the vectors of a task.
template <typename Visit>
inline void each_sum(std::integral_constant<int64_t, kWidth>, Visit visit) {
#pragma GCC unroll 8
  for (int64_t n = 0; n < kBlocks; ++n) visit(n, std::integral_constant<int64_t, kLanes>{});
}

template <typename Visit>
inline void each_sum(int64_t width, Visit visit) {
  for (int64_t n = 0; n * kLanes < width; ++n) visit(n, std::min(kLanes, width - n * kLanes));
}

// Where every input has arrived by the last tick, as pixels have, each image's potential there is the sum of all weights.
// So the inputs that only the last tick sees, half of an image of clothes and most of a digit, cost nothing.
inline bool all_arrive(const Dense& layer, const Arrivals& arrivals, int64_t b) {
  return arrivals.ends[(b + 1) * layer.ticks() - 1] == layer.inputs;
}

// `keep`, [B, inputs] or null, multiplies the weights of an image's inputs, as dropout does.
template <typename Bits>
void run_charge(const Dense& layer, const uint8_t* times, const uint32_t* weights, const Bits* keep, Bits* V) {
  const Arrivals arrivals(layer, times);
  const int64_t K = layer.ticks();
  each_task(layer, [&](int64_t start, auto width) {
    Sums all{};
    const auto add = [&](Sums& sums, int64_t i, const Floats& on) {
      const uint32_t* row = weights + i * layer.N + start;
      each_sum(width, [&](int64_t n, auto lanes) { sums[n] += load(row + n * kLanes, lanes) * on; });
    };
    for (int64_t i = 0; i < layer.inputs; ++i) add(all, i, Floats{} + 1.0f);
    for (int64_t b = 0; b < layer.B; ++b) {
      const int32_t* input = arrivals.input.data() + b * layer.inputs;
      const bool complete = !keep && all_arrive(layer, arrivals, b);
      Sums sums{};
      for (int64_t k = 0, i = 0; k < K; ++k) {
        if (complete && k == K - 1) {
          sums = all;
        } else {
          for (const int64_t end = arrivals.ends[b * K + k]; i < end; ++i) {
            add(sums, input[i], Floats{} + (keep ? number(keep[b * layer.inputs + input[i]]) : 1.0f));
          }
        }
        Bits* out = V + (k * layer.B + b) * layer.N + start;
        each_sum(width, [&](int64_t n, auto lanes) { store(out + n * kLanes, sums[n], lanes); });
      }
    }
  });
}

// Adds to zeros, [inputs, N].
template <typename Bits>
void run_charge_backward(const Dense& layer, const uint8_t* times, const Bits* keep, const Bits* gradient,
                         uint32_t* out) {
  const Arrivals arrivals(layer, times);
  const int64_t K = layer.ticks();
  each_task(layer, [&](int64_t start, auto width) {
    Sums all{};  // what the last tick hands to every input of the images in which all arrive
    const auto add = [&](int64_t i, const Sums& sums, const Floats& on) {
      uint32_t* row = out + i * layer.N + start;
      each_sum(width, [&](int64_t n, auto lanes) {
        store(row + n * kLanes, load(row + n * kLanes, lanes) + sums[n] * on, lanes);
      });
    };
    for (int64_t b = 0; b < layer.B; ++b) {
      const int32_t* input = arrivals.input.data() + b * layer.inputs;
      const bool complete = !keep && all_arrive(layer, arrivals, b);
      Sums sums{};  // of dL/dV from this tick on, or to the last but one where all arrive
      for (int64_t k = K - 1; k >= 0; --k) {
        const Bits* dV = gradient + (k * layer.B + b) * layer.N + start;
        Sums& sum = complete && k == K - 1 ? all : sums;
        each_sum(width, [&](int64_t n, auto lanes) { sum[n] += load(dV + n * kLanes, lanes); });
        if (complete && k == K - 1) continue;
        for (int64_t i = k ? arrivals.ends[b * K + k - 1] : 0; i < arrivals.ends[b * K + k]; ++i) {
          add(input[i], sums, Floats{} + (keep ? number(keep[b * layer.inputs + input[i]]) : 1.0f));
        }
      }
    }
    for (int64_t i = 0; i < layer.inputs; ++i) add(i, all, Floats{} + 1.0f);
  });
}

}  // namespace
