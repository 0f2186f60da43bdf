/** What the reader is asked to do with the neuron, and when it is done; pure functions of what is set. */

import { ifNeuron, spikeTrains, tqTtfsNeuron } from "./model.js";

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

const NO_SPIKES = { times: [], weights: [] };

/** When the IF and the TQ-TTFS neuron fire. */
function firing({ T, times, weights, q, theta }) {
  const S_in = spikeTrains(times, T);
  const steps = ({ S }) => S.flatMap((s, t) => (s ? [t] : []));
  return { if: steps(ifNeuron(S_in, weights, theta)), tq: steps(tqTtfsNeuron(S_in, weights, q, theta)) };
}

/** Each has a text and `done`, which gets what is set, { T, times, weights, q, theta }, and what was at the start. */
export const TASKS = [
  {
    text: "From the start, move one spike so that the quantized neuron never fires, and the TTFS neuron still does.",
    done: (now, before) =>
      same({ ...now, ...NO_SPIKES }, { ...before, ...NO_SPIKES }) &&
      now.times.length === before.times.length &&
      now.times.filter((time, i) => time !== before.times[i] || now.weights[i] !== before.weights[i]).length === 1 &&
      firing(now).tq.length === 0 &&
      firing({ ...now, q: 1 }).tq.length === 1,
  },
  {
    text: "Make the IF neuron fire three times and the quantized neuron, with q above 1, once.",
    done: (now) => now.q > 1 && firing(now).if.length === 3 && firing(now).tq.length === 1,
  },
  {
    text: "From the start, find a q with which the quantized neuron fires later.",
    done: (now, before) => same({ ...now, q: 0 }, { ...before, q: 0 }) && firing(now).tq[0] > firing(before).tq[0],
  },
];
