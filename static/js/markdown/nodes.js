// @ts-check
// Makes nodes of Markdown tokens: the elements and attributes that sessions/rendering/markdown.py lets through, and text nodes.
// Never HTML: a text of a model cannot become anything else.
import { addCopyButtons } from "../code-blocks.js";
import { visibleText } from "../visible-text.js";

const LABEL_LIMIT = 24;
const LINK = /^(?:https?:\/\/|mailto:)\S/i;
const TASK = /^\[([ xX])\]\s/;
const ALIGN = /^text-align:(left|center|right)$/;
const SIDED = new Set(["blockquote", "ul", "ol", "table"]);
const TAGS = new Set("a blockquote em h3 h4 h5 h6 li ol p s strong table tbody td th thead tr ul".split(" "));

/** Return a fragment with one element for each block. */
export function nodesOf(tokens) {
  const builder = new Builder();
  tokens.forEach((token, place) => builder.add(token, tokens[place - 2]?.type === "list_item_open"));
  return builder.root;
}

class Builder {
  constructor() {
    this.root = document.createDocumentFragment();
    this.places = [this.root]; // the innermost is last
    this.links = 0;
  }

  get place() {
    return this.places.at(-1);
  }

  /** Add a token. `mayBeTask`: it is the first text of a list item. */
  add(token, mayBeTask = false) {
    if (token.hidden) return;
    if (token.type === "inline") this.addInline(token.children, mayBeTask);
    else if (token.nesting === 1) this.open(token);
    else if (token.nesting === -1) this.close(token);
    else this.addLeaf(token);
  }

  addInline(children, mayBeTask) {
    const task = mayBeTask && children[0]?.type === "text" && children[0].content.match(TASK);
    if (task) {
      this.place.closest?.("li").classList.add("task");
      this.append("span", { class: "task-box" }, task[1] === " " ? "☐" : "☑");
      this.text(` ${children[0].content.slice(task[0].length)}`);
    }
    for (const child of task ? children.slice(1) : children) this.add(child);
  }

  open(token) {
    if (token.type === "table_open") this.enter("div", { class: "table-scroll", tabindex: "0" });
    const tag = token.type === "heading_open" ? `h${Math.min(6, Number(token.tag[1]) + 2)}` : token.tag;
    if (!TAGS.has(tag)) throw new Error(`no element for ${token.type}`);
    this.enter(tag, attributesOf(tag, token));
    if (tag === "a") this.links++;
  }

  close(token) {
    this.places.pop();
    if (token.type === "table_close") this.places.pop();
    if (token.tag === "a") this.links--;
  }

  addLeaf(token) {
    const { type, content } = token;
    if (type === "text" || type === "text_special") this.text(content);
    else if (type === "softbreak") this.text("\n");
    else if (type === "hardbreak") this.breakLine();
    else if (type === "hr") this.append("hr", {});
    else if (type === "code_inline") this.append("code", {}, content);
    else if (type === "math_inline") this.append("code", { class: "math" }, content);
    else if (type === "math_block") this.addFormula(token);
    else if (type === "fence" || type === "code_block") this.addCode(token);
    else if (type === "image") this.addImage(token);
    else throw new Error(`no node for ${type}`);
  }

  addFormula({ content, meta }) {
    this.append("pre", { class: meta.isOpen ? "math math-open" : "math", tabindex: "0" }, content);
  }

  breakLine() {
    this.append("br", {});
    this.text("\n");
  }

  /** An image is not loaded: its description leads to it. */
  addImage(token) {
    const description = token.content || "image";
    if (this.links) this.text(description);
    else this.append("a", linkTo(token.attrGet("src")), description);
  }

  addCode(token) {
    const name = token.info.trim().split(/\s+/)[0].toLowerCase();
    const block = this.enter("div", { class: "code-block" });
    this.append("div", { class: "code-language" }, name.slice(0, LABEL_LIMIT) || "text");
    this.enter("pre", { tabindex: "0" });
    this.append("code", {}, token.content);
    this.places.length -= 2;
    addCopyButtons(block.parentNode);
  }

  enter(tag, attributes) {
    const element = this.append(tag, attributes);
    this.places.push(element);
    return element;
  }

  append(tag, attributes, text = "") {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text) element.append(visibleText(text));
    this.place.append(element);
    return element;
  }

  // Again: character references such as `&#x202e;` have become characters only now.
  text(content) {
    const text = visibleText(content);
    const { lastChild } = this.place;
    if (lastChild?.nodeType === Node.TEXT_NODE) lastChild.appendData(text);
    else if (text) this.place.append(text);
  }
}

function attributesOf(tag, token) {
  if (tag === "a") return linkTo(token.attrGet("href"), token.attrGet("title"));
  const start = tag === "ol" && token.attrGet("start");
  const align = token.attrGet("style")?.match(ALIGN);
  return {
    ...(SIDED.has(tag) ? { dir: "auto" } : {}),
    ...(start ? { start } : {}),
    ...(align ? { class: `align-${align[1]}` } : {}),
  };
}

function linkTo(href, title = null) {
  return {
    ...(LINK.test(href) ? { href: visibleText(href) } : {}),
    ...(title === null ? {} : { title: visibleText(title) }),
    rel: "noopener noreferrer nofollow",
  };
}
