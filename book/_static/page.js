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

// A figure that scrolls sideways, as on a phone, can be reached by keyboard; the theme does it for code and tables.
const reachable = () => {
  for (const figure of document.querySelectorAll("article figure")) {
    if (figure.scrollWidth > figure.clientWidth) figure.tabIndex = 0;
    else figure.removeAttribute("tabindex");
  }
};

addEventListener("load", reachable);
addEventListener("resize", reachable);
