/** Every trained network by accuracy against energy, under an accounting that the reader chooses, or latency. */

import { choice, field, html, linear, read, start, svg } from "./parts.js";

const LATENCY = "inference time steps";
const [HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [320, 60, 14, 14, 46];
const [NEAR, FAR, LINE, LETTER] = [9, 24, 12, 6.4]; // from a point to its label, a label's height, its width by letters
const OUTLINES = ["M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0", "M-5,-5h10v10h-10z", "M0,-6l6,11h-12z"]; // of the kinds

start("tradeoff", async (body) => {
  const { kinds, datasets, accountings, points } = await read("tradeoff.json");
  const state = { dataset: points[0].dataset, cost: accountings[0], shown: null, pinned: null };
  let networks = []; // of the data set, from the cheapest to the dearest
  let places = []; // where they are in the drawing
  let labels = []; // and their names
  let marks = []; // their elements
  const tie = svg("line", { class: "tie" }); // from the shown network to its baseline

  const picture = svg("svg", {
    class: "plot",
    role: "group",
    "aria-label": "networks, arrow keys lead through them",
    pointermove: (event) => look(nearest(event)),
    pointerleave: () => state.pinned && look(state.pinned),
    click: (event) => pin(nearest(event)),
  });
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
    const shapes = [
      ...present.map((kind) => [mark(kind, false), kind]),
      [mark(kinds[0], true), "hollow: every q = 1, the baseline of its kind"],
    ];
    legend.replaceChildren(
      ...shapes.map(([shape, text]) =>
        html("span", {}, svg("svg", { viewBox: "-7 -7 14 14", "aria-hidden": "true" }, shape), ` ${text}`),
      ),
    );
    draw();
    describe();
  }

  const isBaseline = ({ degrees }) => /^1(-1)*$/.test(degrees);
  const baselineOf = ({ kind, T }) => networks.find((network) => network.kind === kind && network.T === T && isBaseline(network));
  /** What it is called in the drawing: its degrees, and its time steps where most networks have more. */
  const named = ({ degrees, T }) => (T === Math.max(...networks.map((network) => network.T)) ? degrees : `${degrees}, T = ${T}`);
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
    places = networks.map((network) => ({ x: x(cost(network).mean), y: y(network.accuracy.mean) }));
    labels = labelled(networks.map(named), places, { left: LEFT, right: width - 2, top: 0, bottom: HEIGHT - BOTTOM });
    marks = networks.map((network, n) => point(network, n, x, y, labels[n]));
    picture.replaceChildren(
      ...columns,
      ...rows,
      svg("text", { class: "middle", x: (LEFT + width - RIGHT) / 2, y: HEIGHT - 8 }, label),
      svg(
        "text",
        { class: "middle", transform: `translate(12 ${(HEIGHT - BOTTOM) / 2}) rotate(-90)` },
        "test accuracy, %",
      ),
      tie,
      ...marks,
    );
    markChosen();
  }

  function point(network, n, x, y, label) {
    const [accuracy, spread] = [network.accuracy, cost(network)];
    const { x: cx, y: cy } = places[n];
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
        click: (event) => (event.stopPropagation(), pin(network)), // of assistive technology; a pointer's is the drawing's
        keydown: (event) => press(event, n),
      },
      ...deviations.map((ends) => svg("line", ends)),
      svg("circle", { class: "target", cx, cy, r: 14 }),
      ...(label.far ? [svg("line", { class: "leader", x1: cx, y1: cy, x2: label.x, y2: label.y })] : []),
      svg("g", { transform: `translate(${cx} ${cy})` }, mark(network.kind, isBaseline(network))),
      svg("text", { class: "middle", x: label.x, y: label.y + 4 }, named(network)),
    );
  }

  function mark(kind, hollow) {
    const n = kinds.indexOf(kind);
    return svg("path", { class: `mark kind-${n}${hollow ? " hollow" : ""}`, d: OUTLINES[n] });
  }

  /** The network whose point or name is nearest to the pointer: points may lie on one another, names do not. */
  function nearest({ clientX, clientY }) {
    const { left, top } = picture.getBoundingClientRect();
    const [x, y] = [clientX - left, clientY - top];
    const distances = places.map((place, n) => {
      const [beside, above] = [Math.abs(x - labels[n].x) - labels[n].half, Math.abs(y - labels[n].y) - LINE / 2];
      return Math.min(Math.hypot(x - place.x, y - place.y), Math.hypot(Math.max(0, beside), Math.max(0, above)));
    });
    return networks[distances.indexOf(Math.min(...distances))];
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
    if (network === state.shown) return;
    state.shown = network;
    markChosen();
    describe();
  }

  function pin(network) {
    state.pinned = state.pinned === network ? null : network;
    state.shown = network;
    markChosen();
    describe();
  }

  function markChosen() {
    const reachable = Math.max(0, networks.indexOf(state.shown));
    marks.forEach((element, n) => {
      element.setAttribute("tabindex", n === reachable ? 0 : -1);
      element.setAttribute("aria-pressed", String(networks[n] === state.pinned));
      element.classList.toggle("pinned", networks[n] === state.pinned);
      element.classList.toggle("shown", networks[n] === state.shown);
    });
    const ends = [state.shown, state.shown && baselineOf(state.shown)].map((end) => places[networks.indexOf(end)]);
    const [from, to] = ends.includes(undefined) ? [{ x: 0, y: 0 }, { x: 0, y: 0 }] : ends;
    for (const [name, value] of Object.entries({ x1: from.x, y1: from.y, x2: to.x, y2: to.y }))
      tie.setAttribute(name, value);
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

  function sentence(network) {
    const { degrees, kind, T, seeds, accuracy, steps, energies } = network;
    const energy = state.cost === LATENCY ? "" : ` ${written(energies[state.cost], 1)} nJ (${state.cost}),`;
    const by = seeds === 1 ? "one seed" : `mean and standard deviation over ${seeds} seeds`;
    return (
      `${degrees}: ${network.network} (${kind}, T = ${T}): ${written(accuracy, 2)} %,${energy}` +
      ` ${written(steps, 2)} time steps; ${by}.${comparison(network)}`
    );
  }

  /** A network beside its baseline: by the means, and the energy by those seeds that both have. */
  function comparison(network) {
    const baseline = baselineOf(network);
    if (!baseline) return "";
    if (baseline === network) return " It is the baseline of its kind.";
    const points = signed(network.accuracy.mean - baseline.accuracy.mean, 2);
    const more =
      state.cost === LATENCY
        ? `${signed(network.steps.mean - baseline.steps.mean, 2)} time steps`
        : `${signed(-network.reductions[state.cost], 1)} % energy`;
    return ` Against ${baseline.degrees}: ${points} points, ${more}.`;
  }

  update({});
  new ResizeObserver(draw).observe(picture);
});

const written = ({ mean, deviation }, decimals) =>
  mean.toFixed(decimals) + (deviation === null ? "" : ` ± ${deviation.toFixed(decimals)}`);

const signed = (value, decimals) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(decimals)}`;

const rounded = (value) => String(Number(value.toPrecision(6)));

/**
 * The middles of the labels: each where it covers least of the other points and of the labels before it, near its
 * point if it can be, else farther away with a line that leads to it.
 */
function labelled(names, places, frame) {
  const taken = places.map(({ x, y }) => box(x, y, 6, 6));
  return names.map((name, n) => {
    const half = (name.length * LETTER) / 2;
    const spots = [NEAR, FAR, 2 * FAR].flatMap((distance) =>
      [-1, 1, 0].flatMap((up) =>
        [1, -1, 0].flatMap((along) => {
          if (!along && !up) return [];
          const middle = { x: places[n].x + along * (half + distance - 2), y: places[n].y + up * distance };
          if (!along) middle.y += 3 * up;
          return [{ ...middle, half, far: distance > NEAR }];
        }),
      ),
    );
    const covered = spots.map(({ x, y }) => {
      const label = box(x, y, half, LINE / 2);
      const beyond = label.left < frame.left || label.right > frame.right || label.top < frame.top;
      const below = label.bottom > frame.bottom;
      return taken.reduce((area, other) => area + overlap(label, other), beyond || below ? 1e6 : 0);
    });
    const best = spots[covered.indexOf(Math.min(...covered))];
    taken.push(box(best.x, best.y, half, LINE / 2));
    return best;
  });
}

const box = (x, y, half, high) => ({ left: x - half, right: x + half, top: y - high, bottom: y + high });

const overlap = (a, b) =>
  Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) *
  Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));

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
