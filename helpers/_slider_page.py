"""The style sheet and the script of a figure with sliders. The script's NAME stands for that of the figure."""

from __future__ import annotations

CSS = """
figure.interactive { max-width: 34rem; margin: 0 0 1rem; text-align: left;
  color: var(--pst-color-text-base, var(--jp-content-font-color1, inherit)); }
figure.interactive figcaption { font-weight: 600; color: inherit; text-align: left; margin: 0 0 .4rem; padding: 0; }
figure.interactive > svg { display: block; width: 100%; height: auto; margin: .3rem 0; }
figure.interactive text { fill: currentColor; font-size: 13px; }
figure.interactive .grid { stroke: currentColor; stroke-opacity: .18; }
figure.interactive .axis { stroke: currentColor; fill: none; }
figure.interactive .vertical { stroke: currentColor; stroke-width: 1.5; }
figure.interactive .disc { stroke: currentColor; stroke-width: 1.5; }
figure.interactive .legend { display: flex; flex-wrap: wrap; gap: 0 1.2rem; list-style: none; padding: 0; margin: 0; }
figure.interactive .legend li { margin: 0; }
figure.interactive .control { display: flex; align-items: center; gap: .7rem; margin: .3rem 0; }
figure.interactive label { display: grid; flex: 1; grid-template-columns: 9.5rem 1fr; align-items: center; margin: 0; }
figure.interactive input { width: 100%; height: 1.6rem; margin: 0; }
figure.interactive .control span { min-width: 4.6rem; font-weight: 600; }
figure.interactive .note { margin: .3rem 0; font-style: italic; }
figure.interactive dl { max-width: 24rem; margin: .5rem 0 0; }
figure.interactive dl > div { display: flex; justify-content: space-between; gap: .7rem; padding: .1rem 0; }
figure.interactive dt { font-weight: normal; }
figure.interactive dd { margin: 0; font-weight: 600; text-align: right; font-variant-numeric: tabular-nums; }
html[data-theme=dark] .bd-content div.cell_output .text_html:has(figure.interactive) {
  background: none; color: inherit; padding: 0; }
html[data-theme=dark] .bd-content figure.interactive [stroke] { filter: invert(0.93) hue-rotate(180deg); }
@media print {
  figure.interactive { color: #000; background: #fff; break-inside: avoid; }
  figure.interactive input, figure.interactive .note { display: none; }
}
"""

# Every copy of the figure that is not ready yet: JupyterLab can show an output twice, and runs its script each time.
SCRIPT = """
for (const figure of document.querySelectorAll("#interactive-NAME:not([data-ready])")) {
  figure.dataset.ready = "";
  const data = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  const inputs = [...figure.querySelectorAll("input")];
  const slots = figure.querySelectorAll("[data-slot]");
  const show = () => {
    // The last slider counts fastest, as in Python.
    const frame = data.frames[inputs.reduce((n, input) => n * (+input.max + 1) + +input.value, 0)];
    slots.forEach((slot, i) => {
      const text = data.texts[frame[i]];
      if (slot.tagName === "path") slot.setAttribute("d", text);
      else if (slot.textContent !== text) slot.textContent = text;
    });
    inputs.forEach((input, i) => {
      const text = data.values[i][input.value];
      input.setAttribute("aria-valuetext", text);
      input.closest(".control").querySelector("span").textContent = text;
    });
  };
  figure.querySelector(".note").remove();
  for (const input of inputs) {
    input.disabled = false;
    input.addEventListener("input", show);
    // JupyterLab would take the arrow keys, to go to the next cell.
    input.addEventListener("keydown", (event) => { if (event.key.startsWith("Arrow")) event.stopPropagation(); });
  }
}
"""
