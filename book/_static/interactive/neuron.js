/** The three neurons, one under the other, on input spikes that the reader drags or sets. */

import { ifNeuron, spikeTrains, tqTtfsNeuron, ttfsNeuron } from "./model.js";
import { TASKS } from "./tasks.js";
import { field, html, linear, number, read, start, svg, wholeNumbers } from "./parts.js";

const [WIDTH, LEFT, RIGHT] = [330, 30, 18]; // of a panel, in its own units
const [INPUT, MEMBRANE, GAP] = [64, 96, 30]; // heights
const MOST_SPIKES = 8;
const WEIGHT = { min: -2, max: 2, step: 0.25 };
const THETA = { min: 0, max: 3, step: 0.25 };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

start("neuron", async (body) => {
  const { T, ...initial } = await read("neuron.json");
  const state = structuredClone(initial);
  const x = linear([0, T - 1], [LEFT + 8, WIDTH - RIGHT]);

  let scales = { weight: null, potential: null }; // of what is drawn, from values to places
  let dragged = null; // what the pointer has: which spike, or θ, and where values are

  const picture = html("div", { class: "panels", pointerdown: take, pointermove: drag, keydown: press });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    picture.addEventListener(end, () => (dragged = null));
  const tasks = TASKS.map(({ text, done }) => ({ item: html("li", {}, text), done }));
  const said = html("p", { class: "said", "aria-live": "polite" });
  const rows = html("div", { class: "spikes", role: "group", "aria-label": "input spikes" });
  const settings = html("div", { class: "controls" });
  body.append(html("div", { class: "neuron" }, settings, html("div", { class: "seen" }, picture, said), rows),
    html("h4", {}, "Try"), html("ol", { class: "tasks" }, ...tasks.map(({ item }) => item)));

  function draw() {
    const S_in = spikeTrains(state.times, T);
    const neurons = [
      ["if", "IF", ifNeuron(S_in, state.weights, state.theta)],
      ["ttfs", "TTFS", ttfsNeuron(S_in, state.weights, state.theta)],
      ["tq", `TQ-TTFS, q = ${state.q}`, tqTtfsNeuron(S_in, state.weights, state.q, state.theta)],
    ];
    const everything = [0, state.theta, ...neurons.flatMap(([, , { V }]) => V)];
    const domain = [Math.min(...everything) - 0.2, Math.max(...everything) + 0.3];
    const held = document.activeElement.closest?.("[data-spike]")?.dataset.spike; // to be focused again
    picture.replaceChildren(input(), ...neurons.map((neuron) => membrane(...neuron, domain)));
    picture.querySelector(`[data-spike="${held}"]`)?.focus();
    for (const { item, done } of tasks)
      if (!item.classList.contains("done") && done({ T, ...state }, { T, ...initial })) {
        item.classList.add("done");
        item.append(" ✓ done");
      }
    said.textContent = neurons.map(([, name, { S }]) => `${name}: ${spikesInWords(S)}.`).join(" ");
  }

  /** The input spikes as stems, up for a positive weight and down for a negative one. */
  function input() {
    const top = 24;
    const y = linear([WEIGHT.min, WEIGHT.max], [top + INPUT, top]);
    scales.weight = linear([top + INPUT, top], [WEIGHT.min, WEIGHT.max]);
    const stems = state.times.map((time, i) => {
      const end = y(state.weights[i]);
      return svg(
        "g",
        {
          class: state.weights[i] < 0 ? "stem negative" : "stem",
          "data-spike": i,
          tabindex: 0,
          role: "slider",
          "aria-label": `spike ${i + 1}, arrow keys move it`,
          "aria-valuemin": 0,
          "aria-valuemax": T - 1,
          "aria-valuenow": time,
          "aria-valuetext": `time ${time}, weight ${state.weights[i]}`,
        },
        svg("line", { x1: x(time), x2: x(time), y1: y(0), y2: end }),
        svg("circle", { cx: x(time), cy: end, r: 5 }),
        svg("circle", { class: "target", cx: x(time), cy: end, r: 12 }),
      );
    });
    return panel("Input spikes by weight w: drag them", top + INPUT + 10, undefined, [
      ...windows(top, top + INPUT),
      ...axis(y, [-2, 0, 2]),
      svg("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: y(0), y2: y(0) }),
      ...stems,
    ]);
  }

  function membrane(kind, name, { V, S }, domain) {
    const top = 20;
    const bottom = top + MEMBRANE;
    const y = linear(domain, [bottom, top]);
    scales.potential = linear([bottom, top], domain);
    const ticks = S.flatMap((_, t) => ((t + 1) % state.q === 0 ? [t] : []));
    const points = V.map((v, t) => `${x(t)},${y(v)}`).join(" ");
    return panel(name, bottom + GAP, `${name}: ${spikesInWords(S)}`, [
      ...(kind === "tq" ? windows(top, bottom) : []),
      ...(kind === "tq" ? ticks : []).map((t) => svg("line", { class: "tick", x1: x(t), x2: x(t), y1: top, y2: bottom })),
      ...axis(
        y,
        wholeNumbers(Math.ceil(domain[0]), Math.floor(domain[1]))
          .map(([value]) => value)
          .slice(-5),
      ),
      svg("line", { class: "theta", x1: LEFT, x2: WIDTH - RIGHT, y1: y(state.theta), y2: y(state.theta) }),
      svg("text", { x: WIDTH - RIGHT + 9, y: y(state.theta) + 4 }, "θ"),
      svg("line", {
        class: "target",
        "data-theta": true,
        x1: LEFT,
        x2: WIDTH,
        y1: y(state.theta),
        y2: y(state.theta),
      }),
      svg("polyline", { class: `membrane ${kind}`, points }),
      ...V.map((v, t) => svg("circle", { class: `potential ${kind}`, cx: x(t), cy: y(v), r: 2.6 })),
      ...S.flatMap((s, t) =>
        s ? [svg("rect", { class: `spike ${kind}`, x: x(t) - 2, y: bottom + 2, width: 4, height: 11 })] : [],
      ),
      ...ticks.map((t) => svg("text", { class: "middle", x: x(t), y: bottom + 26 }, `${t}`)),
    ]);
  }

  /** Every second window of the clock, shaded: the steps that a tick gathers, which is its last. */
  function windows(top, bottom) {
    const wide = state.q * (x(1) - x(0));
    const starts = wholeNumbers(0, Math.floor(T / state.q) - 1).map(([n]) => n * state.q);
    return starts
      .filter((_, n) => n % 2 === 0)
      .map((t) => svg("rect", { class: "window", x: x(t - 0.5), y: top, width: wide, height: bottom - top }));
  }

  // Spikes and θ are dragged; a spike that has the focus is moved by arrow keys.

  function take(event) {
    const target = event.target.closest("[data-spike], [data-theta]");
    if (!target || event.button !== 0) return;
    const { left, top, width } = target.ownerSVGElement.getBoundingClientRect();
    const { spike } = target.dataset;
    dragged = { spike, left, top, unit: width / WIDTH, ...scales };
    if (spike !== undefined) target.focus();
    picture.setPointerCapture(event.pointerId);
    event.preventDefault(); // of selecting text
  }

  function drag(event) {
    if (!dragged) return;
    const { spike, left, top, unit, weight, potential } = dragged;
    const [across, down] = [(event.clientX - left) / unit, (event.clientY - top) / unit];
    if (spike === undefined) {
      state.theta = stepped(potential(down), THETA);
      fillSettings();
      draw();
    } else moveSpike(spike, linear([x(0), x(1)], [0, 1])(across), weight(down));
  }

  function press(event) {
    const spike = event.target.closest("[data-spike]")?.dataset.spike;
    if (spike === undefined || !(event.key in ARROWS)) return;
    const [later, heavier] = ARROWS[event.key];
    moveSpike(spike, state.times[spike] + later, state.weights[spike] + heavier * WEIGHT.step);
    event.preventDefault();
  }

  function moveSpike(i, time, weight) {
    state.times[i] = stepped(time, { min: 0, max: T - 1, step: 1 });
    state.weights[i] = stepped(weight, WEIGHT);
    listSpikes();
    draw();
  }

  function panel(title, height, label, children) {
    return svg(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${height}`, role: label ? "img" : "group", "aria-label": label ?? title },
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
            number({ min: 0, max: T - 1, step: 1, value: time }, (value) => {
              state.times[i] = value;
              draw();
            }),
          ),
          field(
            "w",
            number({ ...WEIGHT, value: state.weights[i] }, (value) => {
              state.weights[i] = value;
              draw();
            }),
          ),
          html("button", { type: "button", "aria-label": `remove spike ${i + 1}`, click: () => remove(i) }, "×"),
        ),
      ),
    );
    add.disabled = state.times.length === MOST_SPIKES;
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

/** The nearest of the values that a control has. */
const stepped = (value, { min, max, step }) => Math.min(max, Math.max(min, Math.round(value / step) * step));

function spikesInWords(S) {
  const times = S.flatMap((s, t) => (s ? [t] : []));
  return times.length ? `fires at t = ${times.join(", ")}` : "never fires";
}
