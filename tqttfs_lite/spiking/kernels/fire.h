// The firing of a layer in one pass over time, forward and backward.
//
// Membrane potentials are [K, B, H, W, C] in memory, channels innermost; a fully connected layer has H = W = 1.  A task
// is one pooled row of one image: what it carries through time, a firing step or a sum of gradients for each neuron,
// stays in the first-level cache.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numbers>
#include <vector>

#include "lanes.h"

namespace {

struct Layer {
  int64_t K, B, H, W, C, pool;
  std::vector<int64_t> steps, read_at;
  float theta, alpha;

  int64_t row() const { return W / pool * C; }      // neurons in a pooled row
  int64_t tasks() const { return B * (H / pool); }  // pooled rows in a batch
  int64_t reads() const { return static_cast<int64_t>(read_at.size()); }

  // Calls visit(place, corner, lanes) for blocks of a pooled row: their place in it, and the first neuron of their windows.
  template <typename Visit>
  void each_window(Visit visit) const {
    const int64_t run = pool == 1 ? row() : C;  // without pooling the whole row is one run
    for (int64_t start = 0; start < row(); start += run) {
      each_block(run, [&](int64_t c, auto lanes) { visit(start + c, start * pool + c, lanes); });
    }
  }
};

// The potentials of a pooling window's neurons.
template <int P, typename Bits>
struct Potentials {
  std::array<Floats, P * P> V;
  Floats top;

  Potentials(const Layer& layer, const Bits* corner, int64_t lanes) {
    for (int n = 0; n < P * P; ++n) V[n] = load(corner + offset(layer, n), lanes);
    top = V[0];
    for (int n = 1; n < P * P; ++n) top = V[n] > top ? V[n] : top;
  }

  static int64_t offset(const Layer& layer, int n) { return (n / P * layer.W + n % P) * layer.C; }
};

template <int P, typename Bits>
void run_fire(const Layer& layer, const Bits* V, const Bits* keep, uint8_t* time, Bits* state) {
  const int64_t row = layer.row(), tasks = layer.tasks();
  at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    std::vector<int32_t> first(row);
    for (int64_t task = begin; task < end; ++task) {
      std::fill(first.begin(), first.end(), kNever);
      for (int64_t k = layer.K - 1; k >= 0; --k) {
        const Bits* frame = V + (k * tasks + task) * row * P * P;
        const Ints now = Ints{} + static_cast<int32_t>(layer.steps[k]);
        layer.each_window([&](int64_t place, int64_t corner, auto lanes) {
          const Potentials<P, Bits> window(layer, frame + corner, lanes);
          store(&first[place], window.top > layer.theta ? now : load(&first[place], lanes), lanes);
        });
      }
      std::copy(first.begin(), first.end(), time + task * row);
      for (int64_t r = 0; r < layer.reads(); ++r) {
        const Ints read = Ints{} + static_cast<int32_t>(layer.read_at[r]);
        Bits* out = state + (r * tasks + task) * row;
        each_block(row, [&](int64_t i, auto lanes) {
          const Floats on = keep ? load(keep + task * row + i, lanes) : Floats{} + 1.0f;
          store(out + i, load(&first[i], lanes) <= read ? on : Floats{}, lanes);
        });
      }
    }
  });
}

template <int P, typename Bits>
void run_fire_backward(const Layer& layer, const Bits* V, const Bits* keep, const uint8_t* time, const Bits* gradient,
                       Bits* out) {
  const int64_t row = layer.row(), tasks = layer.tasks();
  const float half = layer.alpha / 2, slope = std::numbers::pi_v<float> / 2 * layer.alpha;
  at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    std::vector<Floats> later((row + kLanes - 1) / kLanes);  // the state's gradients from this tick on, added up
    std::vector<int32_t> first(row);
    const auto later_at = [&](int64_t place) { return reinterpret_cast<uint32_t*>(later.data()) + place; };
    for (int64_t task = begin; task < end; ++task) {
      std::fill(later.begin(), later.end(), Floats{});
      std::copy(time + task * row, time + (task + 1) * row, first.begin());
      int64_t r = layer.reads() - 1;
      for (int64_t k = layer.K - 1; k >= 0; --k) {
        for (; r >= 0 && layer.read_at[r] >= layer.steps[k]; --r) {
          each_block(row, [&](int64_t i, auto lanes) {
            const Floats on = keep ? load(keep + task * row + i, lanes) : Floats{} + 1.0f;
            later[i / kLanes] += load(gradient + (r * tasks + task) * row + i, lanes) * on;
          });
        }
        const int64_t frame = (k * tasks + task) * row * P * P;
        const Ints now = Ints{} + static_cast<int32_t>(layer.steps[k]);
        layer.each_window([&](int64_t place, int64_t corner, auto lanes) {
          const Potentials<P, Bits> window(layer, V + frame + corner, lanes);
          const Floats x = slope * (window.top - layer.theta);
          const Floats due = load(later_at(place), lanes) * half / (1 + x * x);
          Floats rest = now <= load(&first[place], lanes) ? due : Floats{};
          for (int n = 0; n < P * P; ++n) {  // to the first neuron that has the highest potential
            const Floats mine = window.V[n] == window.top ? rest : Floats{};
            rest -= mine;
            store(out + frame + corner + window.offset(layer, n), mine, lanes);
          }
        });
      }
    }
  });
}

// The cumulative states of n neurons, [R, n], from their firing times.
template <typename Bits>
void run_read(int64_t n, const uint8_t* time, at::IntArrayRef read_at, Bits* state) {
  at::parallel_for(0, n, at::internal::GRAIN_SIZE, [&](int64_t begin, int64_t end) {
    for (size_t r = 0; r < read_at.size(); ++r) {
      const Ints read = Ints{} + static_cast<int32_t>(read_at[r]);
      each_block(end - begin, [&](int64_t i, auto lanes) {
        store(state + r * n + begin + i, load(time + begin + i, lanes) <= read ? Floats{} + 1.0f : Floats{}, lanes);
      });
    }
  });
}

}  // namespace
