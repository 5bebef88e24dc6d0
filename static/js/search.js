// Ctrl+K, on a Mac Command+K, leads to the search field from wherever one is, a message being written included.
import { isOfInputMethod } from "./enter-key.js";

const IS_MAC = /Mac|iP/.test(navigator.platform); // where Ctrl+K cuts to the end of the line

export function startSearchKeys() {
  const field = document.querySelector("[data-search-field]");
  if (!field) return;
  const hint = field.form.querySelector("kbd");
  if (hint && IS_MAC) hint.textContent = "⌘ K";
  document.addEventListener("keydown", (event) => {
    if (!isAsked(event)) return;
    event.preventDefault();
    // A narrow page has no field in its bar: the page of results has one.
    if (!field.checkVisibility()) location.assign(field.form.action);
    field.focus();
    field.select();
  });
}

function isAsked(event) {
  const { key, ctrlKey, metaKey, altKey, shiftKey, repeat } = event;
  if (altKey || shiftKey || repeat || isOfInputMethod(event)) return false;
  return (IS_MAC ? metaKey : ctrlKey) && key.toLowerCase() === "k";
}
