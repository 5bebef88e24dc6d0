// @ts-check
// The command palette: Ctrl+K, on a Mac Command+K, from wherever one is, a message being written included.
import { ApiError, getFragment } from "./api.js";
import { isOfInputMethod } from "./enter-key.js";
import { IS_MAC, showKeys } from "./keys.js";
import { newSession } from "./sidebar.js";

const PAUSE_MS = 120; // in typing, before the server is asked

/** What options without an address do. @type {Record<string, () => void>} */
const SCRIPTS = { "new-session": newSession, keys: showKeys };

export function startPalette() {
  const dialog = document.querySelector("[data-palette]");
  if (!(dialog instanceof HTMLDialogElement)) return;
  const palette = new Palette(dialog);
  document.addEventListener("keydown", (event) => {
    if (!isPaletteKey(event)) return;
    event.preventDefault();
    if (dialog.open) dialog.close();
    else if (!document.querySelector("dialog[open]")) palette.open();
  });
  document.addEventListener("click", ({ target }) => {
    if (target instanceof Element && target.closest("[data-palette-open]")) palette.open();
  });
}

class Palette {
  constructor(/** @type {HTMLDialogElement} */ dialog) {
    this.dialog = dialog;
    this.input = /** @type {HTMLInputElement} */ (dialog.querySelector("[data-palette-input]"));
    this.list = /** @type {HTMLElement} */ (dialog.querySelector("[data-palette-list]"));
    this.status = /** @type {HTMLElement} */ (dialog.querySelector("[data-palette-status]"));
    this.asked = 0;
    this.shown = ""; // the text whose options are listed
    this.input.addEventListener("input", () => this.lookSoon());
    this.list.addEventListener("click", ({ target }) => {
      if (target instanceof Element) this.run(target.closest("[role='option']"));
    });
    dialog.addEventListener("keydown", (event) => this.press(event));
    // The dialog itself is hit only beside its content.
    dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close());
  }

  open() {
    this.input.value = "";
    this.list.replaceChildren();
    this.dialog.showModal();
    this.input.focus();
    void this.look();
  }

  get options() {
    return [...this.list.querySelectorAll("[role='option']")];
  }

  get active() {
    return this.list.querySelector("[aria-selected='true']");
  }

  lookSoon() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.look(), PAUSE_MS);
  }

  async look() {
    const text = this.input.value.trim();
    const number = ++this.asked;
    let html = "";
    let failure = "";
    try {
      html = await getFragment(`${this.dialog.dataset.palette}?${new URLSearchParams({ q: text })}`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      failure = error.message;
    }
    if (number !== this.asked) return; // another text has been asked for since
    this.shown = text;
    this.list.innerHTML = html;
    this.activate(this.options[0]);
    const count = this.options.length;
    this.status.textContent = failure || (count === 1 ? "1 result" : `${count} results`);
  }

  activate(/** @type {Element | null | undefined} */ option) {
    this.active?.setAttribute("aria-selected", "false");
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.input.setAttribute("aria-activedescendant", option.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  press(/** @type {KeyboardEvent} */ event) {
    if (isPaletteKey(event) || !this.dialog.open) return;
    event.stopPropagation(); // Escape closes this alone
    if (isOfInputMethod(event)) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.move(step);
    else if (event.key === "Enter") this.enter();
    else return;
    event.preventDefault();
  }

  move(/** @type {number} */ step) {
    const { options } = this;
    const at = this.active ? options.indexOf(this.active) : -1;
    this.activate(options.at((at + step) % options.length));
  }

  /** Take the active option; a text whose options are not there yet is searched for. */
  enter() {
    const text = this.input.value.trim();
    if (text === this.shown) this.run(this.active);
    else location.assign(`/search?${new URLSearchParams({ q: text })}`);
  }

  run(/** @type {Element | null} */ option) {
    if (!(option instanceof HTMLElement)) return;
    const { url, script } = option.dataset;
    this.dialog.close();
    if (url) location.assign(url);
    else if (script) SCRIPTS[script]();
  }
}

function isPaletteKey(/** @type {KeyboardEvent} */ event) {
  const { key, ctrlKey, metaKey, altKey, shiftKey, repeat } = event;
  if (altKey || shiftKey || repeat || isOfInputMethod(event)) return false;
  return (IS_MAC ? metaKey : ctrlKey) && key.toLowerCase() === "k";
}
