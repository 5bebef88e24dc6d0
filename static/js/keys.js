// @ts-check
// ? shows the keys.
import { isOfInputMethod } from "./enter-key.js";

export const IS_MAC = /Mac|iP/.test(navigator.platform); // where Ctrl+K cuts to the end of the line

const TEXT_FIELDS = "input:not([type='checkbox'], [type='radio']), textarea, select, [contenteditable]";

/**
 * Return whether a key alone is a command, because nothing is written and no dialog is open.
 * @param {KeyboardEvent} event
 */
export function isCommandKey(event) {
  const { ctrlKey, metaKey, altKey, repeat, target } = event;
  if (ctrlKey || metaKey || altKey || repeat || isOfInputMethod(event)) return false;
  if (document.querySelector("dialog[open]")) return false;
  // The field of a dialog that has just closed keeps the focus until the next frame.
  return !(target instanceof Element && target.closest(TEXT_FIELDS)?.checkVisibility());
}

export function startKeys() {
  const dialog = document.querySelector("[data-keys]");
  if (!(dialog instanceof HTMLDialogElement)) return;
  if (IS_MAC) for (const key of dialog.querySelectorAll("[data-mac]")) key.textContent = key.getAttribute("data-mac");
  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || !isCommandKey(event)) return;
    event.preventDefault();
    showKeys();
  });
  document.addEventListener("click", ({ target }) => {
    if (target instanceof Element && target.closest("[data-keys-open]")) showKeys();
  });
  dialog.addEventListener("keydown", (event) => {
    if (dialog.open) event.stopPropagation();
  });
}

export function showKeys() {
  /** @type {HTMLDialogElement | null} */ (document.querySelector("[data-keys]"))?.showModal();
}
