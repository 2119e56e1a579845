// Filters for the ledger of claims. Without this script the page shows all claims, and no controls.
{
  const summary = document.querySelector("table.claim-summary");
  const claims = [...document.querySelectorAll("tr.claim")];
  const groups = [...document.querySelectorAll("section section, .claims-of-chapter")].filter((group) =>
    group.querySelector("tr.claim"));

  // What there is to choose: the first column and the header of the summary.
  const documents = [...summary.querySelectorAll("tbody tr:not(:last-child) th")].map((cell) => cell.textContent.trim());
  const verdicts = [...summary.querySelectorAll("thead th")].slice(2).map((cell) => cell.textContent.trim());
  const option = (value, label) => `<option value="${value}">${label}</option>`;
  const form = document.createElement("form");
  form.className = "claim-filter";
  form.role = "search";
  form.ariaLabel = "Filter the claims";
  form.innerHTML = `
    <label>Document <select name="document">
      ${option("", "all")} ${documents.map((title) => option(title.split(":")[0], title)).join("")}
    </select></label>
    <label>Verdict <select name="verdict">
      ${option("", "all")} ${verdicts.map((verdict) => option(verdict.replace(/\W+/g, "-"), verdict)).join("")}
    </select></label>
    <label>Figures of <select name="framework">
      ${option("", "both")} ${option("torch", "PyTorch")} ${option("keras", "Keras")}
    </select></label>
    <label>Contains <input type="search" name="text"></label>
    <button type="reset">Show all</button>
    <span role="status"></span>`;
  const fields = [...form.querySelectorAll("[name]")];
  const [chosenDocument, chosenVerdict, chosenFramework, searched] = fields;

  const isShown = (claim) =>
    (!chosenDocument.value || claim.classList.contains(`document-${chosenDocument.value}`)) &&
    (!chosenVerdict.value || claim.classList.contains(chosenVerdict.value)) &&
    claim.textContent.toLowerCase().includes(searched.value.trim().toLowerCase());

  const apply = () => {
    for (const claim of claims) claim.hidden = !isShown(claim);
    for (const group of groups) group.hidden = !group.querySelector("tr.claim:not([hidden])");
    document.body.dataset.figures = chosenFramework.value;
    const shown = claims.filter((claim) => !claim.hidden).length;
    form.querySelector("[role=status]").textContent = `${shown} of ${claims.length} claims`;
    for (const button of summary.querySelectorAll("button")) {
      button.ariaPressed = button.dataset.document === chosenDocument.value && button.dataset.verdict === chosenVerdict.value;
    }
  };

  const keep = () => {
    const address = new URL(location);
    for (const { name, value } of fields) {
      if (value) address.searchParams.set(name, value);
      else address.searchParams.delete(name);
    }
    try {
      history.replaceState(history.state, "", address);
    } catch {
      // Some browsers refuse to change the address of a file, or to change any address this often. The filter works.
    }
  };

  const restore = () => {
    const given = new URLSearchParams(location.search);
    for (const field of fields) {
      field.value = given.get(field.name) ?? "";
      // A value that is not on the list leaves nothing selected.
      if (field.selectedIndex === -1) field.selectedIndex = 0;
    }
  };

  // A link to a claim or a document leads there even if the filter hides it.
  const showTarget = () => {
    const target = document.getElementById(location.hash.slice(1));
    if (!target?.closest("[hidden]")) return;
    for (const field of fields) field.value = "";
    apply();
    keep();
    target.scrollIntoView();
  };

  // Each count shows the claims that it counts; a second click shows all again.
  for (const cell of summary.querySelectorAll("td.count")) {
    const count = cell.textContent.trim();
    const names = [...cell.classList].filter((name) => name !== "count");
    // Nothing to show, or nothing to choose: the count of all claims.
    if (count === "0" || !names.length) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = count;
    button.dataset.document = names.find((name) => name.startsWith("document-"))?.slice("document-".length) ?? "";
    button.dataset.verdict = names.find((name) => !name.startsWith("document-")) ?? "";
    const row = cell.parentElement.cells[0].textContent.trim();
    const column = summary.rows[0].cells[cell.cellIndex].textContent.trim();
    button.ariaLabel = `${count}: ${row}, ${column}`;
    button.addEventListener("click", () => {
      const pressed = button.ariaPressed === "true";
      chosenDocument.value = pressed ? "" : button.dataset.document;
      chosenVerdict.value = pressed ? "" : button.dataset.verdict;
      apply();
      keep();
    });
    cell.replaceChildren(button);
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => { apply(); keep(); });
  // The fields are empty only after this event.
  form.addEventListener("reset", () => setTimeout(() => { apply(); keep(); }));
  (summary.closest(".pst-scrollable-table-container") ?? summary).after(form);
  restore();
  apply();
  showTarget();
  addEventListener("hashchange", showTarget);
}
