// The filter of "Can I use weights?". Without this script the page shows all versions, and no controls.
{
  const table = document.querySelector("table.version-questions");
  const rows = [...table.tBodies[0].rows];
  const spans = [...table.querySelectorAll(".span")].map((node) => {
    const [first, last = first] = node.querySelector(".versions").textContent.split(" to ");
    return { node, first, last };
  });
  const parts = (version) => version.split(".").map(Number);
  const compare = (one, other) => {
    const [a, b] = [parts(one), parts(other)];
    return a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
  };
  const tested = document.querySelector("p.tested").textContent.match(/\d+\.\d+\.\d+/g);
  const versions = [...new Set(tested)].sort(compare);

  const form = document.createElement("form");
  form.className = "claim-filter";
  form.role = "search";
  form.ariaLabel = "Filter the questions";
  form.innerHTML = `
    <label>Keras <select name="version"><option value="">all versions</option>
      ${versions.map((version) => `<option>${version}</option>`).join("")}</select></label>
    <label>Only what changed <input type="checkbox" name="changed"></label>
    <label>Contains <input type="search" name="text"></label>
    <button type="reset">Show all</button>
    <span role="status"></span>`;
  const { version, changed, text } = form.elements;

  const apply = () => {
    const chosen = version.value;
    for (const { node, first, last } of spans) {
      node.hidden = Boolean(chosen) && (compare(chosen, first) < 0 || compare(chosen, last) > 0);
    }
    for (const row of rows) {
      const changes = [...row.cells].some((cell) => cell.querySelectorAll(".span").length > 1);
      row.hidden = (changed.checked && !changes) || !row.querySelector(".span:not([hidden])") ||
        !row.textContent.toLowerCase().includes(text.value.trim().toLowerCase());
    }
    const shown = rows.filter((row) => !row.hidden).length;
    form.querySelector("[role=status]").textContent = `${shown} of ${rows.length} questions`;
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", apply);
  // The fields are empty only after this event.
  form.addEventListener("reset", () => setTimeout(apply));
  (table.closest(".pst-scrollable-table-container") ?? table).before(form);
  version.value = new URLSearchParams(location.search).get("version") ?? "";
  if (version.selectedIndex === -1) version.selectedIndex = 0;
  apply();
}
