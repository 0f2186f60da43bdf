/** Every trained network by accuracy against energy, under an accounting that the reader chooses, or latency. */

import { choice, field, html, linear, read, start, svg } from "./parts.js";

const LATENCY = "inference time steps";
const [HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [320, 60, 14, 14, 46];
const OUTLINES = ["M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0", "M-5,-5h10v10h-10z", "M0,-6l6,11h-12z"]; // of the kinds

start("tradeoff", async (body) => {
  const { kinds, datasets, accountings, points } = await read("tradeoff.json");
  const state = { dataset: points[0].dataset, cost: accountings[0], shown: null, pinned: null };
  let networks = []; // of the data set, from the cheapest to the dearest
  let marks = []; // their elements

  const picture = svg("svg", { class: "plot", role: "group", "aria-label": "networks, arrow keys lead through them" });
  const about = html("p", { class: "said", "aria-live": "polite" });
  const files = html("ul", { class: "files" });
  const legend = html("p", { class: "legend" });
  const costs = [...accountings.map((name) => [name, `energy, ${name}`]), [LATENCY, LATENCY]];
  const chosenSet = (dataset) => update({ dataset, shown: null, pinned: null });
  body.append(
    html(
      "div",
      { class: "controls" },
      field("data set", choice(Object.entries(datasets), state.dataset, chosenSet)),
      field(
        "accuracy against",
        choice(costs, state.cost, (cost) => update({ cost })),
      ),
    ),
    legend,
    picture,
    about,
    files,
  );

  function update(changes) {
    Object.assign(state, changes);
    networks = points.filter(({ dataset }) => dataset === state.dataset).sort((a, b) => cost(a).mean - cost(b).mean);
    const present = kinds.filter((kind) => networks.some((network) => network.kind === kind));
    legend.replaceChildren(
      ...present.map((kind) =>
        html("span", {}, svg("svg", { viewBox: "-7 -7 14 14", "aria-hidden": "true" }, mark(kind)), ` ${kind}`),
      ),
    );
    draw();
    describe();
  }

  const cost = (network) => (state.cost === LATENCY ? network.steps : network.energies[state.cost]);

  // The drawing: one unit is one pixel, so that text keeps its size on every screen.

  function draw() {
    const width = picture.clientWidth || 640;
    picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const logarithmic = state.cost !== LATENCY;
    const position = logarithmic ? Math.log10 : (value) => value;
    const across = widened(
      networks.map((network) => position(cost(network).mean)),
      0.16,
    );
    const up = widened(
      networks.flatMap(({ accuracy: { mean, deviation } }) => [mean - deviation, mean + deviation]),
      0.12,
    );
    const toX = linear(across, [LEFT, width - RIGHT]);
    const x = (value) => toX(position(value));
    const y = linear(up, [HEIGHT - BOTTOM, TOP]);

    const columns = (logarithmic ? logarithmicTicks(across) : ticks(across)).flatMap((value) => [
      svg("line", { class: "grid", x1: x(value), x2: x(value), y1: TOP, y2: HEIGHT - BOTTOM }),
      svg("text", { class: "middle", x: x(value), y: HEIGHT - BOTTOM + 16 }, rounded(value)),
    ]);
    const rows = ticks(up).flatMap((value) => [
      svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
      svg("text", { class: "end", x: LEFT - 6, y: y(value) + 4 }, rounded(value)),
    ]);
    const label = logarithmic ? "energy per image, nJ (logarithmic axis)" : "mean inference time steps";
    marks = networks.map((network, n) => point(network, n, x, y, width));
    picture.replaceChildren(
      ...columns,
      ...rows,
      svg("text", { class: "middle", x: (LEFT + width - RIGHT) / 2, y: HEIGHT - 8 }, label),
      svg(
        "text",
        { class: "middle", transform: `translate(12 ${(HEIGHT - BOTTOM) / 2}) rotate(-90)` },
        "test accuracy, %",
      ),
      ...marks,
    );
    markChosen();
  }

  function point(network, n, x, y, width) {
    const [accuracy, spread] = [network.accuracy, cost(network)];
    const [cx, cy] = [x(spread.mean), y(accuracy.mean)];
    const right = cx > LEFT + (2 / 3) * (width - LEFT - RIGHT); // a label there would leave the card
    const deviations =
      network.seeds === 1
        ? []
        : [
            { x1: cx, x2: cx, y1: y(accuracy.mean - accuracy.deviation), y2: y(accuracy.mean + accuracy.deviation) },
            { x1: x(spread.mean - spread.deviation), x2: x(spread.mean + spread.deviation), y1: cy, y2: cy },
          ];
    return svg(
      "g",
      {
        class: `network kind-${kinds.indexOf(network.kind)}`,
        role: "button",
        "aria-label": sentence(network),
        focus: () => look(network),
        pointerenter: () => look(network),
        pointerleave: () => state.pinned && look(state.pinned),
        click: () => pin(network),
        keydown: (event) => press(event, n),
      },
      ...deviations.map((ends) => svg("line", ends)),
      svg("circle", { class: "target", cx, cy, r: 14 }),
      svg("g", { transform: `translate(${cx} ${cy})` }, mark(network.kind)),
      svg("text", { class: right ? "end" : "", x: cx + (right ? -9 : 9), y: cy - 9 }, network.degrees),
    );
  }

  function mark(kind) {
    const n = kinds.indexOf(kind);
    return svg("path", { class: `mark kind-${n}`, d: OUTLINES[n] });
  }

  // One point is shown, another one may be pinned; Tab leads to the one that is shown, arrows to the others.

  function press(event, n) {
    const [before, after] = [n - 1, n + 1];
    const places = { ArrowRight: after, ArrowDown: after, ArrowLeft: before, ArrowUp: before, Home: 0, End: -1 };
    const to = places[event.key];
    if (to !== undefined) marks[(to + marks.length) % marks.length].focus();
    else if (event.key === "Enter" || event.key === " ") pin(networks[n]);
    else return;
    event.preventDefault();
  }

  function look(network) {
    state.shown = network;
    markChosen();
    describe();
  }

  function pin(network) {
    state.pinned = state.pinned === network ? null : network;
    look(network);
  }

  function markChosen() {
    const reachable = Math.max(0, networks.indexOf(state.shown));
    marks.forEach((element, n) => {
      element.setAttribute("tabindex", n === reachable ? 0 : -1);
      element.setAttribute("aria-pressed", String(networks[n] === state.pinned));
      element.classList.toggle("pinned", networks[n] === state.pinned);
    });
  }

  function describe() {
    const { shown } = state;
    if (shown) about.textContent = sentence(shown) + (shown === state.pinned ? " Pinned." : "");
    else about.textContent = `${datasets[state.dataset]}: ${networks.length} networks. Choose a point.`;
    files.replaceChildren(
      ...(shown?.results ?? []).map((name) =>
        html("li", {}, html("a", { href: new URL(`../../data/results/${name}`, import.meta.url) }, name)),
      ),
    );
  }

  function sentence({ degrees, network, kind, T, seeds, accuracy, steps, energies }) {
    const energy = state.cost === LATENCY ? "" : ` ${written(energies[state.cost], 1)} nJ (${state.cost}),`;
    const by = seeds === 1 ? "one seed" : `mean and standard deviation over ${seeds} seeds`;
    return `${degrees}: ${network} (${kind}, T = ${T}): ${written(accuracy, 2)} %,${energy} ${written(steps, 2)} time steps; ${by}.`;
  }

  update({});
  new ResizeObserver(draw).observe(picture);
});

const written = ({ mean, deviation }, decimals) =>
  mean.toFixed(decimals) + (deviation === null ? "" : ` ± ${deviation.toFixed(decimals)}`);

const rounded = (value) => String(Number(value.toPrecision(6)));

/** From the smallest to the largest value, with a margin on either side. */
function widened(values, share) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = share * (high - low || 1);
  return [low - margin, high + margin];
}

/** At most six round values within the limits. */
function ticks([low, high]) {
  const power = 10 ** Math.floor(Math.log10(high - low) - 1);
  const step = power * [1, 2, 5, 10, 20, 50].find((size) => (high - low) / (size * power) < 6);
  const values = [];
  for (let n = Math.ceil(low / step); n * step <= high; n++) values.push(n * step);
  return values;
}

/** Likewise where the limits are powers of ten: 1, 2 and 5 times these, or evenly spaced within less than a power. */
function logarithmicTicks([low, high]) {
  if (high - low < 0.9) return ticks([10 ** low, 10 ** high]);
  const powers = Array.from({ length: Math.ceil(high - low) + 1 }, (_, n) => 10 ** (Math.floor(low) + n));
  const values = powers.flatMap((power) => [power, 2 * power, 5 * power]);
  return values.filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
}
