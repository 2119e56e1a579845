// A reader who has not chosen a framework yet sees PyTorch. In the file "Both" is chosen, for readers without scripts.
// sphinx-design's script, which runs after this one, puts a remembered or given choice in its place.
document.addEventListener("DOMContentLoaded", () => {
  for (const label of document.querySelectorAll('.sd-tab-label[data-sync-id="torch"]')) {
    document.getElementById(label.htmlFor).checked = true;
  }
});

// Outside the tabs, tables and printed lines name the framework they are about. Who has chosen one, on a page where the
// choice can be changed, does not see those of the other: framework.css hides them, and says so below. Only what names
// both is touched, and of what is printed only a block whose every line, but for a heading, belongs to one of them.
document.addEventListener("DOMContentLoaded", () => {
  if (!document.querySelector(".framework-tabs")) return;
  const names = { PyTorch: "of-torch", Keras: "of-keras" };
  const isBoth = (classes) => Object.values(names).every((name) => classes.includes(name));
  const classOf = (text) => {
    const [, first, rest] = text.match(/^(PyTorch|Keras)\b(.*)/s) ?? [];
    return first && !/PyTorch|Keras/.test(rest) ? names[first] : undefined;
  };
  const outside = (selector) =>
    [...document.querySelectorAll(selector)].filter((box) => !box.closest(".framework-tabs, table.sheet"));

  for (const table of outside(".bd-article table")) {
    const columns = [...(table.tHead?.rows[0]?.cells ?? [])].map((cell) => names[cell.textContent.trim()]);
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
    const ofRows = rows.map((row) => classOf(row.cells[0]?.textContent.trim() ?? ""));
    if (table.querySelector("[colspan], [rowspan]")) continue;
    if (isBoth(columns)) {
      for (const row of table.rows) [...row.cells].forEach((cell, i) => columns[i] && cell.classList.add(columns[i]));
    } else if (isBoth(ofRows)) rows.forEach((row, i) => ofRows[i] && row.classList.add(ofRows[i]));
    else continue;
    table.classList.add("of-both");
  }

  // As many lines of PyTorch as of Keras, and no head of columns above them: where both fit they stand side by side.
  const paired = [];
  const pair = (pre, spans) => {
    const [neither, torch, keras] = ["of-neither", ...Object.values(names)].map((name) => spans.filter((s) => s.className === name));
    if (torch.length !== keras.length || neither.some((span) => span.textContent.startsWith(" "))) return;
    for (const group of [torch, keras]) group.forEach((span, i) => { span.style.gridRow = neither.length + i + 1; });
    const widths = [torch, keras].map((group) => Math.max(...group.map((span) => span.textContent.length - 1)));
    pre.style.setProperty("--pair", widths[0] + widths[1] + 3);
    paired.push([pre, widths[0] + widths[1] + 3]);
  };

  for (const pre of outside(".bd-article :is(.cell_output, .cell > .highlight-none) pre")) {
    const lines = pre.textContent.replace(/\n$/, "").split("\n");
    const start = lines.findIndex(classOf);
    const body = lines.slice(start);
    const ofLines = body.map(classOf);
    if (start < 0 || !isBoth(ofLines) || body.some((line, i) => /^\S/.test(line) && !ofLines[i])) continue;
    let now;
    const spans = lines.map((line, i) => {
      const span = document.createElement("span"), end = document.createElement("span");
      span.className = i < start ? "of-neither" : (now = ofLines[i - start] ?? now);
      [end.className, end.textContent] = ["end", "\n"];
      span.append(line, end);
      return span;
    });
    pre.replaceChildren(...spans);
    pre.classList.remove("named-rows");
    pre.classList.add("of-both");
    pair(pre, spans);
  }

  const fit = () => {
    for (const [pre, columns] of paired) {
      // In letters of 12 pixels, and with the margins that the style leaves.
      pre.classList.toggle("side-by-side", columns * 0.605 * 12 + 34 <= pre.parentElement.clientWidth);
    }
  };
  // Whatever gives the page another width, and whatever opens what was closed, gives it another size.
  if (paired.length) new ResizeObserver(() => requestAnimationFrame(fit)).observe(document.querySelector(".bd-article"));

  const choose = (name) => { document.documentElement.dataset.framework = name; };
  document.addEventListener("change", ({ target }) => {
    if (target.matches(".framework-tabs > input")) choose(document.querySelector(`label[for="${target.id}"]`).dataset.syncId);
  });
  let stored;
  try { stored = localStorage["sphinx-design-tab-id-framework"]; } catch { /* Where storage is blocked nothing is kept. */ }
  choose(new URLSearchParams(location.search).get("framework") ?? stored ?? "both");
});

// On paper the cheat sheets of both frameworks share one table, line by line and without the traps: two sheets again.
document.addEventListener("DOMContentLoaded", () => {
  for (const tabs of document.querySelectorAll(".framework-tabs")) {
    const [torch, keras] = ["torch", "keras"].map((name) => tabs.querySelector(`.framework-${name} table.sheet`));
    if (!torch || torch.rows.length !== keras?.rows.length) continue;
    const shared = torch.cloneNode(true);
    [...shared.rows].forEach((row, i) => {
      if (row.cells.length > 1) row.cells[3].replaceWith(keras.rows[i].cells[2].cloneNode(true));
    });
    shared.tHead.rows[0].cells[2].textContent = "PyTorch";
    shared.tHead.rows[0].cells[3].textContent = "Keras";
    shared.classList.add("shared");
    tabs.after(shared);
  }
});
