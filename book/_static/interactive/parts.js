/** What the figures share: elements, scales, and how a figure takes the place of its still picture. */

/** An HTML element.  Attributes that are functions become listeners; children are elements or text. */
export function html(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** An SVG element, likewise. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** A linear scale: a function from the domain to the range. */
export function linear([from, to], [start, end]) {
  return (value) => start + ((value - from) / (to - from)) * (end - start);
}

/** A label with its control. */
export function field(label, control) {
  return html("label", {}, html("span", {}, label), control);
}

/** A select with these options, as [value, text]. */
export function choice(options, selected, change) {
  const select = html("select", { change: (event) => change(event.target.value) });
  offer(select, options, selected);
  return select;
}

/** Put other options into a select. */
export function offer(select, options, selected) {
  select.replaceChildren(
    ...options.map(([value, text]) => html("option", { value, selected: value === selected }, text)),
  );
}

/** Whole numbers from one to another, as the options of a choice. */
export function wholeNumbers(from, to) {
  return Array.from({ length: to - from + 1 }, (_, n) => [from + n, String(from + n)]);
}

/** A number that takes effect once it is one within its limits. */
export function number(attributes, set) {
  const control = html("input", { type: "number", ...attributes });
  control.addEventListener("input", () => {
    const valid = control.value !== "" && control.checkValidity();
    control.setAttribute("aria-invalid", String(!valid));
    if (valid) set(control.valueAsNumber);
  });
  return control;
}

/** Squares in rows. */
export function grid(columns, rows, kind) {
  return Array.from({ length: columns * rows }, (_, i) =>
    svg("rect", { class: kind, x: i % columns, y: Math.floor(i / columns), width: 1, height: 1 }),
  );
}

export function map(cells, side, label) {
  return svg("svg", { viewBox: `0 0 ${side} ${side}`, class: "map", role: "img", "aria-label": label }, ...cells);
}

/** Fill a table whose rows begin with their names. */
export function fillTable(table, caption, head, rows) {
  table.replaceChildren(
    html("caption", {}, caption),
    html("thead", {}, html("tr", {}, ...head.map((text) => html("th", { scope: "col" }, text)))),
    html(
      "tbody",
      {},
      ...rows.map(([name, ...values]) =>
        html("tr", {}, html("th", { scope: "row" }, name), ...values.map((value) => html("td", {}, value))),
      ),
    ),
  );
}

/** A file that the build wrote beside the scripts. */
export async function read(name, as = "json") {
  const response = await fetch(new URL(name, import.meta.url));
  if (!response.ok) throw new Error(`${name}: ${response.status}`);
  return response[as]();
}

/**
 * Put a figure in the place of its still picture.  `build` gets the body to fill and returns when all is there; if it
 * fails, the picture stays.
 */
export async function start(name, build) {
  const figure = document.getElementById(`interactive-${name}`);
  const body = html("div", { class: "live" });
  await build(body);
  figure.querySelector(".still").replaceWith(body);
  figure.dataset.ready = "";
}
