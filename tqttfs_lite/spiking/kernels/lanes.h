// Several neurons at a time, as vectors that GCC and Clang compile for any processor.
//
// Tensors are read and written as bits: uint32_t is a float, uint16_t a bfloat16, the upper half of a float.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#ifdef __AVX512BF16__
#include <immintrin.h>
#endif

namespace {

#ifdef __AVX512F__
constexpr int64_t kLanes = 16;
#else  // vectors that are wider than the processor's are compiled number by number where they are compared
constexpr int64_t kLanes = 8;
#endif
constexpr int32_t kNever = 255;  // the firing time of a neuron that does not fire

// Calls visit(start, lanes) for a run of neurons, block by block.  That a whole block is whole is known to the compiler.
template <typename Visit>
inline void each_block(int64_t run, Visit visit) {
  int64_t start = 0;
  for (; start + kLanes <= run; start += kLanes) visit(start, std::integral_constant<int64_t, kLanes>{});
  if (start < run) visit(start, run - start);
}

template <typename T>
struct LanesOf {
  typedef T type __attribute__((vector_size(kLanes * sizeof(T))));
};
template <typename T>
using Lanes = typename LanesOf<T>::type;
using Floats = Lanes<float>;
using Ints = Lanes<int32_t>;
using Words = Lanes<uint32_t>;

// The values that are there, up to kLanes; zeros for the others.
template <typename T>
inline Lanes<T> load_raw(const T* from, int64_t lanes) {
  Lanes<T> raw{};
  if (lanes >= kLanes) {
    std::memcpy(&raw, from, sizeof(raw));
  } else {
    std::memcpy(&raw, from, lanes * sizeof(T));
  }
  return raw;
}

template <typename T, typename Raw>
inline void store_raw(T* to, const Raw& raw, int64_t lanes) {
  if (lanes >= kLanes) {
    std::memcpy(to, &raw, sizeof(raw));
  } else {
    std::memcpy(to, &raw, lanes * sizeof(T));
  }
}

inline Floats load(const uint32_t* from, int64_t lanes) { return reinterpret_cast<Floats>(load_raw(from, lanes)); }

inline Floats load(const uint16_t* from, int64_t lanes) {
  return reinterpret_cast<Floats>(__builtin_convertvector(load_raw(from, lanes), Words) << 16);
}

inline float number(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

inline float number(uint16_t bits) { return number(static_cast<uint32_t>(bits) << 16); }

inline Ints load(const int32_t* from, int64_t lanes) { return load_raw(from, lanes); }

inline Ints load(const uint8_t* from, int64_t lanes) {  // in two steps, each of them one instruction
  return __builtin_convertvector(__builtin_convertvector(load_raw(from, lanes), Lanes<uint16_t>), Ints);
}

inline void store(uint32_t* to, const Floats& x, int64_t lanes) {
  store_raw(to, reinterpret_cast<Words>(x), lanes);
}

inline void store(uint16_t* to, const Floats& x, int64_t lanes) {  // to the nearest, ties to even; x is finite
#ifdef __AVX512BF16__  // in one instruction, and what is next to nothing becomes nothing
  store_raw(to, reinterpret_cast<Lanes<uint16_t>>(_mm512_cvtneps_pbh(reinterpret_cast<__m512>(x))), lanes);
#else
  const Words bits = reinterpret_cast<Words>(x);
  store_raw(to, __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, Lanes<uint16_t>), lanes);
#endif
}

inline void store(int32_t* to, const Ints& x, int64_t lanes) { store_raw(to, x, lanes); }

inline void store(uint8_t* to, const Ints& x, int64_t lanes) {
  store_raw(to, __builtin_convertvector(__builtin_convertvector(x, Lanes<uint16_t>), Lanes<uint8_t>), lanes);
}

// For every firing time the first of these steps that has seen it; their number where none has.
inline std::array<uint8_t, 256> first_ticks(const std::vector<int64_t>& steps) {
  std::array<uint8_t, 256> first{};
  for (int64_t t = 0; t < 256; ++t) {
    first[t] = static_cast<uint8_t>(std::lower_bound(steps.begin(), steps.end(), t) - steps.begin());
  }
  return first;
}

}  // namespace
