// The search. SEARCH has the texts of all pages, section by section, and the synonyms: see extensions/site_search.py.
// `searchBook(query)` returns the pages, the best first, each with its sections. The rest shows them on search.html.
const searchBook = (() => {
  const STOP = new Set(("a after an and any are as at be but by can do does for from get give has have how i if in into is it its not " +
    "me my of on or our should so that the their them then there these this to use used using want was we what when where " +
    "which why will with you your").split(" "));

  // Each synonym -> the first of its group, as one word. Longer ones first, so that "class weights" wins over "class".
  const key = (word) => word.replace(/[^\p{L}\p{N}]+/gu, "_");
  const same = new Map(SEARCH.synonyms.flatMap((group) => group.map((word) => [word, key(group[0])])));
  const NAMES = new Set(same.values());
  const escaped = [...same.keys()].sort((a, b) => b.length - a.length)
    .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll(" ", "\\s+"));
  const SYNONYM = new RegExp(`(?<![\\p{L}\\p{N}_-])(?:${escaped.join("|")})(?![\\p{L}\\p{N}_-])`, "giu");
  const canonical = (text) => text.replace(SYNONYM, (word) => ` ${same.get(word.toLowerCase().replace(/\s+/g, " "))} `);

  const tokenize = (text) => canonical(text).toLowerCase().split(/[^\p{L}\p{N}_]+/u).filter(Boolean);
  const stem = (word) => word.length > 4 && !word.includes("_") ? word.replace(/ies$/, "y").replace(/(?:ings?|ed|es|s)$/, "") : word;
  // A name such as restore_best_weights is found whole, and by its parts.
  const processTerm = (word) => {
    if (NAMES.has(word)) return word;
    const parts = word.split("_").filter((part) => part && !STOP.has(part)).map(stem);
    return parts.length > 1 ? [word, ...parts] : STOP.has(word) ? null : stem(word);
  };

  const sections = Object.entries(SEARCH.pages).flatMap(([page, [pageTitle, parts]]) =>
    parts.map(([anchor, title, text], number) => ({ id: `${page}#${anchor}`, page, pageTitle, anchor, title, text, first: number === 0 })));
  const index = new MiniSearch({
    fields: ["title", "pageTitle", "text"],
    storeFields: ["page", "pageTitle", "anchor", "title", "text", "first"],
    tokenize,
    processTerm,
  });
  index.addAll(sections);

  const LOOK = {
    boost: { title: 4, pageTitle: 2 },
    prefix: (word) => word.length > 3,
    // Long sections answer several questions: their length counts little against them.
    bm25: { k: 1.2, b: 0.3, d: 0.5 },
    fuzzy: (word) => word.length > 5 && !NAMES.has(word) ? 0.15 : false,
    // What a reader seldom looks for, if it says the same words: lists, exercises, machinery.
    boostDocument: (id) => /(references|index|claims)#|#(exercises|further-reading|the-question|what-is-behind-the-tables|every-line-executed)$/.test(id)
      ? 0.4 : /(api|glossary|can_i_use_weights)#/.test(id) ? 0.7 : 1,
  };

  // Sections with all words first; then those with some of them.
  return (query) => {
    const all = index.search(query, { ...LOOK, combineWith: "AND" });
    const known = new Set(all.map(({ id }) => id));
    const some = index.search(query, { ...LOOK, combineWith: "OR" }).filter(({ id }) => !known.has(id));
    const most = all[0]?.score ?? 0;
    const found = [...all, ...some.map((one) => ({ ...one, score: Math.min(one.score, most || one.score) * 0.6 }))];
    const pages = new Map();
    for (const one of found.sort((a, b) => b.score - a.score)) {
      if (!pages.has(one.page)) pages.set(one.page, { page: one.page, title: one.pageTitle, sections: [] });
      pages.get(one.page).sections.push(one);
    }
    return [...pages.values()];
  };
})();

if (typeof document !== "undefined") {
  const PAGES = 15, SECTIONS = 5, BEFORE = 60, LENGTH = 220;
  const results = document.getElementById("search-results");
  const element = (name, text, more = {}) => Object.assign(document.createElement(name), { textContent: text }, more);
  const link = ({ page, anchor, title, first }, pageTitle) =>
    element("a", first ? pageTitle : title, { href: `${page}.html${first ? "" : `#${anchor}`}` });

  // The text around the first place with most of the words, with the words in bold.
  const excerpt = ({ text, match }) => {
    const words = Object.keys(match).flatMap((word) => SEARCH.synonyms
      .find(([name]) => name.replace(/[^\p{L}\p{N}]+/gu, "_") === word) ?? [word]);
    const pattern = new RegExp(`(?<![\\p{L}\\p{N}])(?:${words.sort((a, b) => b.length - a.length)
      .map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})[\\p{L}]*`, "giu");
    const places = [...text.matchAll(pattern)];
    const near = (place) => new Set(places.filter(({ index }) => index >= place.index && index < place.index + LENGTH - BEFORE)
      .map(([word]) => word.toLowerCase())).size;
    const best = places.reduce((one, other) => (one && near(one) >= near(other) ? one : other), places[0]);
    const start = best && best.index > BEFORE ? text.lastIndexOf(" ", best.index - BEFORE) + 1 : 0;
    const end = start + LENGTH < text.length ? text.lastIndexOf(" ", start + LENGTH) : text.length;
    const shown = element("p", start ? "… " : "", { className: "context" });
    let done = start;
    for (const { 0: word, index } of places) {
      if (index < done || index + word.length > end) continue;
      shown.append(text.slice(done, index), element("strong", word));
      done = index + word.length;
    }
    shown.append(text.slice(done, end), end < text.length ? " …" : "");
    return shown;
  };

  const show = (query) => {
    const found = query.trim() ? searchBook(query) : [];
    const list = element("ul", "", { className: "search" });
    for (const { title, sections } of found.slice(0, PAGES)) {
      const item = element("li", "");
      const [best, ...others] = sections;
      if (!best.first) item.append(element("span", `${title}: `));
      item.append(link(best, title));
      if (best.text) item.append(excerpt(best));
      if (others.length) {
        const more = element("p", "Also: ", { className: "also" });
        others.slice(0, SECTIONS - 1).forEach((other, number) => more.append(number ? " · " : "", link(other, title)));
        item.append(more);
      }
      list.append(item);
    }
    const status = found.length
      ? `Search finished, found ${found.length} page${found.length === 1 ? "" : "s"} matching the search query.`
      : "Your search did not match any documents. Try other words, or fewer.";
    results.replaceChildren(element("h2", "Search Results"), element("p", status, { className: "search-summary", role: "status" }), list);
    // The page that is opened marks the words: see Sphinx's sphinx_highlight.js.
    list.addEventListener("click", () => {
      try {
        localStorage.setItem("sphinx_highlight_terms", query.toLowerCase().split(/\s+/).filter(Boolean).join(" "));
      } catch { /* Where storage is blocked nothing is marked. */ }
    });
  };

  const asked = new URLSearchParams(location.search).get("q");
  const fields = document.querySelectorAll('input[name="q"]');
  if (asked) {
    for (const field of fields) field.value = asked;
    show(asked);
  }
  // Another search needs no other page.
  for (const form of document.querySelectorAll("form.bd-search")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const query = form.elements.q.value;
      for (const field of fields) field.value = query;
      form.closest("dialog")?.close();
      show(query);
      try {
        history.replaceState(history.state, "", `?${new URLSearchParams({ q: query })}`);
      } catch { /* Some browsers refuse to change the address of a file. */ }
    });
  }
}
