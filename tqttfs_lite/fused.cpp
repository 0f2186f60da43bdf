// The firing of a layer in one pass over time, forward and backward, on the CPU; firing.py has the mathematics.
//
// Membrane potentials are [K, B, H, W, C] in memory, channels innermost; a fully connected layer has H = W = 1.  A task
// is one pooled row of one image: what it carries through time, a firing step or a sum of gradients for each neuron,
// stays in the first-level cache.

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/library.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <numbers>
#include <vector>

namespace {

constexpr int32_t kNever = 255;

// Tensors are read and written as bits: bfloat16 is the upper half of a float.
inline float value(uint32_t bits) { return std::bit_cast<float>(bits); }
inline float value(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

template <typename Bits>
inline Bits bits_of(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  if constexpr (sizeof(Bits) == 4) {
    return bits;
  } else {  // rounded to the nearest, ties to even; gradients and potentials are finite
    return static_cast<uint16_t>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
  }
}

struct Layer {
  int64_t K, B, H, W, C, pool;
  std::vector<int64_t> steps, read_at;
  float theta, alpha;

  int64_t row() const { return W / pool * C; }      // neurons in a pooled row
  int64_t tasks() const { return B * (H / pool); }  // pooled rows in a batch
  int64_t reads() const { return static_cast<int64_t>(read_at.size()); }
};

// The loops over a run of neurons.  Functions of their own, so that nothing in them aliases; a window's neurons are v[c],
// v[next + c], v[below + c] and v[below + next + c].
template <int P, typename Bits>
inline float highest(const Bits* v, int64_t below, int64_t next) {
  if constexpr (P == 1) return value(v[0]);
  return std::max(std::max(value(v[0]), value(v[next])), std::max(value(v[below]), value(v[below + next])));
}

template <int P, typename Bits>
void note_firing(int64_t run, int64_t below, int64_t next, const Bits* __restrict__ v, int32_t now, float theta,
                 int32_t* __restrict__ first) {
  for (int64_t c = 0; c < run; ++c) {
    const int32_t at = highest<P>(v + c, below, next) > theta ? now : kNever;
    first[c] = std::min(first[c], at);
  }
}

template <typename Bits>
void read_state(int64_t run, const int32_t* __restrict__ first, int32_t read, const Bits* __restrict__ on,
                Bits* __restrict__ state) {
  for (int64_t i = 0; i < run; ++i) {
    const Bits kept = on[i];
    state[i] = first[i] <= read ? kept : Bits(0);
  }
}

template <typename Bits>
void add_gradient(int64_t run, const Bits* __restrict__ gradient, const Bits* __restrict__ on,
                  float* __restrict__ later) {
  for (int64_t i = 0; i < run; ++i) later[i] += value(gradient[i]) * value(on[i]);
}

// dL/dV on one tick; in a window it goes to the first neuron that has the highest potential.
template <int P, typename Bits>
__attribute__((noinline)) void write_gradient(int64_t run, int64_t below, int64_t next, const Bits* __restrict__ v, const float* __restrict__ later,
                    const int32_t* __restrict__ first, int32_t now, float theta, float alpha, Bits* __restrict__ out,
                    Bits* __restrict__ out1, Bits* __restrict__ out2, Bits* __restrict__ out3) {
  const float half = alpha / 2, slope = std::numbers::pi_v<float> / 2 * alpha;
  for (int64_t c = 0; c < run; ++c) {
    const float top = highest<P>(v + c, below, next);
    const float x = slope * (top - theta);
    const float charging = now <= first[c] ? 1.0f : 0.0f;
    float rest = later[c] * charging * half / (1 + x * x);
    if constexpr (P == 2) {
      const float g0 = value(v[c]) == top ? rest : 0.0f;
      rest -= g0;
      const float g1 = value(v[next + c]) == top ? rest : 0.0f;
      rest -= g1;
      const float g2 = value(v[below + c]) == top ? rest : 0.0f;
      out[c] = bits_of<Bits>(g0);
      out1[c] = bits_of<Bits>(g1);
      out2[c] = bits_of<Bits>(g2);
      out3[c] = bits_of<Bits>(rest - g2);
    } else {
      out[c] = bits_of<Bits>(rest);
    }
  }
}

template <int P, typename Bits>
void forward(const Layer& layer, const Bits* V, const Bits* keep, uint8_t* time, Bits* state) {
  const int64_t row = layer.row(), tasks = layer.tasks(), below = layer.W * layer.C, next = layer.C;
  const int64_t run = P == 1 ? row : next;  // without pooling the whole row is one run
  at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    std::vector<int32_t> first(row);
    const std::vector<Bits> ones(row, bits_of<Bits>(1.0f));
    for (int64_t task = begin; task < end; ++task) {
      std::fill(first.begin(), first.end(), kNever);
      for (int64_t k = 0; k < layer.K; ++k) {
        const Bits* v = V + (k * tasks + task) * row * P * P;
        for (int64_t w = 0; w < row; w += run) {
          note_firing<P>(run, below, next, v + w * P, static_cast<int32_t>(layer.steps[k]), layer.theta, &first[w]);
        }
      }
      std::copy(first.begin(), first.end(), time + task * row);
      const Bits* on = keep ? keep + task * row : ones.data();
      for (int64_t r = 0; r < layer.reads(); ++r) {
        read_state(row, first.data(), static_cast<int32_t>(layer.read_at[r]), on, state + (r * tasks + task) * row);
      }
    }
  });
}

template <int P, typename Bits>
void backward(const Layer& layer, const Bits* V, const Bits* keep, const uint8_t* time, const Bits* gradient, Bits* out) {
  const int64_t row = layer.row(), tasks = layer.tasks(), below = layer.W * layer.C, next = layer.C;
  const int64_t run = P == 1 ? row : next;
  at::parallel_for(0, tasks, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> later(row);  // the state's gradients from this tick on, added up
    std::vector<int32_t> first(row);
    const std::vector<Bits> ones(row, bits_of<Bits>(1.0f));
    for (int64_t task = begin; task < end; ++task) {
      std::copy(time + task * row, time + (task + 1) * row, first.begin());
      std::fill(later.begin(), later.end(), 0.0f);
      const Bits* on = keep ? keep + task * row : ones.data();
      int64_t r = layer.reads() - 1;
      for (int64_t k = layer.K - 1; k >= 0; --k) {
        for (; r >= 0 && layer.read_at[r] >= layer.steps[k]; --r) {
          add_gradient(row, gradient + (r * tasks + task) * row, on, later.data());
        }
        for (int64_t w = 0; w < row; w += run) {
          const int64_t offset = (k * tasks + task) * row * P * P + w * P;
          Bits* o = out + offset;
          write_gradient<P>(run, below, next, V + offset, &later[w], &first[w], static_cast<int32_t>(layer.steps[k]),
                            layer.theta, layer.alpha, o, o + next, o + below, o + below + next);
        }
      }
    }
  });
}

Layer layer_of(const at::Tensor& V, at::IntArrayRef steps, at::IntArrayRef read_at, int64_t pool, double theta,
               double alpha, const std::optional<at::Tensor>& keep) {
  TORCH_CHECK(V.dim() == 5 && V.is_contiguous(), "V must be a contiguous [K, B, H, W, C]");
  TORCH_CHECK(V.scalar_type() == at::kFloat || V.scalar_type() == at::kBFloat16, "V must be float32 or bfloat16");
  TORCH_CHECK(pool == 1 || pool == 2, "windows of 1 or 2 are fused");
  TORCH_CHECK(V.size(2) % pool == 0 && V.size(3) % pool == 0, "the window must divide the image");
  TORCH_CHECK(static_cast<int64_t>(steps.size()) == V.size(0), "V must have one frame for every step");
  if (keep) TORCH_CHECK(keep->is_contiguous() && keep->scalar_type() == V.scalar_type(), "keep must be like V");
  return {V.size(0), V.size(1), V.size(2), V.size(3), V.size(4), pool, steps.vec(), read_at.vec(),
          static_cast<float>(theta), static_cast<float>(alpha)};
}

template <typename Bits>
const Bits* bits(const std::optional<at::Tensor>& tensor) {
  return tensor ? static_cast<const Bits*>(tensor->const_data_ptr()) : nullptr;
}

// Calls a function template with the type of the tensor's bits and the size of the pooling window.
template <typename Function>
void dispatch(const at::Tensor& V, int64_t pool, Function run) {
  const bool wide = V.scalar_type() == at::kFloat;
  if (pool == 2) {
    wide ? run.template operator()<2, uint32_t>() : run.template operator()<2, uint16_t>();
  } else {
    wide ? run.template operator()<1, uint32_t>() : run.template operator()<1, uint16_t>();
  }
}

std::tuple<at::Tensor, at::Tensor> fire(const at::Tensor& V, at::IntArrayRef steps, at::IntArrayRef read_at,
                                        int64_t pool, double theta, const std::optional<at::Tensor>& keep) {
  const Layer layer = layer_of(V, steps, read_at, pool, theta, 0, keep);
  const int64_t H = layer.H / pool, W = layer.W / pool;
  at::Tensor time = at::empty({layer.B, H, W, layer.C}, V.options().dtype(at::kByte));
  at::Tensor state = at::empty({layer.reads(), layer.B, H, W, layer.C}, V.options());
  dispatch(V, pool, [&]<int P, typename Bits>() {
    forward<P>(layer, static_cast<const Bits*>(V.const_data_ptr()), bits<Bits>(keep),
               time.mutable_data_ptr<uint8_t>(), static_cast<Bits*>(state.mutable_data_ptr()));
  });
  return {state, time};
}

at::Tensor fire_backward(const at::Tensor& V, const at::Tensor& time, const at::Tensor& gradient, at::IntArrayRef steps,
                         at::IntArrayRef read_at, int64_t pool, double theta, double alpha,
                         const std::optional<at::Tensor>& keep) {
  const Layer layer = layer_of(V, steps, read_at, pool, theta, alpha, keep);
  TORCH_CHECK(gradient.is_contiguous() && gradient.scalar_type() == V.scalar_type(), "the gradient must be like V");
  at::Tensor out = at::empty_like(V);
  dispatch(V, pool, [&]<int P, typename Bits>() {
    backward<P>(layer, static_cast<const Bits*>(V.const_data_ptr()), bits<Bits>(keep),
                time.const_data_ptr<uint8_t>(), static_cast<const Bits*>(gradient.const_data_ptr()),
                static_cast<Bits*>(out.mutable_data_ptr()));
  });
  return out;
}

}  // namespace

TORCH_LIBRARY(tqttfs, library) {
  library.def("fire(Tensor V, int[] steps, int[] read_at, int pool, float theta, Tensor? keep) -> (Tensor, Tensor)");
  library.def(
      "fire_backward(Tensor V, Tensor time, Tensor gradient, int[] steps, int[] read_at, int pool, float theta, "
      "float alpha, Tensor? keep) -> Tensor");
}

TORCH_LIBRARY_IMPL(tqttfs, CPU, library) {
  library.impl("fire", fire);
  library.impl("fire_backward", fire_backward);
}
