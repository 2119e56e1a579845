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
