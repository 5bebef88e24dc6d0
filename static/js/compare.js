// @ts-check
// Compare: the answers of a turn over the full width of the window. Its HTML is templates/partials/compare.html.
import { markSentences, MOST_SENTENCES, onlyInOne, readSentences } from "./compare-sentences.js";
import { counted } from "./facts.js";
import { enterPanel, leavePanel } from "./panels.js";

// Where more than this part of the sentences is in one answer alone, highlighting them all would say nothing.
const MOST_MARKED = 1 / 2;
const COUNT = ["{count} sentence only here", "{count} sentences only here"];

export function startCompare(transcript) {
  const comparison = new Comparison(document.querySelector("[data-compare-dialog]"));
  transcript.addEventListener("click", (event) => {
    const button = event.target.closest("[data-compare]");
    if (button) comparison.open(button.closest("[data-turn]"));
  });
}

class Comparison {
  constructor(dialog) {
    this.dialog = dialog;
    this.place = dialog.querySelector("[data-compare-columns]");
    this.together = dialog.querySelector("[data-compare-together]");
    this.marked = dialog.querySelector("[data-compare-marked]");
    dialog.querySelector("[data-compare-close]").addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => this.closed());
    dialog.addEventListener("keydown", (event) => this.press(event));
    this.marked.addEventListener("change", () => this.showMarks());
    for (const type of ["pointerover", "focusin", "wheel", "touchstart"]) {
      this.place.addEventListener(type, ({ target }) => this.lead(target.closest("[data-compare-column]")), {
        passive: true,
      });
    }
    this.place.addEventListener("scroll", ({ target }) => this.follow(target), { capture: true, passive: true });
    addEventListener("popstate", () => dialog.close());
  }

  open(turn) {
    const lanes = [...turn.querySelectorAll('[data-rounds] [data-step][data-state="complete"]')];
    const columns = lanes.map(columnOf);
    this.place.replaceChildren(...columns);
    this.markOnly(columns);
    this.dialog.showModal(); // the button that opened it gets the focus back
    enterPanel();
    this.goTo(0);
  }

  closed() {
    this.place.replaceChildren();
    leavePanel();
  }

  /** Mark what only one answer says, and say how much that is. It is highlighted at once unless that is nearly all. */
  markOnly(columns) {
    const read = columns.map((column) => readSentences(column.querySelector("[data-compare-text]")));
    const only = onlyInOne(read.map(({ sentences }) => sentences));
    columns.forEach((column, number) => {
      markSentences(only[number]);
      column.querySelector("[data-compare-count]").textContent = counted(COUNT, only[number].length);
    });
    const [alone, all] = [only, read.map(({ sentences }) => sentences)].map((texts) => texts.flat().length);
    this.marked.checked = alone <= all * MOST_MARKED;
    const few = this.dialog.querySelector("[data-compare-few]");
    few.hidden = this.marked.checked;
    few.textContent = `These answers have little in common: ${alone} of ${all} sentences are in one of them only. Nothing is highlighted.`;
    this.showMarks();
    const limit = this.dialog.querySelector("[data-compare-limit]");
    limit.hidden = !read.some(({ isCut }) => isCut);
    limit.textContent = `Only the first ${MOST_SENTENCES} sentences of each answer are compared.`;
  }

  showMarks() {
    this.dialog.toggleAttribute("data-marked", this.marked.checked);
  }

  press({ key, ctrlKey, metaKey, altKey }) {
    if (/^[1-9]$/.test(key) && !ctrlKey && !metaKey && !altKey) this.goTo(Number(key) - 1);
  }

  goTo(number) {
    const column = this.place.children[number];
    if (!column) return;
    column.focus({ preventScroll: true });
    column.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** Let the others scroll with the column that the reader uses. */
  lead(column) {
    if (column) this.leader = column;
  }

  /** Bring the other columns to the same part of their text; their own events change nothing. */
  follow(column) {
    if (!this.together.checked || column !== this.leader) return;
    const part = column.scrollTop / Math.max(1, column.scrollHeight - column.clientHeight);
    for (const other of this.place.children) {
      if (other !== column) other.scrollTop = part * (other.scrollHeight - other.clientHeight);
    }
  }
}

/** Return a copy of an answer under a head that stays in sight. */
function columnOf(lane, number) {
  const column = document.getElementById("compare-column").content.firstElementChild.cloneNode(true);
  const name = lane.querySelector("[data-name]").textContent;
  column.classList.add(...[...lane.classList].filter((each) => each.startsWith("hue-")));
  column.setAttribute("aria-label", `${number + 1}: ${name}`);
  column.querySelector("[data-compare-number]").textContent = String(number + 1);
  column.querySelector("[data-compare-initial]").textContent = lane.querySelector("[data-initial]").textContent;
  column.querySelector("[data-compare-name]").textContent = name;
  column.querySelector("[data-compare-facts]").append(...lane.querySelector(".lane-facts").cloneNode(true).children);
  const text = lane.querySelector("[data-text]").cloneNode(true);
  for (const part of text.querySelectorAll("[id]")) part.removeAttribute("id");
  for (const button of text.querySelectorAll("button")) button.remove(); // they would do nothing
  const place = column.querySelector("[data-compare-text]");
  place.append(...text.childNodes);
  return column;
}
