/** The three neurons, one under the other, on input spikes that the reader changes. */

import { ifNeuron, spikeTrains, tqTtfsNeuron, ttfsNeuron } from "./model.js";
import { field, html, linear, read, start, svg, wholeNumbers } from "./parts.js";

const [WIDTH, LEFT, RIGHT] = [330, 30, 18]; // of a panel, in its own units
const [INPUT, MEMBRANE, GAP] = [64, 96, 30]; // heights
const MOST_SPIKES = 8;
const WEIGHT = { min: -2, max: 2, step: 0.25 };
const THETA = { min: 0, max: 3, step: 0.25 };

start("neuron", async (body) => {
  const { T, ...initial } = await read("neuron.json");
  const state = structuredClone(initial);
  const x = linear([0, T - 1], [LEFT + 8, WIDTH - RIGHT]);

  const steps = Array.from({ length: 4 }, (_, n) => (n * T) / 4); // that are named

  const picture = html("div", { class: "panels" });
  const said = html("p", { class: "said", "aria-live": "polite" });
  const rows = html("div", { class: "spikes", role: "group", "aria-label": "input spikes" });
  const settings = html("div", { class: "controls" });
  body.append(html("div", { class: "neuron" }, settings, html("div", { class: "seen" }, picture, said), rows));

  function draw() {
    const S_in = spikeTrains(state.times, T);
    const neurons = [
      ["if", "IF", ifNeuron(S_in, state.weights, state.theta)],
      ["ttfs", "TTFS", ttfsNeuron(S_in, state.weights, state.theta)],
      ["tq", `TQ-TTFS, q = ${state.q}`, tqTtfsNeuron(S_in, state.weights, state.q, state.theta)],
    ];
    const everything = [0, state.theta, ...neurons.flatMap(([, , { V }]) => V)];
    const domain = [Math.min(...everything) - 0.2, Math.max(...everything) + 0.3];
    picture.replaceChildren(input(), ...neurons.map((neuron) => membrane(...neuron, domain)));
    said.textContent = neurons.map(([, name, { S }]) => `${name}: ${spikesInWords(S)}.`).join(" ");
  }

  /** The input spikes as stems, up for a positive weight and down for a negative one. */
  function input() {
    const top = 24;
    const y = linear([WEIGHT.min, WEIGHT.max], [top + INPUT, top]);
    const stems = state.times.map((time, i) => {
      const end = y(state.weights[i]);
      return svg(
        "g",
        { class: state.weights[i] < 0 ? "stem negative" : "stem" },
        svg("line", { x1: x(time), x2: x(time), y1: y(0), y2: end }),
        svg("circle", { cx: x(time), cy: end, r: 4 }),
      );
    });
    return panel("Input: weights of the spikes", top + INPUT + 10, "input spikes by time step", [
      ...axis(y, [-2, 0, 2]),
      svg("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: y(0), y2: y(0) }),
      ...stems,
    ]);
  }

  function membrane(kind, name, { V, S }, domain) {
    const top = 20;
    const bottom = top + MEMBRANE;
    const y = linear(domain, [bottom, top]);
    const clock = kind === "tq" ? S.flatMap((_, t) => ((t + 1) % state.q === 0 ? [t] : [])) : [];
    const points = V.map((v, t) => `${x(t)},${y(v)}`).join(" ");
    return panel(name, bottom + GAP, `${name}: ${spikesInWords(S)}`, [
      ...clock.map((t) => svg("line", { class: "tick", x1: x(t), x2: x(t), y1: top, y2: bottom })),
      ...axis(
        y,
        wholeNumbers(Math.ceil(domain[0]), Math.floor(domain[1]))
          .map(([value]) => value)
          .slice(-5),
      ),
      svg("line", { class: "theta", x1: LEFT, x2: WIDTH - RIGHT, y1: y(state.theta), y2: y(state.theta) }),
      svg("text", { x: WIDTH - RIGHT + 5, y: y(state.theta) + 4 }, "θ"),
      svg("polyline", { class: `membrane ${kind}`, points }),
      ...V.map((v, t) => svg("circle", { class: `potential ${kind}`, cx: x(t), cy: y(v), r: 2.6 })),
      ...S.flatMap((s, t) =>
        s ? [svg("rect", { class: `spike ${kind}`, x: x(t) - 2, y: bottom + 2, width: 4, height: 11 })] : [],
      ),
      ...steps.map((t) => svg("text", { class: "middle", x: x(t), y: bottom + 26 }, `${t}`)),
    ]);
  }

  function panel(title, height, label, children) {
    return svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": label },
      svg("text", { class: "title", x: 2, y: 12 }, title),
      ...children,
    );
  }

  function axis(y, values) {
    return values.map((value) => svg("text", { class: "end", x: LEFT - 4, y: y(value) + 4 }, `${value}`));
  }

  /** A row of controls for every input spike. */
  function listSpikes() {
    rows.replaceChildren(
      ...state.times.map((time, i) =>
        html(
          "div",
          { class: "spike-row" },
          html("span", { class: "name" }, `spike ${i + 1}`),
          field(
            "t",
            number({ min: 0, max: T - 1, step: 1, value: time }, (value) => (state.times[i] = value)),
          ),
          field(
            "w",
            number({ ...WEIGHT, value: state.weights[i] }, (value) => (state.weights[i] = value)),
          ),
          html("button", { type: "button", "aria-label": `remove spike ${i + 1}`, click: () => remove(i) }, "×"),
        ),
      ),
    );
    add.disabled = state.times.length === MOST_SPIKES;
  }

  /** A number that takes effect once it is one within its limits. */
  function number(attributes, set) {
    const control = html("input", { type: "number", ...attributes });
    control.addEventListener("input", () => {
      const valid = control.value !== "" && control.checkValidity();
      control.setAttribute("aria-invalid", String(!valid));
      if (!valid) return;
      set(control.valueAsNumber);
      draw();
    });
    return control;
  }

  function remove(i) {
    state.times.splice(i, 1);
    state.weights.splice(i, 1);
    listSpikes();
    draw();
    (rows.querySelectorAll("button")[Math.min(i, state.times.length - 1)] ?? add).focus();
  }

  const add = html("button", { type: "button", click: () => addSpike() }, "Add a spike");
  function addSpike() {
    state.times.push(T - 4);
    state.weights.push(0.5);
    listSpikes();
    draw();
  }

  function fillSettings() {
    const theta = html("output", {}, `${state.theta}`);
    const slider = html("input", { type: "range", ...THETA, value: state.theta });
    slider.addEventListener("input", () => {
      state.theta = slider.valueAsNumber;
      theta.textContent = `${state.theta}`;
      draw();
    });
    const degree = html("output", {}, `${state.q}`);
    const q = html("input", { type: "range", min: 1, max: T, step: 1, value: state.q });
    q.addEventListener("input", () => {
      state.q = q.valueAsNumber;
      degree.textContent = `${state.q}`;
      draw();
    });
    settings.replaceChildren(
      html("label", {}, html("span", {}, "threshold θ = ", theta), slider),
      html("label", {}, html("span", {}, "degree q = ", degree), q),
      add,
      html("button", { type: "button", click: reset }, "Reset"),
    );
  }

  function reset() {
    Object.assign(state, structuredClone(initial));
    fillSettings();
    listSpikes();
    draw();
  }

  reset();
});

function spikesInWords(S) {
  const times = S.flatMap((s, t) => (s ? [t] : []));
  return times.length ? `fires at t = ${times.join(", ")}` : "never fires";
}
