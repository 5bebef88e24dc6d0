// A long message is folded; opened, it grows in its place.
import { facts } from "./facts.js";

/** Fold a new message if it is long; of stored ones the page says it. */
export function foldQuestion(turn, message) {
  const { chars, lines } = facts.longMessage;
  const long = [...message].length > chars || message.split("\n").length > lines;
  turn.querySelector("[data-question-fold]").hidden = !long;
}

export function startFolds() {
  document.addEventListener("click", (event) => {
    const fold = event.target.closest("[data-question-fold]");
    if (!fold) return;
    event.preventDefault(); // opened here, so that `placechosen` comes before anything scrolls
    fold.open = !fold.open;
    fold.dispatchEvent(new Event("placechosen", { bubbles: true }));
    if (!fold.open) fold.scrollIntoView({ block: "nearest" });
  });
}
