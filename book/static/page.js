// Paper is white, and nothing on it can be opened: print the light scheme, with every solution shown. Hidden cells stay
// hidden.
{
  const root = document.documentElement;
  let theme, closed = [];
  matchMedia("print").addEventListener("change", ({ matches }) => {
    if (matches) {
      theme = root.dataset.theme;
      closed = [...document.querySelectorAll("details:not([open], .hide)")];
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
  // Once a frame: every look takes a while, and the theme waits until no new one was asked for.
  let asked;
  const ask = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(() => dispatchEvent(new Event("resize")));
  };
  for (const kind of ["toggle", "change", "click"]) document.addEventListener(kind, ask, true);
}

// The style sets an output as small as its longest line needs, so that a phone shows its numbers without a sideways
// scroll. What would be too small to read then wraps.
addEventListener("DOMContentLoaded", () => {
  const READABLE = 72, narrow = matchMedia("(max-width: 600px)").matches;
  const width = (lines) => Math.max(...lines.map((line) => line.length));
  // A line above a table, such as its title: words with one blank between them.
  const isTitle = (line) => !/\d|\S {2}/.test(line) && !line.startsWith("  ");
  // The columns of a table stand as near to each other as some blanks allow. What is indented below a title stays so, such
  // as the body of a function.
  const emptyColumns = (rows) =>
    Array.from({ length: width(rows) }, (_, i) => rows.every((line) => (line[i] ?? " ") === " "));
  const squeezed = (lines, titles, blanks) => {
    const empty = emptyColumns(lines.filter((_, i) => !titles[i]));
    const start = empty.indexOf(false);
    const kept = empty.map((_, i) => i < start || i < blanks || !empty.slice(i - blanks, i + 1).every(Boolean));
    return lines.map((line, row) => (titles[row] ? line : [...line].filter((_, i) => kept[i]).join("")));
  };
  // Where the second column of a table begins, with two blanks before it in all rows. 0 if there is none.
  const secondColumn = (lines) => {
    const empty = emptyColumns(lines), start = empty.indexOf(false);
    const second = empty.findIndex((blank, i) => i > start && !blank && empty[i - 1] && empty[i - 2]);
    return lines.length > 2 && second > 0 && lines.every((line) => line.slice(second).trim()) ? second : 0;
  };
  const spanOf = (text, name = "cells") => Object.assign(document.createElement("span"), { textContent: text, className: name });
  for (const pre of document.querySelectorAll(".bd-article :is(.cell_output, .cell > .highlight-none) pre")) {
    let lines = pre.textContent.replace(/\n$/, "").split("\n");
    const plain = !pre.querySelector(":not(:empty)");
    if (narrow && plain) {
      const titles = lines.map(isTitle);
      lines = squeezed(lines, titles, 2);
      // Of a table that is too wide each row is two lines: its name, and below it the rest.
      const second = width(squeezed(lines, titles, 1)) > READABLE ? secondColumn(lines) : 0;
      const [names, cells] = [lines.map((line) => line.slice(0, second)), lines.map((line) => line.slice(second))];
      const needed = Math.max(width(names.map((name) => name.trimEnd())), width(cells) + 2);
      if (second && needed <= READABLE) {
        pre.style.setProperty("--columns", needed);
        pre.classList.add("named-rows");
        pre.replaceChildren(...names.flatMap((name, i) => [spanOf(name, name.trim() ? "name" : "no-name"), spanOf(cells[i]), "\n"]));
        continue;
      }
      if (width(lines) > READABLE) lines = squeezed(lines, titles, 1);
      pre.textContent = `${lines.join("\n")}\n`;
    }
    const columns = width(lines);
    pre.style.setProperty("--columns", columns);
    if (columns <= READABLE || !plain) continue;
    pre.classList.add("wraps");
    pre.replaceChildren(...lines.flatMap((line) => {
      const block = document.createElement("span");
      block.textContent = line;
      block.style.setProperty("--indent", `${Math.min(line.search(/\S|$/) + 2, 14)}ch`);
      return [block, "\n"];
    }));
  }
});

// There a table of texts that is too wide, or has many columns, becomes a list: each cell says its column.
addEventListener("DOMContentLoaded", () => {
  const narrow = matchMedia("(max-width: 600px)");
  const tables = [...document.querySelectorAll(".bd-article .pst-scrollable-table-container > table")]
    .filter((table) => !table.matches(".claims, .claim-summary, .by-version, .sheet, .chapters"));
  for (const table of tables) {
    const names = [...table.querySelectorAll("thead tr:last-child > *")].map((cell) => cell.textContent.trim());
    for (const cell of table.querySelectorAll("tbody tr > *")) cell.dataset.column = names[cell.cellIndex] ?? "";
  }
  const stack = () => {
    for (const table of tables) {
      table.classList.remove("stacked");
      const many = [4, 5].includes(table.rows[0].cells.length) && !table.closest(".cell_output");
      const wide = table.offsetWidth > table.parentElement.clientWidth + 1;
      table.classList.toggle("stacked", narrow.matches && (many || wide));
    }
  };
  stack();
  addEventListener("resize", stack);
});

// What goes on beyond its right edge is marked, and the style fades it out there, until it is scrolled to its end.
{
  const scrolls = ".bd-article :is(pre, .pst-scrollable-table-container, div.math > *)";
  const mark = (box) => box.toggleAttribute("data-more", box.scrollWidth - box.clientWidth - box.scrollLeft > 1);
  const markAll = () => document.querySelectorAll(scrolls).forEach(mark);
  addEventListener("load", markAll);
  addEventListener("resize", markAll);
  document.addEventListener("scroll", ({ target }) => target !== document && target.matches(scrolls) && mark(target), true);
}

// The contents mark the section that is read: the last one whose heading is above a line near the top, which moves down
// at the end of the page, where the last headings never get there. The theme marks a heading only as it crosses its line
// from below, which is wrong after a jump and on the way up; it looks for the name of the list.
document.addEventListener("DOMContentLoaded", () => {
  const contents = document.querySelector("#pst-page-toc-nav");
  if (!contents) return;
  contents.id = "contents-of-the-page";
  const sections = new Map([...contents.querySelectorAll("a[href^='#']")]
    .map((link) => [link, document.getElementById(decodeURIComponent(link.hash.slice(1)))])
    .filter(([, section]) => section));
  const mark = () => {
    const left = document.documentElement.scrollHeight - innerHeight - scrollY;
    const line = innerHeight - Math.min(left, 0.8 * innerHeight);
    const passed = [...sections].filter(([, section]) => {
      const heading = section.querySelector("h1, h2, h3, h4") ?? section;
      return heading.checkVisibility() && heading.getBoundingClientRect().top < line;
    });
    const now = passed.at(-1)?.[0];
    for (const link of sections.keys()) {
      link.classList.toggle("active", link === now);
      link.toggleAttribute("aria-current", link === now);
    }
    for (const item of contents.querySelectorAll(".toc-entry")) item.classList.toggle("active", item.contains(now ?? null));
  };
  let asked;
  const ask = () => { cancelAnimationFrame(asked); asked = requestAnimationFrame(mark); };
  for (const kind of ["scroll", "resize", "load"]) addEventListener(kind, ask, { passive: true });
  ask();
});

// On a phone the contents of a page lie over it: a click on a heading must close them.
document.addEventListener("click", ({ target }) => target.closest("dialog a[href^='#']")?.closest("dialog").close());

// From disk Firefox gives every page a storage of its own. There links and searches carry what was chosen to the next
// page, whose first script stores it.
if (location.protocol === "file:") {
  const carry = (add) => {
    try {
      for (const key of ["mode", "sphinx-design-tab-id-framework"]) {
        if (localStorage.getItem(key)) add(`chosen-${key}`, localStorage.getItem(key));
      }
    } catch { /* Where storage is blocked nothing is kept. */ }
  };
  const follow = ({ target }) => {
    const link = target.closest("a[href]");
    if (link?.protocol !== "file:" || !link.pathname.endsWith(".html") || link.pathname === location.pathname) return;
    const address = new URL(link.href);
    carry((name, value) => address.searchParams.set(name, value));
    link.href = address;
  };
  document.addEventListener("click", follow, true);
  document.addEventListener("auxclick", follow, true);
  document.addEventListener("formdata", ({ formData }) => carry((name, value) => formData.set(name, value)));

  // What is stored here need not stay in the address, where it would overrule what is chosen later.
  const address = new URL(location);
  carry((name) => address.searchParams.delete(name));
  if (address.search !== location.search) {
    addEventListener("load", () => history.replaceState(history.state, "", address));
  }
}
