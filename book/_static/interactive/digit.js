/** A digit, drawn or from the test set, and the race of its spikes through the trained network on two clocks. */

import { SIDE, centred } from "./drawing.js";
import { THETA, clocks, counts, energies, frequencyCoefficients, infer, readWeights } from "./model.js";
import { outputBars, paper, verdict } from "./network.js";
import { choice, field, fillTable, grid, html, map, read, start, svg, wholeNumbers } from "./parts.js";

const STEP_MS = 600; // between two steps while it plays
const LAYERS = ["input", "hidden", "output"];

start("digit", async (body) => {
  const data = await read("digit.json");
  const { T, baselineSteps, images } = data;
  const names = images.map(({ label }) => label);
  const trained = readWeights(await read(data.weights, "arrayBuffer"));
  // The same weights twice: on the clock of the unquantized network, and on the one that the reader chooses.
  const plain = race(trained.map(() => 1));
  plain.title.textContent = `${plain.degrees.join("-")}, unquantized`;
  const chosen = race([...data.degrees]);
  const races = [plain, chosen];

  let image = images[data.start]; // of the test set, which they are
  let drawn = false; // unless they were drawn on since
  let last = 0; // step of the later of both decisions, 0 where the chosen degrees can never fire
  let shown = 0; // the step that is shown, counted from 1
  let timer = 0; // while it plays

  // What is drawn on, and what is seen of the network.

  const sheet = paper(() => {
    drawn = true;
    run();
  });
  const cells = [grid(SIDE, SIDE, "cell input"), grid(20, 20, "cell hidden")];
  const announced = html("p", { class: "announced", "aria-live": "polite" }); // for screen readers, quiet while it plays
  const table = html("table", {});
  const play = html("button", { type: "button", click: () => (timer ? pause() : playFromStart()) }, "Play");
  const next = html("button", { type: "button", click: () => (pause(), show((shown % last) + 1)) }, "Step");
  const time = html("input", { type: "range", min: 1, step: 1, "aria-label": "time step", list: "digit-ticks" });
  const stepShown = html("output", { class: "step" });
  const tickMarks = html("datalist", { id: "digit-ticks" });
  const ticksInWords = html("span", { class: "ticks" });
  time.addEventListener("input", () => (pause(), show(time.valueAsNumber)));

  body.append(
    html(
      "div",
      { class: "controls digits", role: "group", "aria-label": "test images" },
      html("span", {}, "Test image of a"),
      ...images.map((item) =>
        html(
          "button",
          { type: "button", "aria-label": `test image of a ${item.label}`, click: () => take(item) },
          item.label,
        ),
      ),
      html("button", { type: "button", click: clear }, "Clear"),
    ),
    html(
      "div",
      { class: "controls" },
      ...["hidden", "output"].map((name, l) =>
        field(
          `q, ${name} layer`,
          choice(wholeNumbers(1, T), chosen.degrees[l], (value) => setDegree(l, Number(value))),
        ),
      ),
      html("span", { class: "playing" }, play, next, time, tickMarks, stepShown),
      ticksInWords,
    ),
    html(
      "div",
      { class: "race" },
      html("div", { class: "drawn" }, html("h4", {}, "Draw here ", sheet.penState), sheet.element),
      html("div", { class: "inputs" }, html("h4", {}, "784 inputs"), map(cells[0], SIDE, "input spikes so far")),
      html("div", { class: "hidden-layer" }, html("h4", {}, "400 hidden"), map(cells[1], 20, "hidden spikes so far")),
      ...races.map(({ title, say, picture }, r) => html("div", { class: `outputs race-${r}` }, title, say, picture)),
    ),
    announced,
    html("div", { class: "scroll" }, table),
  );

  // What the network is given.

  function take(taken) {
    image = taken;
    sheet.pixels.set(image.pixels);
    drawn = false;
    run();
    if (last && !matchMedia("(prefers-reduced-motion: reduce)").matches) playFromStart();
  }

  function clear() {
    sheet.pixels.fill(0);
    drawn = true;
    run();
  }

  function setDegree(layer, q) {
    chosen.degrees[layer] = q;
    run();
  }

  function run() {
    pause();
    sheet.show();
    for (const one of races) infers(one);
    const { found, degrees } = chosen;
    last = found ? Math.max(...races.map((one) => one.found.step)) : 0;
    chosen.title.textContent = `${degrees.join("-")}, as chosen`;
    if (found) showCosts(counts(chosen.network, found));
    else table.replaceChildren();
    const ticks = found ? wholeNumbers(1, T).filter(([step]) => step % degrees.at(-1) === 0) : [];
    tickMarks.replaceChildren(...ticks.map(([value]) => html("option", { value })));
    ticksInWords.textContent = ticks.length
      ? `Output of ${degrees.join("-")}: ticks at ${ticks.map(([step]) => step).join(", ")}`
      : "";
    for (const control of [play, next, time]) control.disabled = !last;
    time.max = last || 1;
    show(last);
  }

  function infers(one) {
    one.network = trained.map((layer, l) => ({ ...layer, q: one.degrees[l] }));
    one.found = null;
    try {
      clocks(one.degrees, T);
      one.found = infer(one.network, drawn ? centred(sheet.pixels) : sheet.pixels, T);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      one.never = error.message;
    }
  }

  // Time goes on.

  function playFromStart() {
    show(1);
    if (last === 1) return;
    play.textContent = "Pause";
    timer = setInterval(() => (shown + 1 === last && pause(), show(shown + 1)), STEP_MS);
  }

  function pause() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "Play";
  }

  function show(step) {
    shown = step;
    time.value = step;
    time.setAttribute("aria-valuetext", `step ${step} of ${T}`);
    stepShown.textContent = last ? `step ${step} of ${T}` : "";
    cells.forEach((layer, l) =>
      layer.forEach((cell, i) => {
        const spiked = last ? chosen.found.times[l][i] + 1 : T + 1; // the step of its spike
        cell.classList.toggle("now", spiked === step && spiked <= T);
        cell.classList.toggle("before", spiked < step);
      }),
    );
    for (const one of races) {
      drawRace(one);
      one.say.textContent = one.found ? inWords(one) : one.never;
    }
    if (timer) return;
    announced.textContent = races.map(({ degrees, say }) => `${degrees.join("-")}: ${say.textContent}`).join(" ");
  }

  /** What has happened by the step shown, or at the end the verdict. */
  function inWords({ found, degrees }) {
    if (!shown) return "";
    if (shown >= found.step) return verdict(found, T, names);
    const above = found.potentials[shown - 1].flatMap((v, j) => (v > THETA ? [j] : []));
    if (!above.length) return `Step ${shown} of ${T}: no output spike yet.`;
    const tick = degrees.at(-1) * Math.ceil(shown / degrees.at(-1));
    const when = tick > T ? "It does not tick again." : `The next tick is at step ${tick}.`;
    return `Step ${shown} of ${T}: ${listed(above)} above θ, but the clock does not tick. ${when}`;
  }

  /** One axis for both; a race that is decided waits for the other. */
  function drawRace({ found, picture }) {
    const step = found ? Math.min(shown, found.step) : 0;
    const V = step ? found.potentials[step - 1] : Array(10).fill(0);
    const all = races.flatMap((one) => one.found?.potentials.flat() ?? []);
    const decided = step > 0 && step === found.step;
    outputBars(picture, V, { step, all, names, ...(decided && { first: found.first, label: found.label }) });
  }

  function showCosts(layers) {
    const alphas = frequencyCoefficients(chosen.found.step, baselineSteps, chosen.degrees);
    const slides = energies(layers, data.prices.slides, alphas);
    const causal = energies(layers, data.prices.causal);
    const total = (values) => values.reduce((sum, value) => sum + value, 0);
    fillTable(
      table,
      `Up to the decision of ${chosen.degrees.join("-")}, for ${drawn ? "your drawing" : `test image ${image.index}, a ${image.label}`}`,
      ["layer", "spikes", "additions", "slides, nJ", "causal, nJ"],
      [
        ["input", layers[0].arriving, "", "", ""],
        ...layers.map(({ spikes, additions }, l) => [LAYERS[l + 1], spikes, additions, slides[l], causal[l]]),
        ["all", "", total(layers.map(({ additions }) => additions)), total(slides), total(causal)],
      ].map(([name, ...values]) => [name, ...values.map(written)]),
    );
  }

  take(image);
});

/** Degrees, what an inference with them finds, and where it is shown. */
function race(degrees) {
  return {
    degrees,
    network: null,
    found: null, // null where these degrees can never fire
    never: "", // and the sentence that says so
    title: html("h4"),
    say: html("p", { class: "said" }),
    picture: svg("svg", { viewBox: "0 0 200 142", role: "img" }),
  };
}

/** Class 3 is, or classes 3 and 5 are. */
const listed = (classes) => `${classes.join(" and ")} ${classes.length === 1 ? "is" : "are"}`;

/** Energies have two decimals, counts none. */
function written(value, column) {
  if (value === "") return "";
  return column < 2 ? value.toLocaleString("en") : value.toFixed(2);
}
