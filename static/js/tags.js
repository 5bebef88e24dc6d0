// @ts-check
// @ opens a list of the agents that can be tagged: arrows move, Enter or Tab takes one, Escape closes.
import { announce } from "./announce.js";
import { isOfInputMethod } from "./enter-key.js";
import { facts } from "./facts.js";

// As orchestration/engine/tags.py reads a message: code is no tag, the longest key wins, dashes at the end are punctuation.
// An @ follows no Latin word and no part of an email address; scripts such as Chinese write no space before it.
const BEFORE = "(?<![A-Za-z0-9_ªºÀ-ÖØ-öø-ɏ\\u0300-\\u036fḀ-ỿ０-９Ａ-Ｚａ-ｚ.@＠+%/-])";
const CODE = /(?<fence>`{3,}|~{3,}).*?(?:\k<fence>|$)|(?<!`)(?<tick>`+)(?!`).+?(?<!`)\k<tick>(?!`)/gs;
const TAG = new RegExp(`${BEFORE}[@＠]([A-Za-z0-9_-]+)(?![A-Za-z0-9_@＠-])`, "g");
const BEGUN = new RegExp(`${BEFORE}[@＠]([A-Za-z0-9_-]*)$`);

/** Return the keys that a text tags, everybody's among them, in the order of first mention. */
export function tagsIn(text, keys) {
  const longestFirst = [...keys, facts.everybody.key].sort((one, other) => other.length - one.length);
  const prose = text.replace(CODE, (code) => " ".repeat(code.length));
  const words = [...prose.matchAll(TAG)].map(([, word]) => word.toLowerCase());
  const mentioned = words.map((word) =>
    longestFirst.find((key) => word.startsWith(key) && /^[-_]*$/.test(word.slice(key.length))),
  );
  return [...new Set(mentioned.filter((key) => key !== undefined))];
}

export class TagList {
  /** `agents` are {key, name}, in the order in which they are offered. */
  constructor(form, agents) {
    this.box = form.querySelector("[data-message]");
    this.list = form.querySelector("[data-tag-list]");
    this.agents = agents;
    this.offered = [];
    this.box.addEventListener("input", () => this.look());
    this.box.addEventListener("click", () => this.look());
    this.box.addEventListener("blur", () => this.close());
    // Before the composer's own: Enter takes a tag and sends nothing.
    this.box.addEventListener("keydown", (event) => this.key(event), { capture: true });
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault(); // the box keeps the focus
      const option = event.target.closest("[data-key]");
      if (option) this.take(option.dataset.key);
    });
  }

  /** Offer the agents in the order of these keys, and everybody last. */
  reorder(keys) {
    const placeOf = ({ key }) => (keys.includes(key) ? keys.indexOf(key) : keys.length);
    this.agents = [...this.agents].sort((one, other) => placeOf(one) - placeOf(other));
  }

  get isOpen() {
    return !this.list.hidden;
  }

  look() {
    const { selectionStart: start, selectionEnd: end, value } = this.box;
    const begun = start === end ? BEGUN.exec(value.slice(0, start)) : null;
    const part = begun?.[1].toLowerCase() ?? "";
    const matches = begun
      ? this.agents.filter(({ key, name }) => key.startsWith(part) || name.toLowerCase().startsWith(part))
      : [];
    const isWhole = matches.length === 1 && matches[0].key === part; // nothing is left to choose: Enter sends
    if (!matches.length || isWhole) this.close();
    else this.open(matches, start - part.length);
  }

  /** Offer agents. `from`: where the key to complete begins in the text. */
  open(agents, from) {
    const wasOpen = this.isOpen;
    this.offered = agents;
    this.from = from;
    this.list.replaceChildren(...agents.map(optionOf));
    this.list.hidden = false;
    this.point(0);
    if (!wasOpen) announce(`${agents.length} agent${agents.length === 1 ? "" : "s"} to tag. Arrow keys choose.`);
  }

  close() {
    this.list.hidden = true;
    this.box.removeAttribute("aria-activedescendant");
  }

  point(place) {
    this.place = (place + this.offered.length) % this.offered.length;
    [...this.list.children].forEach((option, index) => {
      option.setAttribute("aria-selected", String(index === this.place));
    });
    const option = this.list.children[this.place];
    option.scrollIntoView({ block: "nearest" });
    this.box.setAttribute("aria-activedescendant", option.id);
  }

  key(event) {
    if (!this.isOpen || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isOfInputMethod(event)) return;
    switch (event.key) {
      case "ArrowDown":
        this.point(this.place + 1);
        break;
      case "ArrowUp":
        this.point(this.place - 1);
        break;
      case "Enter":
      case "Tab":
        this.take(this.offered[this.place].key);
        break;
      case "Escape":
        this.close();
        break;
      default:
        return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
  }

  take(key) {
    this.box.setRangeText(`${key} `, this.from, this.box.selectionStart, "end");
    this.close();
    this.box.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

function optionOf({ key, name }) {
  const option = document.createElement("li");
  const tag = document.createElement("code");
  option.id = `tag-${key}`;
  option.dataset.key = key;
  option.setAttribute("role", "option");
  tag.textContent = `@${key}`;
  option.append(tag, ` ${name}`);
  return option;
}
