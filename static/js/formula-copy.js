// @ts-check
// Copying a selection gives its formulas as they were written, in TeX.

export function startFormulaCopies() {
  document.addEventListener("copy", (event) => {
    const selection = getSelection();
    if (!selection?.rangeCount || selection.isCollapsed || !event.clipboardData) return;
    const range = wholeFormulas(selection.getRangeAt(0).cloneRange());
    const parts = range.cloneContents();
    const formulas = parts.querySelectorAll(".formula");
    if (!formulas.length) return;
    for (const formula of formulas) formula.replaceWith(sourceOf(formula));
    event.clipboardData.setData("text/plain", textOf(parts));
    event.preventDefault();
  });
}

/** Return the range without half a formula at either end. */
function wholeFormulas(range) {
  const first = formulaAround(range.startContainer);
  if (first) range.setStartBefore(first);
  const last = formulaAround(range.endContainer);
  if (last) range.setEndAfter(last);
  return range;
}

function formulaAround(node) {
  return (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement)?.closest(".formula");
}

function sourceOf(formula) {
  const source = document.createElement(formula.tagName === "DIV" ? "pre" : "span");
  source.textContent = formula.dataset.tex;
  return source;
}

/** Return the text as a selection of it would read: lines and cells are known only once it is laid out. */
function textOf(parts) {
  const place = document.createElement("div");
  place.className = "prose formula-copy";
  place.append(parts);
  document.body.append(place);
  const text = place.innerText;
  place.remove();
  return text;
}
