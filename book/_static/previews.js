// A link to a work, an equation, a figure or a term shows what it leads to, under the mouse and where it has the
// keyboard's focus.  Escape closes it.  A finger follows the link.  Nothing comes from elsewhere: what is on another
// page of the book is read from there, for which the book has to come from a server.
const PREVIEWED = 'article a.internal:is([href*="#equation-"], [href*="#fig-"], [href*="#term-"], [href*="bibliography.html#"])';
const pages = new Map(); // by address, those of the book that were read

const box = document.createElement("div");
Object.assign(box, { id: "preview", role: "tooltip", popover: "manual" });
let link = null; // whose preview is shown or on its way
let timer;

async function page(address) {
  if (address === location.href.split("#")[0]) return document;
  if (location.protocol === "file:") return null;
  if (!pages.has(address)) {
    const text = fetch(address).then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(answer.status))));
    text.catch(() => pages.delete(address)); // so that the next look tries again
    pages.set(address, text);
  }
  return new DOMParser().parseFromString(await pages.get(address), "text/html");
}

// A copy of what the link leads to, without what is of no use in it: places to link to, and links that none can reach.
async function content(address, id) {
  const found = (await page(address))?.getElementById(id);
  if (!found?.matches("div.citation, div.math, figure:not(.interactive), dl.glossary dt")) return null;
  const copy = document.createElement(found.matches("dt") ? "dl" : "div");
  copy.append(...[found, ...(found.matches("dt") ? [found.nextElementSibling] : [])].map((part) => document.importNode(part, true)));
  for (const part of copy.querySelectorAll(".headerlink, .backrefs")) part.remove();
  for (const part of copy.querySelectorAll("*")) for (const name of ["id", "href", "tabindex"]) part.removeAttribute(name);
  const pictures = [...copy.querySelectorAll("img")];
  for (const picture of pictures) picture.src = new URL(picture.getAttribute("src"), address);
  await Promise.all(pictures.map((picture) => picture.decode().catch(() => null)));
  return copy;
}

async function show(wanted) {
  if (wanted === link) return;
  hide();
  link = wanted;
  const copy = await content(...wanted.href.split("#")).catch(() => null);
  if (!copy || link !== wanted) return;
  box.replaceChildren(copy);
  wanted.closest("article").append(box);
  wanted.removeAttribute("title"); // which says the same
  wanted.setAttribute("aria-describedby", box.id);
  box.showPopover();
  await window.MathJax?.typesetPromise?.([box]);
  for (const formula of box.querySelectorAll("[tabindex]")) formula.removeAttribute("tabindex"); // MathJax's own menu
  const line = wanted.getClientRects()[0];
  const above = line.bottom + box.offsetHeight > innerHeight && line.top > box.offsetHeight;
  box.style.top = `${scrollY + (above ? line.top - box.offsetHeight : line.bottom)}px`;
  box.style.left = `${Math.max(8, Math.min(line.left, document.documentElement.clientWidth - box.offsetWidth - 8))}px`;
}

function hide() {
  link?.removeAttribute("aria-describedby");
  link = null;
  if (box.matches(":popover-open")) box.hidePopover();
}

const focused = () => link && link === document.activeElement && link.matches(":focus-visible");

function pointed({ target, pointerType }) {
  const wanted = target.closest?.(PREVIEWED);
  if (pointerType === "touch") return;
  clearTimeout(timer);
  if (wanted) timer = setTimeout(show, 200, wanted);
  else if (!box.contains(target) && !focused()) timer = setTimeout(hide, 200); // time to move onto the preview
}

if (box.showPopover) {
  addEventListener("pointerover", pointed);
  addEventListener("focusin", ({ target }) => target.matches(PREVIEWED) && target.matches(":focus-visible") && show(target));
  addEventListener("focusout", hide);
  addEventListener("keydown", ({ key }) => key === "Escape" && hide());
  addEventListener("click", hide);
}
