// The first convolution and its firing in one pass over images whose pixels spike once.
//
// A pixel's weight reaches a neuron at the first tick at or after the pixel's spike, and stays.  So the potentials of a
// neuron at all of its ticks are running sums of its window's weights in the order of time: an addition for each weight
// and one for each tick, not their product.  Backward, the gradient of a weight is the sum of dL/dV over the ticks from the pixel's spike on.
// Potentials are computed again for it, which is faster than to store and read them.
//
// A task is one image.  Channels are taken kLanes at a time; the last block's missing ones have zero weights.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <numbers>
#include <vector>

#include "lanes.h"

namespace {

struct Convolution {
  int64_t B, H, W, C, size, pool;  // images [B, H, W] and C filters of size x size, padded to the same size
  std::vector<int64_t> steps, read_at;
  float theta, alpha;

  int64_t ticks() const { return static_cast<int64_t>(steps.size()); }
  int64_t reads() const { return static_cast<int64_t>(read_at.size()); }
  int64_t blocks() const { return (C + kLanes - 1) / kLanes; }
  int64_t weights() const { return size * size; }  // of a filter
  int64_t pooled() const { return (H / pool) * (W / pool); }

  int64_t stride() const { return W + size - 1; }  // of a row of the image with its margin

  // For every pixel of an image and of the margin around it the first tick that has seen it; ticks() where none has.
  void read_ticks(const uint8_t* times, std::vector<uint8_t>& tick) const {
    const std::array<uint8_t, 256> first = first_ticks(steps);
    tick.assign(stride() * (H + size - 1), static_cast<uint8_t>(ticks()));
    const int64_t margin = (size - 1) / 2;
    for (int64_t y = 0; y < H; ++y) {
      for (int64_t x = 0; x < W; ++x) tick[(y + margin) * stride() + x + margin] = first[times[y * W + x]];
    }
  }
};

// The neurons of a pooling window, for one block of channels: V[n][k], with one more k for the pixels of no tick.
template <int P>
struct Window {
  static constexpr int N = P * P;
  const Convolution& layer;
  std::vector<Floats> V;
  const uint8_t* corner;  // the first pixel of the first neuron's filter

  explicit Window(const Convolution& layer) : layer(layer), V(N * (layer.ticks() + 1)) {}

  Floats* of(int n) { return V.data() + n * (layer.ticks() + 1); }

  // Calls visit(weight, neuron, tick) for every weight of every neuron; the neurons take turns, so as not to wait for sums.
  template <typename Visit>
  void each(Visit visit) {
    for (int64_t i = 0; i < layer.size; ++i) {
      for (int64_t j = 0; j < layer.size; ++j) {
        for (int n = 0; n < N; ++n) {
          visit(i * layer.size + j, n, corner[(i + n / P) * layer.stride() + j + n % P]);
        }
      }
    }
  }

  void charge(const std::vector<uint8_t>& tick, const Floats* weight, int64_t y, int64_t x) {
    corner = tick.data() + y * P * layer.stride() + x * P;
    std::fill(V.begin(), V.end(), Floats{});
    each([&](int64_t w, int n, uint8_t k) { of(n)[k] += weight[w]; });
    for (int n = 0; n < N; ++n) {
      for (int64_t k = 1; k < layer.ticks(); ++k) of(n)[k] += of(n)[k - 1];
    }
  }

  void highest(int64_t k, Floats& top) {
    top = of(0)[k];
    for (int n = 1; n < N; ++n) top = of(n)[k] > top ? of(n)[k] : top;
  }
};

// Calls visit(window, block, place, lanes) for every pooling window of every image and block of channels, charged: the
// block is counted over all images, the place is that of its first channel in [B, H / P, W / P, C].
template <int P, typename Visit>
void each_charged_window(const Convolution& layer, const uint8_t* times, const Floats* weights, Visit visit) {
  const int64_t width = layer.W / P, pooled = layer.pooled();
  at::parallel_for(0, layer.B, 1, [&](int64_t begin, int64_t end) {
    Window<P> window(layer);
    std::vector<uint8_t> tick;
    for (int64_t b = begin; b < end; ++b) {
      layer.read_ticks(times + b * layer.H * layer.W, tick);
      each_block(layer.C, [&](int64_t channel, auto lanes) {
        const int64_t block = channel / kLanes;
        for (int64_t p = 0; p < pooled; ++p) {
          window.charge(tick, weights + block * layer.weights(), p / width, p % width);
          visit(window, b * layer.blocks() + block, (b * pooled + p) * layer.C + channel, lanes);
        }
      });
    }
  });
}

template <int P, typename Bits>
void run_convolve(const Convolution& layer, const uint8_t* times, const Floats* weights, const Bits* keep,
                  uint8_t* time, Bits* state) {
  const int64_t neurons = layer.B * layer.pooled() * layer.C;
  each_charged_window<P>(layer, times, weights, [&](Window<P>& window, int64_t, int64_t place, auto lanes) {
    Ints first = Ints{} + kNever;
    for (int64_t k = layer.ticks() - 1; k >= 0; --k) {
      Floats top;
      window.highest(k, top);
      first = top > layer.theta ? Ints{} + static_cast<int32_t>(layer.steps[k]) : first;
    }
    const Floats on = keep ? load(keep + place, lanes) : Floats{} + 1.0f;
    store(time + place, first, lanes);
    for (int64_t r = 0; r < layer.reads(); ++r) {
      const Ints read = Ints{} + static_cast<int32_t>(layer.read_at[r]);
      store(state + r * neurons + place, first <= read ? on : Floats{}, lanes);
    }
  });
}

// Adds the gradients of the weights to zeros, [B, blocks, weights], an image's in its own place: their sum is the same
// for any number of threads.
template <int P, typename Bits>
void run_convolve_backward(const Convolution& layer, const uint8_t* times, const Floats* weights, const Bits* keep,
                           const uint8_t* time, const Bits* gradient, Floats* out) {
  const int64_t neurons = layer.B * layer.pooled() * layer.C;
  const float half = layer.alpha / 2, slope = std::numbers::pi_v<float> / 2 * layer.alpha;
  each_charged_window<P>(layer, times, weights, [&](Window<P>& window, int64_t block, int64_t place, auto lanes) {
    const Ints first = load(time + place, lanes);
    const Floats on = keep ? load(keep + place, lanes) : Floats{} + 1.0f;
    // From here on V[n][k] becomes the sum of dL/dV over the ticks from k on.
    std::array<Floats, P * P> sum{};
    Floats later{};
    int64_t r = layer.reads() - 1;
    for (int64_t k = layer.ticks() - 1; k >= 0; --k) {
      for (; r >= 0 && layer.read_at[r] >= layer.steps[k]; --r) {
        later += load(gradient + r * neurons + place, lanes) * on;
      }
      Floats top;
      window.highest(k, top);
      const Floats x = slope * (top - layer.theta);
      Floats rest = static_cast<int32_t>(layer.steps[k]) <= first ? later * half / (1 + x * x) : Floats{};
      for (int n = 0; n < P * P; ++n) {  // to the first neuron that has the highest potential
        Floats& v = window.of(n)[k];
        const Floats mine = v == top ? rest : Floats{};
        rest -= mine;
        v = sum[n] += mine;
      }
    }
    for (int n = 0; n < P * P; ++n) window.of(n)[layer.ticks()] = Floats{};
    Floats* dW = out + block * layer.weights();
    window.each([&](int64_t w, int n, uint8_t k) { dW[w] += window.of(n)[k]; });
  });
}

}  // namespace
