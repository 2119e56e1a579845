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

  for (const pre of outside(".bd-article :is(.cell_output, .cell > .highlight-none) pre")) {
    const lines = pre.textContent.replace(/\n$/, "").split("\n");
    const start = lines.findIndex(classOf);
    const body = lines.slice(start);
    const ofLines = body.map(classOf);
    if (start < 0 || !isBoth(ofLines) || body.some((line, i) => /^\S/.test(line) && !ofLines[i])) continue;
    let now;
    const groups = body.map((line, i) => {
      const span = document.createElement("span");
      span.className = now = ofLines[i] ?? now;
      span.textContent = `${line}\n`;
      return span;
    });
    pre.replaceChildren(...lines.slice(0, start).map((line) => `${line}\n`), ...groups);
    pre.classList.add("of-both");
  }

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
