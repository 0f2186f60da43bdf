/** What is shown of a network on an image: paper to draw on, the output potentials, and the verdict in words. */

import { SIDE, stroke } from "./drawing.js";
import { THETA } from "./model.js";
import { grid, html, linear, map, svg } from "./parts.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Paper with a pen, for mouse, finger and keyboard; without `changed`, which every stroke calls, it has no pen. */
export function paper(changed) {
  const pixels = new Uint8Array(SIDE * SIDE);
  const pen = { x: SIDE / 2, y: SIDE / 2, down: false }; // one state, whoever moves it
  const ink = grid(SIDE, SIDE, "ink");
  const cursor = svg("circle", { class: "pen", r: 1.1 });
  const penState = html("span", { class: "pen-state" });
  if (!changed) return { element: map(ink, SIDE, "the image, 28 by 28 pixels"), pixels, show };
  const element = svg(
    "svg",
    {
      viewBox: `0 0 ${SIDE} ${SIDE}`,
      class: "paper",
      tabindex: 0,
      role: "application",
      "aria-label": "Paper of 28 by 28 pixels. Arrow keys move the pen, space puts it down or lifts it.",
    },
    ...ink,
    cursor,
  );

  function movePen(x, y) {
    const from = { x: pen.x, y: pen.y };
    [pen.x, pen.y] = [x, y].map((place) => Math.min(SIDE - 0.5, Math.max(0.5, place)));
    if (pen.down) {
      stroke(pixels, from, pen);
      changed();
    }
    showPen();
  }

  function putPen(down) {
    pen.down = down;
    if (down) movePen(pen.x, pen.y); // a dot
    showPen();
  }

  function showPen() {
    cursor.setAttribute("cx", pen.x);
    cursor.setAttribute("cy", pen.y);
    cursor.classList.toggle("down", pen.down);
    penState.textContent = pen.down ? "(pen is down)" : "";
  }

  function placeOf(event) {
    const { left, top, width, height } = element.getBoundingClientRect();
    return [((event.clientX - left) / width) * SIDE, ((event.clientY - top) / height) * SIDE];
  }

  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    pen.down = false; // the way to here is no stroke
    movePen(...placeOf(event));
    putPen(true);
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId) && pen.down) movePen(...placeOf(event));
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) {
    element.addEventListener(end, () => putPen(false));
  }
  window.addEventListener("blur", () => putPen(false));
  element.addEventListener("keydown", (event) => {
    if (event.key in ARROWS) movePen(pen.x + ARROWS[event.key][0], pen.y + ARROWS[event.key][1]);
    else if (event.key === " ") putPen(!pen.down);
    else return;
    event.preventDefault();
  });

  /** Show the pixels, which others may have set. */
  function show() {
    ink.forEach((cell, i) => cell.style.setProperty("--ink", pixels[i] / 255));
  }

  showPen();
  return { element, penState, pixels, show };
}

/** The decision in words, by the names of the classes. */
export function verdict({ label, step, first }, T, names) {
  const winners = names.filter((_, j) => first[j]);
  const chosen = names[label];
  if (!winners.length) return `No output neuron has fired by step ${T}. The highest potential decides: ${chosen}.`;
  if (winners.length === 1)
    return `Step ${step} of ${T}: output neuron ${chosen} fires first. The decision is ${chosen}.`;
  return `Step ${step} of ${T}: ${winners.join(" and ")} fire together, and the higher potential decides: ${chosen}.`;
}

/**
 * The output potentials V at a step as bars, from 0 to the side, on an axis for `all` of them.  At the decision, which
 * has a `label`, the output neurons that fire `first` are filled.
 */
export function outputBars(picture, V, { step, all, names, theta = THETA, first = [], label }) {
  const edge = 6 + 6 * Math.max(...names.map((name) => name.length)); // of the names
  const x = linear([Math.min(-theta / 2, ...all), Math.max(1.5 * theta, ...all)], [edge + 8, 188]);
  const bars = V.flatMap((v, j) => {
    const wins = label === j;
    const y = 12.5 * j;
    const bar = { x: Math.min(x(0), x(v)), y, width: Math.abs(x(v) - x(0)), height: 9.5 };
    return [
      svg("text", { class: wins ? "end wins" : "end", x: edge, y: y + 8.5 }, names[j]),
      svg("rect", { class: `bar${first[j] ? " fires" : v > theta ? " above" : ""}`, ...bar }),
      ...(wins ? [svg("text", { class: "wins", x: x(Math.max(v, 0)) + 2, y: y + 8.5 }, "◂")] : []),
    ];
  });
  picture.setAttribute(
    "aria-label",
    `output potentials at step ${step}: ${V.map((v, j) => `${names[j]}: ${v.toFixed(2)}`).join(", ")}`,
  );
  picture.replaceChildren(
    ...bars,
    svg("line", { class: "axis", x1: x(0), x2: x(0), y1: 0, y2: 126 }),
    svg("line", { class: "theta", x1: x(theta), x2: x(theta), y1: 0, y2: 126 }),
    svg("text", { class: "middle", x: x(0), y: 138 }, "0"),
    svg("text", { class: "middle", x: x(theta), y: 138 }, "θ"),
  );
}
