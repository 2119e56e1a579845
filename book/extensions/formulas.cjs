// TeX in, static HTML out: node formulas.cjs MATHJAX_FOLDER < [{"tex", "display"}] > {"html": [...], "css"}
const [folder] = process.argv.slice(2);
const formulas = JSON.parse(require("fs").readFileSync(0, "utf8"));

require(`${folder}/es5/node-main.js`).init({
  loader: { paths: { mathjax: `${folder}/es5` }, load: ["input/tex-full", "output/chtml"] },
  // An unknown command stays an error, which is reported, instead of red text on the page.
  tex: { packages: { "[-]": ["noerrors", "noundefined"] } },
  chtml: { fontURL: "formulas", adaptiveCSS: true },
}).then((MathJax) => {
  const { adaptor } = MathJax.startup;
  const html = formulas.map(({ tex, display }) => {
    const container = MathJax.tex2chtml(tex, { display });
    const math = adaptor.firstChild(container);
    adaptor.setAttribute(math, "aria-hidden", "true");
    // What a screen reader reads. MathJax in a browser adds the same.
    const spoken = `<span class="formula-spoken">${MathJax.tex2mml(tex, { display })}</span>`;
    return adaptor.outerHTML(container).replace("</mjx-container>", `${spoken}</mjx-container>`);
  });
  const css = adaptor.textContent(MathJax.chtmlStylesheet());
  process.stdout.write(JSON.stringify({ html, css }));
}).catch((error) => { console.error(error.message); process.exit(1); });
