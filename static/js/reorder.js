// The order of a list: its rows are dragged by a handle, or moved by buttons, Alt+Up and Alt+Down, and arrows on the handle.
import { announce } from "./announce.js";

const ORDINAL = new Intl.PluralRules("en", { type: "ordinal" });
const ENDINGS = { one: "st", two: "nd", few: "rd", other: "th" };
const SLIDE_MS = 140;

export class Reorder {
  /** `nameOf(row)`: the name to announce. `onMoved()` runs after each change. */
  constructor(list, { nameOf, onMoved }) {
    this.list = list;
    this.nameOf = nameOf;
    this.onMoved = onMoved;
    this.dragged = null;
    list.addEventListener("click", (event) => {
      const button = event.target.closest("[data-move]");
      if (button) this.move(this.rowOf(button), Number(button.dataset.move));
    });
    list.addEventListener("keydown", (event) => this.key(event));
    list.addEventListener("pointerdown", (event) => this.grab(event));
    list.addEventListener("pointermove", (event) => this.drag(event));
    list.addEventListener("pointerup", () => this.drop());
    list.addEventListener("lostpointercapture", () => this.release());
    // Before other listeners: this Escape closes nothing.
    addEventListener("keydown", (event) => this.escape(event), { capture: true });
  }

  get rows() {
    return [...this.list.children];
  }

  rowOf(element) {
    return this.rows.find((row) => row.contains(element));
  }

  key(event) {
    const direction = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!direction || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (!event.altKey && !event.target.closest("[data-handle]")) return;
    event.preventDefault();
    this.move(this.rowOf(event.target), direction);
  }

  move(row, direction) {
    const place = this.rows.indexOf(row) + direction;
    if (place < 0 || place >= this.rows.length) return;
    this.put(row, direction < 0 ? row.previousElementSibling : row.nextElementSibling.nextElementSibling);
  }

  grab(event) {
    const handle = event.target.closest("[data-handle]");
    if (!handle || event.button !== 0 || !event.isPrimary) return;
    event.preventDefault(); // nothing is selected on the way
    handle.focus();
    this.list.setPointerCapture(event.pointerId); // the list stays where it is when rows move
    this.dragged = this.rowOf(handle);
    this.before = this.dragged.nextElementSibling;
    this.list.classList.add("reorder-active");
    this.dragged.classList.add("reorder-dragged");
  }

  /** Mark where the row would be put: before the first whose middle is below the pointer. */
  drag({ clientY }) {
    if (!this.dragged) return;
    this.before = this.rows.find((row) => middleOf(row) > clientY) ?? null;
    this.unmark();
    if (!this.moves) return;
    if (this.before) this.before.classList.add("reorder-before");
    else this.list.lastElementChild.classList.add("reorder-after");
  }

  get moves() {
    return this.before !== this.dragged && this.before !== this.dragged.nextElementSibling;
  }

  drop() {
    if (!this.dragged) return;
    const { dragged, before, moves } = this;
    this.release();
    if (moves) this.put(dragged, before);
  }

  /** Let go of a row, and leave it where it was. */
  release() {
    if (!this.dragged) return;
    this.unmark();
    this.list.classList.remove("reorder-active");
    this.dragged.classList.remove("reorder-dragged");
    this.dragged = null;
  }

  escape(event) {
    if (event.key !== "Escape" || !this.dragged) return;
    event.stopPropagation();
    this.release();
  }

  unmark() {
    for (const row of this.rows) row.classList.remove("reorder-before", "reorder-after");
  }

  put(row, before) {
    const focused = document.activeElement;
    const tops = new Map(this.rows.map((each) => [each, each.getBoundingClientRect().top]));
    this.list.insertBefore(row, before);
    if (row.contains(focused)) focused.focus(); // what is moved loses it
    for (const [each, top] of tops) slide(each, top);
    announce(`${this.nameOf(row)} is now ${ordinal(this.rows.indexOf(row) + 1)} of ${this.rows.length}.`);
    this.onMoved();
  }
}

function middleOf(row) {
  const { top, height } = row.getBoundingClientRect();
  return top + height / 2;
}

/** Let a row slide from where it was, for those who like motion. */
function slide(row, from) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const distance = from - row.getBoundingClientRect().top;
  if (distance)
    row.animate([{ transform: `translateY(${distance}px)` }, {}], { duration: SLIDE_MS, easing: "ease-out" });
}

function ordinal(number) {
  return `${number}${ENDINGS[ORDINAL.select(number)]}`;
}
