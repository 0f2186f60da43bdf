/** The published perceptrons on test images and drawings, with degrees, T and θ that the reader picks. */

import { centred } from "./drawing.js";
import { canFire, clocks, counts, energies, frequencyCoefficients, infer, readWeights } from "./model.js";
import { outputBars, paper, verdict } from "./network.js";
import { choice, field, fillTable, html, linear, number, offer, read, start, svg, wholeNumbers } from "./parts.js";

const [WIDTH, LEFT, RIGHT, ROW, BARS] = [330, 8, 8, 50, 30]; // of the drawing of spikes: a layer's row, its bars
const THETA = { min: 0.05, max: 5, step: 0.05 };
const CAN_BE_DRAWN = "mnist"; // the data set that the pen writes like

start("run", async (body) => {
  const { networks, datasets, accountings, longest } = await read("run.json");
  for (const [name, set] of Object.entries(datasets)) {
    set.image = null; // the test image on the paper, null for a drawing
    set.sheet = paper(name === CAN_BE_DRAWN ? () => drawn(set) : null);
  }
  let wanted = networks[0]; // what the reader asks for
  let network = null; // and what is shown, null before anything is loaded
  let [degrees, T, theta] = [[], 0, 0]; // as the reader picks them
  let [degreeChoices, stepChoice, thetaChoice] = [[], null, null];

  const load = html("button", { type: "button", class: "load", click: () => fetchIt(wanted) });
  const status = html("p", { class: "status", "aria-live": "polite" }); // of loading
  const settings = html("div", { class: "controls" });
  const trainedWith = html("p", { class: "trained" });
  const images = html("div", { class: "controls digits", role: "group", "aria-label": "test images" });
  const said = html("p", { class: "said", "aria-live": "polite" });
  const drawings = html("div", { class: "runs" });
  const spikes = svg("svg", { role: "img" });
  const outputs = svg("svg", { viewBox: "0 0 200 142", role: "img" });
  const tables = [html("table"), html("table")];
  const options = networks.map(({ dataset, architecture, degrees }, n) => [
    n,
    `${datasets[dataset].title}, ${architecture}, trained with ${degrees.join("-")}`,
  ]);
  const costs = tables.map((table) => html("div", { class: "scroll" }, table));
  const shown = html("div", {}, settings, trainedWith, images, said, drawings, ...costs);
  body.append(
    html("div", { class: "controls" }, field("network", choice(options, 0, (n) => want(networks[n]))), load),
    status,
    shown,
  );

  // A network is fetched when the reader says so, and kept.

  function want(chosen) {
    wanted = chosen;
    const { pixels, indices, sheet } = datasets[wanted.dataset];
    const bytes = wanted.bytes + (pixels ? 0 : indices.flat().length * sheet.pixels.length);
    const loaded = Boolean(wanted.layers);
    load.hidden = loaded;
    load.textContent = `Load ${(bytes / 1e6).toFixed(2)} MB`;
    status.textContent = loaded ? "" : "The weights of this network are not loaded yet.";
    shown.hidden = !loaded;
    if (loaded) show();
  }

  async function fetchIt(fetched) {
    const set = datasets[fetched.dataset];
    load.disabled = true;
    status.textContent = "Loading …";
    try {
      set.pixels ??= new Uint8Array(await read(set.images, "arrayBuffer"));
      fetched.layers = readWeights(await read(fetched.weights, "arrayBuffer"));
      want(wanted);
      if (fetched === wanted) degreeChoices[0].focus(); // the button has gone
    } catch (error) {
      status.textContent = `The weights could not be loaded (${error.message}). Press the button to try again.`;
    }
    load.disabled = false;
  }

  function show() {
    network = wanted;
    const { classes, sheet } = datasets[network.dataset];
    degreeChoices = network.degrees.map((_, l) => choice([], 0, (q) => change(() => (degrees[l] = Number(q)))));
    stepChoice = number({ max: longest, step: 1 }, (value) => change(() => (T = value)));
    thetaChoice = number(THETA, (value) => change(() => (theta = value)));
    settings.replaceChildren(
      ...degreeChoices.map((control, l) => field(`q, ${layerName(l + 1)}`, control)),
      field("T", stepChoice),
      field("θ", thetaChoice),
      html("button", { type: "button", click: asTrained }, "As trained"),
    );
    images.replaceChildren(
      html("span", {}, "Test image:"),
      ...classes.map((name, label) => html("button", { type: "button", click: () => take(label) }, name)),
      ...(sheet.penState ? [html("button", { type: "button", click: clear }, "Clear")] : []),
    );
    const title = sheet.penState ? ["Draw here ", sheet.penState] : ["Image"];
    drawings.replaceChildren(
      html("div", { class: "drawn" }, html("h4", {}, ...title), sheet.element),
      html("div", { class: "rows" }, html("h4", {}, "Spikes on every step"), spikes),
      html("div", { class: "outputs" }, html("h4", {}, "Output potentials"), outputs),
    );
    asTrained();
    if (!sheet.pixels.some(Boolean)) take(0);
  }

  // What the reader picks.

  function asTrained() {
    degrees = [...network.degrees];
    ({ T, theta } = network);
    for (const [control, value] of [[stepChoice, T], [thetaChoice, theta]]) {
      control.value = value;
      control.setAttribute("aria-invalid", "false");
    }
    run();
  }

  function change(set) {
    set();
    run();
  }

  /** The next of the test images of a class. */
  function take(label) {
    const set = datasets[network.dataset];
    const own = set.indices[label];
    set.image = { label, index: own[(own.indexOf(set.image?.index) + 1) % own.length] };
    const size = set.sheet.pixels.length;
    const place = size * set.indices.flat().indexOf(set.image.index);
    set.sheet.pixels.set(set.pixels.subarray(place, place + size));
    run();
  }

  function clear() {
    const set = datasets[network.dataset];
    set.sheet.pixels.fill(0);
    drawn(set);
  }

  function drawn(set) {
    set.image = null;
    run();
  }

  // What comes of it.

  function run() {
    degreeChoices.forEach((control, l) => {
      const fits = ([q]) => canFire(degrees.map((other, n) => (n === l ? q : other)), T);
      offer(control, wholeNumbers(1, T).filter(fits), degrees[l]);
    });
    stepChoice.min = clocks(degrees, longest).at(-1)[0] + 1; // with fewer steps these degrees could never fire
    trainedWith.textContent = [...settingsInWords(network, { degrees, T, theta })].join(" ");

    const { classes, sheet, image } = datasets[network.dataset];
    sheet.show();
    const pixels = image ? sheet.pixels : centred(sheet.pixels);
    const layers = network.layers.map((layer, l) => ({ ...layer, q: degrees[l] }));
    const plainLayers = network.layers.map((layer) => ({ ...layer, q: 1 }));
    const found = infer(layers, pixels, T, theta);
    const plain = infer(plainLayers, pixels, T, theta);
    said.textContent = `${verdict(found, T, classes)} ${image ? inContext(image, found, classes) : ""}`;
    drawSpikes(layers, found);
    const last = { step: found.step, first: found.first, label: found.label, names: classes, theta };
    outputBars(outputs, found.potentials.at(-1), { ...last, all: found.potentials.flat() });
    showCosts(layers, counts(layers, found), found.step, counts(plainLayers, plain), plain.step);
  }

  function layerName(l) {
    const { length } = network.layers;
    if (l === 0) return "input";
    if (l === length) return "output";
    return length === 2 ? "hidden" : `hidden ${l}`;
  }

  /** How many neurons of each layer spike on each step, up to the decision. */
  function drawSpikes(layers, { times, step }) {
    const x = linear([1, Math.max(T, 2)], [LEFT + 6, WIDTH - RIGHT - 6]);
    const wide = Math.min(12, 0.8 * (x(2) - x(1)));
    const height = ROW * times.length + 14;
    const words = [];
    const rows = times.flatMap((layer, l) => {
      const on = Array(T + 1).fill(0); // by step, counted from 1
      for (const time of layer) if (time < T) on[time + 1]++;
      const spiked = layer.filter((time) => time < T).length;
      words.push(`${layerName(l)}: ${spiked} of ${layer.length} have spiked`);
      const bottom = ROW * l + 16 + BARS;
      const y = linear([0, Math.max(1, ...on)], [0, BARS]);
      const ticks = l && layers[l - 1].q > 1 ? wholeNumbers(1, T).filter(([t]) => t % layers[l - 1].q === 0) : [];
      return [
        svg("text", { x: LEFT, y: ROW * l + 11 }, words.at(-1)),
        svg("line", { class: "theta", x1: x(step), x2: x(step), y1: bottom - BARS, y2: bottom }),
        ...ticks.map(([t]) => svg("line", { class: "tick", x1: x(t), x2: x(t), y1: bottom - BARS, y2: bottom })),
        svg("line", { class: "axis", x1: LEFT, x2: WIDTH - RIGHT, y1: bottom, y2: bottom }),
        ...on.flatMap((count, t) =>
          count
            ? [svg("rect", { class: t === step ? "bar fires" : "bar", ...placed(x(t), bottom, wide, y(count)) })]
            : [],
        ),
      ];
    });
    const labels = [step, ...[1, T].filter((t) => Math.abs(x(t) - x(step)) > 20)];
    spikes.setAttribute("viewBox", `0 0 ${WIDTH} ${height}`);
    spikes.setAttribute("aria-label", `Up to step ${step} of ${T}: ${words.join("; ")}`);
    spikes.replaceChildren(
      ...rows,
      ...labels.map((t) => svg("text", { class: "middle", x: x(t), y: height - 3 }, `${t}`)),
    );
  }

  /** Counts by layer; and energies by accounting, beside those of every q = 1, which T_0 and the formula refer to. */
  function showCosts(layers, counted, step, plainCounted, plainStep) {
    const total = (values) => values.reduce((sum, value) => sum + value, 0);
    const { slides, others } = accountings;
    const priced = network.prices;
    const alphas = frequencyCoefficients(step, plainStep, degrees);
    const clocksAlone = frequencyCoefficients(plainStep, plainStep, degrees);
    const plain = energies(plainCounted, priced[slides]);
    const rows = [
      [slides, energies(counted, priced[slides], alphas), plain],
      [`${slides}, if nothing changed`, energies(plainCounted, priced[slides], clocksAlone), plain],
      ...others.map((name) => [name, energies(counted, priced[name]), energies(plainCounted, priced[name])]),
    ].map(([name, ...both]) => [name, ...both.map(total)]);
    fillTable(
      tables[0],
      `Up to the decision of ${degrees.join("-")}`,
      ["layer", "neurons", "spikes", "additions"],
      [
        ["input", layers[0].inputs, counted[0].arriving, ""],
        ...counted.map(({ spikes, additions }, l) => [layerName(l + 1), layers[l].neurons, spikes, additions]),
      ].map(([name, ...numbers]) => [name, ...numbers.map((value) => value.toLocaleString("en"))]),
    );
    fillTable(
      tables[1],
      "Energy of this image, nJ",
      ["accounting", degrees.join("-"), degrees.map(() => 1).join("-"), "saved"],
      rows.map(([name, chosen, other]) => [name, inNanojoules(chosen), inNanojoules(other), saved(chosen, other)]),
    );
  }

  want(wanted);
});

const placed = (middle, bottom, width, height) => ({ x: middle - width / 2, y: bottom - height, width, height });

function inContext({ label, index }, found, classes) {
  const right = found.label === label ? "right" : "wrong";
  return `This is ${right}: test image ${index} has the label ${classes[label]}.`;
}

const oneDecimal = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
const inNanojoules = (energy) => energy.toLocaleString("en", oneDecimal);
const saved = (energy, baseline) =>
  baseline ? `${(100 * (1 - energy / baseline)).toFixed(1).replace("-", "−")}\u00a0%` : "";

/** What the weights were trained with, and what it means that the reader has changed it, a sentence for each change. */
function* settingsInWords(trained, now) {
  const before = `${trained.degrees.join("-")}, T\u00a0=\u00a0${trained.T} and θ\u00a0=\u00a0${trained.theta}`;
  const same = now.degrees.join() === trained.degrees.join() && now.T === trained.T && now.theta === trained.theta;
  yield same ? `These are the settings of the training: ${before}.` : `The weights were trained with ${before}.`;
  if (now.T !== trained.T) yield `Now the pixels' spikes are spread over ${now.T} steps, in the same order.`;
  if (now.theta !== trained.theta) {
    const factor = `${trained.theta} / ${now.theta}`;
    yield `Its spikes are those of θ = ${trained.theta} with every weight multiplied by ${factor}.`;
  }
  if (!same) yield "Nothing is trained again for these settings, so the accuracy as trained does not carry over.";
}
