/**
 * The slides' neurons, their encoder and decoder, a fully connected network of TQ-TTFS neurons, and what it costs.
 * Pure functions of numbers: nothing here knows of the page.  tests/test_interactive.py holds them to the library.
 *
 * The symbols are the slides': W weights, S spikes, V membrane potentials, F firing history, theta threshold,
 * q temporal quantization degree, T time steps, t a step counted from 0.
 */

export const THETA = 1;
export const V_RESET = 0;

const sum = (values) => values.reduce((total, value) => total + value, 0);
const weighted = (W, spikes) => sum(W.map((w, i) => w * spikes[i]));

/** Integrate and fire: S_in[t][i] are input spikes, W[i] their weights.  Returns V and S, a number for each step. */
export function ifNeuron(S_in, W, theta = THETA) {
  let [v, s] = [V_RESET, 0];
  const [V, S] = [[], []];
  for (const spikes of S_in) {
    v = weighted(W, spikes) + (s === 0 ? v : V_RESET);
    s = v > theta ? 1 : 0;
    V.push(v);
    S.push(s);
  }
  return { V, S };
}

/** Time to first spike: the neuron that may fire on every step, but once only. */
export function ttfsNeuron(S_in, W, theta = THETA) {
  return tqTtfsNeuron(S_in, W, 1, theta);
}

/** Time to first spike on a clock: it fires only where (t + 1) % q is 0. */
export function tqTtfsNeuron(S_in, W, q, theta = THETA) {
  let [v, s, F] = [V_RESET, 0, 0];
  const [V, S] = [[], []];
  S_in.forEach((spikes, t) => {
    v = s === 0 ? (1 - F) * weighted(W, spikes) + v : V_RESET;
    s = v > theta && (t + 1) % q === 0 ? 1 : 0;
    F += s;
    V.push(v);
    S.push(s);
  });
  return { V, S };
}

/** Spike trains S_in[t][i] of inputs that spike once each, at these times. */
export function spikeTrains(times, T) {
  return Array.from({ length: T }, (_, t) => times.map((time) => (time === t ? 1 : 0)));
}

/** Intensity to latency, t = Round((T - 1)(1 - x / 255)): the brightest pixel spikes first. */
export function encode(x, T) {
  return Math.round((T - 1) * (1 - x / 255));
}

/** The steps on which each layer may fire after its first input; throws a RangeError for one that never could. */
export function clocks(degrees, T) {
  let firstInput = 0;
  return degrees.map((q, layer) => {
    const steps = [];
    for (let t = q * (Math.floor(firstInput / q) + 1) - 1; t < T; t += q) steps.push(t);
    if (!steps.length) {
      throw new RangeError(
        `T = ${T} time steps are too few for layer ${layer + 1} with q = ${q}: its clock never ticks after its first` +
          " input. Take a smaller degree.",
      );
    }
    firstInput = steps[0];
    return steps;
  });
}

/** Whether degrees leave every layer a tick after its first input. */
export function canFire(degrees, T) {
  try {
    return clocks(degrees, T).length > 0;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** The number that the 16 bits of a finite float16 stand for. */
export function float16(bits) {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const magnitude = exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24;
  return bits & 0x8000 ? -magnitude : magnitude;
}

/**
 * The layers { inputs, neurons, W } of a released checkpoint, a safetensors file: the length of its header in 8 bytes,
 * the header in JSON, and the weights of each layer in float16, a neuron's side by side.
 */
export function readWeights(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  const tensors = Object.keys(header).filter((name) => name !== "__metadata__");
  return tensors.map((_, l) => {
    const { shape, data_offsets: [start] } = header[`synapses.${l}.weight`];
    const [neurons, inputs] = shape;
    const W = new Float64Array(inputs * neurons);
    new Uint16Array(buffer, 8 + length + start, W.length).forEach((bits, k) => {
      W[(k % inputs) * neurons + Math.floor(k / inputs)] = float16(bits);
    });
    return { inputs, neurons, W };
  });
}

/**
 * Run an image through a network up to its decision.
 *
 * A layer is { inputs, neurons, q, W }, with the weights of an input side by side, W[i * neurons + j]: a spike that
 * arrives adds as many numbers as there are neurons.  Returns the label; the step of the decision, counted from 1, T
 * where no output neuron fires; which output neurons fire first; the spike times of the input and of every layer, T
 * where there is no spike by the decision; and the output potentials by step.
 *
 * Released weights are multiples of 2^-12, whose sums float64 holds exactly, as float32 does in the library: the spikes
 * are equal in any order of adding.
 */
export function infer(layers, pixels, T, theta = THETA) {
  clocks(degreesOf(layers), T);
  const times = [Uint8Array.from(pixels, (x) => encode(x, T))];
  for (const { neurons } of layers) times.push(new Uint8Array(neurons).fill(T));
  const V = layers.map(({ neurons }) => new Float64Array(neurons));
  const potentials = [];
  for (let t = 0; ; t++) {
    layers.forEach((layer, l) => {
      charge(V[l], layer, times[l], t);
      if ((t + 1) % layer.q === 0) fire(V[l], theta, times[l + 1], t, T);
    });
    potentials.push(Array.from(V.at(-1)));
    const first = Array.from(times.at(-1), (time) => time === t);
    if (first.includes(true) || t === T - 1) {
      // Spikes of the input that come after the decision are never sent.
      times[0].forEach((time, i) => time > t && (times[0][i] = T));
      return { label: decode(V.at(-1), first), step: t + 1, first, times, potentials };
    }
  }
}

/** Every spike of this step adds its weights.  A neuron that has fired is not looked at again, so F is left out. */
function charge(V, { neurons, W }, times, t) {
  times.forEach((time, i) => {
    if (time !== t) return;
    for (let j = 0; j < neurons; j++) V[j] += W[i * neurons + j];
  });
}

function fire(V, theta, times, t, never) {
  V.forEach((v, j) => {
    if (v > theta && times[j] === never) times[j] = t;
  });
}

/** The highest potential among those that fire first, or among all where none does; the lower class of equals. */
export function decode(V, first) {
  const silent = !first.includes(true);
  let label = -1;
  V.forEach((v, j) => {
    if ((silent || first[j]) && (label < 0 || v > V[label])) label = j;
  });
  return label;
}

const degreesOf = (layers) => layers.map(({ q }) => q);

/** What an inference takes, by layer: its spikes, those that arrive, the additions that these cause, and its ticks. */
export function counts(layers, { times, step }) {
  const spikes = times.map((layer) => layer.filter((time) => time < step).length);
  return layers.map(({ neurons, q }, l) => ({
    spikes: spikes[l + 1],
    arriving: spikes[l],
    additions: spikes[l] * neurons,
    ticks: step / q,
  }));
}

/** Nanojoules by layer: what is counted, times the prices that the build took from the library, times alpha. */
export function energies(counted, prices, alphas = counted.map(() => 1)) {
  return counted.map((layer, l) => {
    const spent = Object.entries(prices[l]).map(([what, price]) => price * layer[what]);
    return alphas[l] * sum(spent);
  });
}

/** The slides' alpha_l = T_1 / (T_0 q_l), for the steps of an inference and of the unquantized network's. */
export function frequencyCoefficients(steps, baselineSteps, degrees) {
  return degrees.map((q) => steps / (baselineSteps * q));
}
