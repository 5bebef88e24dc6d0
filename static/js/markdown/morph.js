// @ts-check
// Gives nodes on the page the content of new ones. What is equal stays as it is, with its selection and its scroll
// position; a text that has only grown is added to.

const BLOCKS = new Set("BLOCKQUOTE DIV H3 H4 H5 H6 HR LI OL P PRE TABLE TBODY TD TH THEAD TR UL".split(" "));

/** Make the children of `place` from the one at `from` on those of `wanted`, which is emptied. */
export function morphChildren(place, wanted, from = 0) {
  let shown = place.childNodes[from] ?? null;
  while (wanted.firstChild) {
    const next = wanted.firstChild;
    next.remove();
    if (!shown) {
      place.append(next);
      continue;
    }
    const current = shown;
    shown = current.nextSibling;
    if (!current.isEqualNode(next)) morph(current, next);
  }
  while (shown) {
    const rest = shown;
    shown = rest.nextSibling;
    rest.remove();
  }
}

function morph(current, next) {
  if (current.nodeType === Node.TEXT_NODE && next.nodeType === Node.TEXT_NODE) setText(current, next.data);
  else if (current.nodeName === next.nodeName && hasEqualAttributes(current, next)) morphChildren(current, next);
  else current.replaceWith(next);
}

function setText(node, text) {
  if (text.startsWith(node.data)) node.appendData(text.slice(node.data.length));
  else node.data = text;
}

function hasEqualAttributes(one, other) {
  return one.cloneNode(false).isEqualNode(other.cloneNode(false));
}

/** Leave out the line breaks that HTML has between blocks. They are not shown, and streamed nodes have none. */
export function withoutBreaks(root) {
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const breaks = [];
  while (texts.nextNode()) {
    const text = /** @type {Text} */ (texts.currentNode);
    if (text.data === "\n" && isBetweenBlocks(text)) breaks.push(text);
  }
  for (const text of breaks) text.remove();
}

function isBetweenBlocks(text) {
  const beside = text.previousSibling ?? text.nextSibling ?? text.parentNode;
  return BLOCKS.has(beside.nodeName);
}
