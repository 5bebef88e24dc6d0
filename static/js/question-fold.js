// A long message that was asked is folded; opened, it grows where it stands.

const LONG_CHARS = 1000;
const LONG_LINES = 12;

/** Fold a message that has just come; sessions/pages/transcript.py folds the stored ones. */
export function foldQuestion(turn, message) {
  const long = [...message].length > LONG_CHARS || message.split("\n").length > LONG_LINES;
  turn.querySelector("[data-question-fold]").hidden = !long;
}

export function startFolds() {
  document.addEventListener("click", (event) => {
    const fold = event.target.closest("[data-question-fold]");
    if (!fold) return;
    event.preventDefault(); // opened here, so that nobody scrolls to the end before it is told
    fold.open = !fold.open;
    fold.dispatchEvent(new Event("placechosen", { bubbles: true }));
    if (!fold.open) fold.scrollIntoView({ block: "nearest" });
  });
}
