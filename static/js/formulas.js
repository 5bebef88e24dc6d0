// @ts-check
// Formulas, typeset as MathML by Temml. It is loaded with the first formula of a page. The server and the streamed
// Markdown mark them as `code.math` and `pre.math`; one that cannot be typeset stays there as it was written.
import { visibleText } from "./visible-text.js";

const MARKED = "code.math:not(.math-kept), pre.math:not(.math-kept, .math-open)";
const FONT_MS = 2_000;
const SLICE_MS = 8;
const PAUSE_MS = 24;
const LONGEST = 3_000; // characters
const DEEPEST = 40; // elements in each other: browsers are slow on deep nesting
const MOST_ELEMENTS = 4_000;
const MOST_KEPT = 500;

// A definition can make a short text long, and outlives its formula nowhere but here.
const DEFINES = /\\(?:[gex]?def|let|futurelet|(?:new|renew|provide)command|global|long)(?![a-zA-Z])/;
const DELIMITED = /^(?:\$\$([^]*)\$\$|\\\[([^]*)\\\]|\\\(([^]*)\\\)|\$([^]*)\$)([.,;]?)$/;
const MATHML = "http://www.w3.org/1998/Math/MathML";
const INVISIBLE_OPERATOR = /^[\u2061-\u2064]$/;
const FOREIGN = ["id", "href", "src", "name"];

let temml = null;
let loading = null;
let timer = 0;
/** Source and kind -> the element to copy, null for what cannot be typeset. */
const typeset = new Map();

/** Typeset the formulas in `root`: now, or once Temml is here. What takes long goes on a little later, on the page. */
export function typesetFormulas(root) {
  if (!temml) {
    // Also for one that is not yet whole: then its script is here in time.
    if (root.querySelector(".math")) loading ??= load();
    return;
  }
  const marked = root.querySelectorAll(MARKED);
  const end = performance.now() + SLICE_MS;
  for (const element of marked) {
    if (performance.now() > end) {
      later();
      return;
    }
    const formula = formulaOf(element);
    if (formula) element.replaceWith(formula);
    else element.classList.add("math-kept");
  }
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(() => typesetFormulas(document), PAUSE_MS);
}

async function load() {
  const place = document.querySelector("[data-temml]");
  if (!place) return;
  try {
    const { temml: script, temmlStyle: style } = place.dataset;
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: style });
    await Promise.all([added(Object.assign(document.createElement("script"), { src: script })), added(link)]);
    // Formulas that change their font would move what is below them; on a slow line they do not wait for it.
    await Promise.race([fontsOf(link.sheet), new Promise((resolve) => setTimeout(resolve, FONT_MS))]);
  } catch {
    console.info("formulas could not be loaded; they are shown as TeX");
    return;
  }
  temml = /** @type {any} */ (globalThis).temml;
  typesetFormulas(document);
}

/** Load the fonts of a style sheet; one that cannot be loaded leaves its place to those of the system. */
async function fontsOf({ cssRules }) {
  const faces = [...cssRules].filter((rule) => rule instanceof CSSFontFaceRule);
  const families = faces.map(({ style }) => style.getPropertyValue("font-family"));
  await Promise.allSettled(families.map((family) => document.fonts.load(`1em ${family}`)));
}

/** Put an element into the head of the page, and wait until it is loaded. */
function added(element) {
  return new Promise((resolve, reject) => {
    element.onload = resolve;
    element.onerror = reject;
    document.head.append(element);
  });
}

/** Return a formula in place of its marked source, null if it has to stay as it was written. */
function formulaOf({ tagName, textContent: source }) {
  const key = `${tagName} ${source}`;
  let formula = typeset.get(key);
  if (formula === undefined) {
    formula = source.length <= LONGEST && !DEFINES.test(source) ? makeFormula(source, tagName === "PRE") : null;
    if (typeset.size >= MOST_KEPT) typeset.delete(typeset.keys().next().value);
    typeset.set(key, formula);
  }
  return formula && formula.cloneNode(true);
}

function makeFormula(source, isBlock) {
  const { tex, isDisplay } = texOf(source);
  const formula = document.createElement(isBlock ? "div" : "span");
  formula.className = isBlock ? "formula formula-block" : "formula";
  if (isBlock) formula.tabIndex = 0;
  formula.dataset.tex = source;
  const options = {
    displayMode: isBlock || isDisplay,
    wrap: isBlock ? "none" : "tex",
    throwOnError: true,
    trust: false,
    maxExpand: 500,
    maxSize: [20, 20],
  };
  try {
    temml.render(tex, formula, options);
  } catch {
    return null; // its errors are of many kinds, a full stack among them
  }
  return clean(formula) ? formula : null;
}

/** Return the TeX between the delimiters. What follows them belongs to the formula's line. */
function texOf(source) {
  const found = source.match(DELIMITED);
  if (!found) {
    const named = source
      .replace(/\\(begin|end)\{flalign(\*?)\}/g, "\\$1{align$2}")
      .replace(/\\begin\{eqnarray\*?\}/g, "\\begin{array}{rcl}")
      .replace(/\\end\{eqnarray\*?\}/g, "\\end{array}");
    return { tex: named.replace(/[.,;]$/, ""), isDisplay: true };
  }
  const [, dollars, brackets, parentheses, dollar, after] = found;
  const tex = dollars ?? brackets ?? parentheses ?? dollar;
  return { tex: `${tex}${after}`, isDisplay: (dollars ?? brackets) !== undefined };
}

/** Remove what leads out of a formula, and say whether it has the elements of formulas alone, and not too many. */
function clean(formula) {
  const elements = [...formula.querySelectorAll("*")];
  if (elements.length > MOST_ELEMENTS || depthOf(formula) > DEEPEST) return false;
  for (const element of elements) {
    if (element.namespaceURI !== MATHML && element.nodeName !== "SPAN") return false;
    for (const name of FOREIGN) element.removeAttribute(name);
  }
  const texts = document.createTreeWalker(formula, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = /** @type {Text} */ (texts.currentNode);
    if (!INVISIBLE_OPERATOR.test(text.data)) text.data = visibleText(text.data);
  }
  return true;
}

function depthOf(root) {
  let depth = 0;
  let level = [root];
  while (level.length) {
    level = level.flatMap((element) => [...element.children]);
    depth++;
  }
  return depth;
}
