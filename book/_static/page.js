// On paper every fold is open and the page is light; afterwards all is as it was.
let opened = [];
let theme = "";

addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const fold of opened) fold.open = true;
  theme = document.documentElement.dataset.theme;
  document.documentElement.dataset.theme = "light";
});

addEventListener("afterprint", () => {
  for (const fold of opened) fold.open = false;
  document.documentElement.dataset.theme = theme;
});

// A table that does not fit its column takes the page's margin, where the page has one, and so does a fold around it.
// This is before the theme looks for what stands in the margin, where it then hides the page's contents.
const TABLES = "article :is(.text_html, .pst-scrollable-table-container)";

function widen() {
  const folds = [...document.querySelectorAll("article details:not([open])")];
  for (const fold of folds) fold.open = true; // what is folded has no width
  const wide = [...document.querySelectorAll(TABLES)].filter((table) => table.scrollWidth > table.clientWidth + 2);
  for (const table of wide) (table.closest("article details") ?? table).classList.add("full-width");
  for (const fold of folds) fold.open = false;
}

document.addEventListener("readystatechange", () => document.readyState === "interactive" && widen());

// On a phone a figure is as wide as the page, and a tap, or Enter where it has the focus, opens it enlarged.
const phone = matchMedia("(max-width: 576px)");

function enlarge(event) {
  const picture = event.target.closest?.("article figure:not(.interactive) > img");
  if (!picture || !phone.matches || (event.type === "keydown" && event.key !== "Enter")) return;
  picture.parentElement.classList.toggle("enlarged");
  measure();
}

// What scrolls sideways can be reached by keyboard, which the theme does for code and tables, and fades out at its edge.
const SCROLLING = "article :is(mjx-container[display], figure, .text_html, .pst-scrollable-table-container)";

const fade = (box) =>
  box.classList?.toggle("more-to-the-right", box.scrollLeft + box.clientWidth < box.scrollWidth - 2);

function measure() {
  for (const box of document.querySelectorAll(SCROLLING)) {
    fade(box);
    if (!box.matches("figure")) continue;
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
  for (const picture of document.querySelectorAll("article figure:not(.interactive) > img")) {
    if (phone.matches) picture.tabIndex = 0;
    else picture.removeAttribute("tabindex");
  }
}

addEventListener("click", enlarge);
addEventListener("keydown", enlarge);
addEventListener("scroll", ({ target }) => target.matches?.(SCROLLING) && fade(target), { capture: true, passive: true });
addEventListener("resize", measure);
addEventListener("toggle", measure, { capture: true }); // of a fold, what is in it has a width now
addEventListener("load", () => {
  measure();
  window.MathJax?.startup?.promise?.then(measure); // formulas have their width once they are set
});
