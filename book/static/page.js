// Paper is white, and nothing on it can be opened: print the light scheme, with every solution shown.
{
  const root = document.documentElement;
  let theme, closed = [];
  matchMedia("print").addEventListener("change", ({ matches }) => {
    if (matches) {
      theme = root.dataset.theme;
      closed = [...document.querySelectorAll("details:not([open])")];
    }
    root.dataset.theme = matches ? "light" : theme;
    for (const details of closed) details.open = matches;
  });
}

// What scrolls must be reachable from the keyboard. The theme sees to it for code, but looks only when the window is
// resized: ask it to look again after anything was opened. Formulas are ours.
{
  const reachFormulas = () => {
    for (const formula of document.querySelectorAll("div.math > *")) {
      if (formula.scrollWidth > formula.clientWidth) formula.tabIndex = 0;
      else formula.removeAttribute("tabindex");
    }
  };
  addEventListener("load", reachFormulas);
  addEventListener("resize", reachFormulas);
  for (const kind of ["toggle", "change", "click"]) {
    document.addEventListener(kind, () => dispatchEvent(new Event("resize")), true);
  }
}

// On a phone the contents of a page lie over it: a click on a heading must close them.
document.addEventListener("click", ({ target }) => target.closest("dialog a[href^='#']")?.closest("dialog").close());
