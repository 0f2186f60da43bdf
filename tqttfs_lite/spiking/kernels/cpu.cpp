// The kernels of fire.h, convolve.h and charge.h as PyTorch operators, which cpu.py registers; firing.py has the mathematics.

#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <tuple>

#include "charge.h"
#include "convolve.h"
#include "fire.h"

namespace {

void check_like(const at::Tensor& tensor, int64_t numbers, at::ScalarType type, const char* name) {
  TORCH_CHECK(tensor.is_contiguous() && tensor.scalar_type() == type && tensor.numel() == numbers, name,
              " must be contiguous, of the right type, and ", numbers, " numbers");
}

Layer layer_of(const at::Tensor& V, at::IntArrayRef steps, at::IntArrayRef read_at, int64_t pool, double theta,
               double alpha, const std::optional<at::Tensor>& keep) {
  TORCH_CHECK(V.dim() == 5 && V.is_contiguous(), "V must be a contiguous [K, B, H, W, C]");
  TORCH_CHECK(V.scalar_type() == at::kFloat || V.scalar_type() == at::kBFloat16, "V must be float32 or bfloat16");
  TORCH_CHECK(pool == 1 || pool == 2, "windows of 1 or 2 are fused");
  TORCH_CHECK(V.size(2) % pool == 0 && V.size(3) % pool == 0, "the window must divide the image");
  TORCH_CHECK(static_cast<int64_t>(steps.size()) == V.size(0), "V must have one frame for every step");
  const int64_t neurons = V.numel() / std::max<int64_t>(1, V.size(0) * pool * pool);
  if (keep) check_like(*keep, neurons, V.scalar_type(), "keep");
  return {V.size(0), V.size(1), V.size(2), V.size(3), V.size(4), pool, steps.vec(), read_at.vec(),
          static_cast<float>(theta), static_cast<float>(alpha)};
}

template <typename Bits>
const Bits* bits(const std::optional<at::Tensor>& tensor) {
  return tensor ? static_cast<const Bits*>(tensor->const_data_ptr()) : nullptr;
}

// Calls a function template with the size of the pooling window and the type of a tensor's bits.
template <typename Function>
void dispatch(int64_t pool, at::ScalarType type, Function run) {
  const bool wide = type == at::kFloat;
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
  dispatch(pool, V.scalar_type(), [&]<int P, typename Bits>() {
    run_fire<P>(layer, static_cast<const Bits*>(V.const_data_ptr()), bits<Bits>(keep),
                time.mutable_data_ptr<uint8_t>(), static_cast<Bits*>(state.mutable_data_ptr()));
  });
  return {state, time};
}

at::Tensor fire_backward(const at::Tensor& V, const at::Tensor& time, const at::Tensor& gradient, at::IntArrayRef steps,
                         at::IntArrayRef read_at, int64_t pool, double theta, double alpha,
                         const std::optional<at::Tensor>& keep) {
  const Layer layer = layer_of(V, steps, read_at, pool, theta, alpha, keep);
  const int64_t neurons = layer.tasks() * layer.row();
  check_like(time, neurons, at::kByte, "the firing times");
  check_like(gradient, layer.reads() * neurons, V.scalar_type(), "the gradient");
  at::Tensor out = at::empty_like(V);
  dispatch(pool, V.scalar_type(), [&]<int P, typename Bits>() {
    run_fire_backward<P>(layer, static_cast<const Bits*>(V.const_data_ptr()), bits<Bits>(keep),
                         time.const_data_ptr<uint8_t>(), static_cast<const Bits*>(gradient.const_data_ptr()),
                         static_cast<Bits*>(out.mutable_data_ptr()));
  });
  return out;
}

at::Tensor read_states(const at::Tensor& time, at::IntArrayRef read_at, at::ScalarType type) {
  TORCH_CHECK(time.is_contiguous() && time.scalar_type() == at::kByte, "firing times must be contiguous bytes");
  TORCH_CHECK(type == at::kFloat || type == at::kBFloat16, "states are float32 or bfloat16");
  std::vector<int64_t> sizes = time.sizes().vec();
  sizes.insert(sizes.begin(), static_cast<int64_t>(read_at.size()));
  at::Tensor state = at::empty(sizes, time.options().dtype(type));
  dispatch(1, type, [&]<int P, typename Bits>() {
    run_read(time.numel(), time.const_data_ptr<uint8_t>(), read_at, static_cast<Bits*>(state.mutable_data_ptr()));
  });
  return state;
}

Convolution convolution_of(const at::Tensor& times, const at::Tensor& weight, at::IntArrayRef steps,
                           at::IntArrayRef read_at, int64_t pool, double theta, double alpha,
                           const std::optional<at::Tensor>& keep, at::ScalarType type) {
  TORCH_CHECK(times.dim() == 3 && times.is_contiguous() && times.scalar_type() == at::kByte,
              "the pixels' firing times must be bytes, a contiguous [B, H, W]");
  TORCH_CHECK(weight.dim() == 4 && weight.size(1) == 1 && weight.size(2) == weight.size(3) &&
                  weight.scalar_type() == at::kFloat, "the filters must be float32, [C, 1, size, size]");
  TORCH_CHECK(type == at::kFloat || type == at::kBFloat16, "states are float32 or bfloat16");
  TORCH_CHECK(pool == 1 || pool == 2, "windows of 1 or 2 are fused");
  TORCH_CHECK(times.size(1) % pool == 0 && times.size(2) % pool == 0, "the window must divide the image");
  TORCH_CHECK(!steps.empty() && steps.size() < kNever, "there must be from 1 to 254 steps");
  if (keep) check_like(*keep, times.numel() / (pool * pool) * weight.size(0), type, "keep");
  return {times.size(0), times.size(1), times.size(2), weight.size(0), weight.size(2), pool, steps.vec(), read_at.vec(),
          static_cast<float>(theta), static_cast<float>(alpha)};
}

const Floats* lanes(const at::Tensor& tensor) { return static_cast<const Floats*>(tensor.const_data_ptr()); }

// [C, 1, size, size] -> [blocks, size * size, kLanes]
at::Tensor in_blocks(const Convolution& layer, const at::Tensor& weight) {
  at::Tensor padded = at::constant_pad_nd(weight.detach().flatten(1), {0, 0, 0, layer.blocks() * kLanes - layer.C});
  return padded.unflatten(0, {layer.blocks(), kLanes}).transpose(1, 2).contiguous();
}

std::tuple<at::Tensor, at::Tensor> convolve(const at::Tensor& times, const at::Tensor& weight, at::IntArrayRef steps,
                                            at::IntArrayRef read_at, int64_t pool, double theta,
                                            const std::optional<at::Tensor>& keep, at::ScalarType type) {
  const Convolution layer = convolution_of(times, weight, steps, read_at, pool, theta, 0, keep, type);
  const int64_t H = layer.H / pool, W = layer.W / pool;
  const at::Tensor blocks = in_blocks(layer, weight);
  at::Tensor time = at::empty({layer.B, H, W, layer.C}, times.options());
  at::Tensor state = at::empty({layer.reads(), layer.B, H, W, layer.C}, weight.options().dtype(type));
  dispatch(pool, type, [&]<int P, typename Bits>() {
    run_convolve<P>(layer, times.const_data_ptr<uint8_t>(), lanes(blocks), bits<Bits>(keep),
                    time.mutable_data_ptr<uint8_t>(), static_cast<Bits*>(state.mutable_data_ptr()));
  });
  return {state, time};
}

at::Tensor convolve_backward(const at::Tensor& times, const at::Tensor& weight, const at::Tensor& time,
                             const at::Tensor& gradient, at::IntArrayRef steps, at::IntArrayRef read_at, int64_t pool,
                             double theta, double alpha, const std::optional<at::Tensor>& keep) {
  const at::ScalarType type = gradient.scalar_type();
  const Convolution layer = convolution_of(times, weight, steps, read_at, pool, theta, alpha, keep, type);
  const int64_t neurons = layer.B * layer.pooled() * layer.C;
  check_like(time, neurons, at::kByte, "the firing times");
  check_like(gradient, layer.reads() * neurons, type, "the gradient");
  const at::Tensor blocks = in_blocks(layer, weight);
  at::Tensor out = at::zeros({layer.B, layer.blocks(), layer.weights(), kLanes}, weight.options());
  dispatch(pool, type, [&]<int P, typename Bits>() {
    run_convolve_backward<P>(layer, times.const_data_ptr<uint8_t>(), lanes(blocks), bits<Bits>(keep),
                             time.const_data_ptr<uint8_t>(), static_cast<const Bits*>(gradient.const_data_ptr()),
                             static_cast<Floats*>(out.mutable_data_ptr()));
  });
  return out.sum(0).transpose(1, 2).flatten(0, 1).slice(0, 0, layer.C).reshape_as(weight);
}

Dense dense_of(const at::Tensor& times, int64_t N, at::IntArrayRef steps) {
  TORCH_CHECK(times.dim() == 2 && times.is_contiguous() && times.scalar_type() == at::kByte,
              "the inputs' firing times must be bytes, a contiguous [B, inputs]");
  TORCH_CHECK(!steps.empty() && steps.size() < kNever, "there must be from 1 to 254 steps");
  return {times.size(0), times.size(1), N, steps.vec()};
}

at::Tensor charge(const at::Tensor& times, const at::Tensor& weight, at::IntArrayRef steps,
                  const std::optional<at::Tensor>& keep, at::ScalarType type) {
  TORCH_CHECK(weight.dim() == 2 && weight.scalar_type() == at::kFloat, "the weights must be float32, [N, inputs]");
  const Dense layer = dense_of(times, weight.size(0), steps);
  TORCH_CHECK(weight.size(1) == layer.inputs, "there must be a weight for every input");
  TORCH_CHECK(type == at::kFloat || type == at::kBFloat16, "potentials are float32 or bfloat16");
  if (keep) check_like(*keep, times.numel(), type, "keep");
  const at::Tensor rows = weight.detach().t().contiguous();
  at::Tensor V = at::empty({layer.ticks(), layer.B, layer.N}, weight.options().dtype(type));
  dispatch(1, type, [&]<int P, typename Bits>() {
    run_charge(layer, times.const_data_ptr<uint8_t>(), static_cast<const uint32_t*>(rows.const_data_ptr()),
               bits<Bits>(keep), static_cast<Bits*>(V.mutable_data_ptr()));
  });
  return V;
}

at::Tensor charge_backward(const at::Tensor& times, const at::Tensor& gradient, at::IntArrayRef steps,
                           const std::optional<at::Tensor>& keep) {
  TORCH_CHECK(gradient.dim() == 3, "the gradient must be [K, B, N]");
  const Dense layer = dense_of(times, gradient.size(2), steps);
  const at::ScalarType type = gradient.scalar_type();
  TORCH_CHECK(type == at::kFloat || type == at::kBFloat16, "potentials are float32 or bfloat16");
  check_like(gradient, layer.ticks() * layer.B * layer.N, type, "the gradient");
  if (keep) check_like(*keep, times.numel(), type, "keep");
  at::Tensor rows = at::zeros({layer.inputs, layer.N}, gradient.options().dtype(at::kFloat));
  dispatch(1, type, [&]<int P, typename Bits>() {
    run_charge_backward(layer, times.const_data_ptr<uint8_t>(), bits<Bits>(keep),
                        static_cast<const Bits*>(gradient.const_data_ptr()),
                        static_cast<uint32_t*>(rows.mutable_data_ptr()));
  });
  return rows.t();
}

}  // namespace

TORCH_LIBRARY(tqttfs_cpu, library) {
  library.def("fire(Tensor V, int[] steps, int[] read_at, int pool, float theta, Tensor? keep) -> (Tensor, Tensor)");
  library.def(
      "fire_backward(Tensor V, Tensor time, Tensor gradient, int[] steps, int[] read_at, int pool, float theta, "
      "float alpha, Tensor? keep) -> Tensor");
  library.def("read(Tensor time, int[] read_at, ScalarType type) -> Tensor");
  library.def(
      "convolve(Tensor times, Tensor weight, int[] steps, int[] read_at, int pool, float theta, Tensor? keep, "
      "ScalarType type) -> (Tensor, Tensor)");
  library.def(
      "convolve_backward(Tensor times, Tensor weight, Tensor time, Tensor gradient, int[] steps, int[] read_at, "
      "int pool, float theta, float alpha, Tensor? keep) -> Tensor");
  library.def("charge(Tensor times, Tensor weight, int[] steps, Tensor? keep, ScalarType type) -> Tensor");
  library.def("charge_backward(Tensor times, Tensor gradient, int[] steps, Tensor? keep) -> Tensor");
}

TORCH_LIBRARY_IMPL(tqttfs_cpu, CPU, library) {
  library.impl("fire", fire);
  library.impl("fire_backward", fire_backward);
  library.impl("read", read_states);
  library.impl("convolve", convolve);
  library.impl("convolve_backward", convolve_backward);
  library.impl("charge", charge);
  library.impl("charge_backward", charge_backward);
}
