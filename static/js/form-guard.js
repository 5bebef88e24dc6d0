// @ts-check
// A form that was changed and not sent asks before it is left. In a new one Enter goes to the next field.
import { isOfInputMethod } from "./enter-key.js";

for (const form of /** @type {NodeListOf<HTMLFormElement>} */ (document.querySelectorAll("form[data-guarded]"))) {
  let sending = false;
  form.addEventListener("submit", () => {
    sending = true;
  });
  addEventListener("pageshow", () => {
    sending = false; // the page came back
  });
  addEventListener("beforeunload", (event) => {
    if (!sending && ("unsaved" in form.dataset || isChanged(form))) event.preventDefault();
  });
  if ("enterMoves" in form.dataset) form.addEventListener("keydown", (event) => moveOn(form, event));
}

/** @param {HTMLFormElement} form */
function isChanged(form) {
  return [...form.elements].some((field) => {
    if (field instanceof HTMLSelectElement) return isChosenAnew(field);
    if (field instanceof HTMLTextAreaElement) return field.value !== field.defaultValue;
    if (!(field instanceof HTMLInputElement) || field.type === "hidden") return false;
    if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
    return field.value !== field.defaultValue;
  });
}

/** The first option is chosen where no other is. @param {HTMLSelectElement} field */
function isChosenAnew({ options, selectedIndex }) {
  const initial = [...options].findIndex((option) => option.defaultSelected);
  return selectedIndex !== Math.max(initial, 0);
}

/**
 * Enter in a line of text would send what is not finished. With Ctrl or Command it sends.
 * @param {HTMLFormElement} form
 * @param {KeyboardEvent} event
 */
function moveOn(form, event) {
  const { target } = event;
  const isLine = target instanceof HTMLInputElement && !["checkbox", "radio", "submit"].includes(target.type);
  if (event.key !== "Enter" || !isLine || isOfInputMethod(event)) return;
  event.preventDefault();
  if (event.ctrlKey || event.metaKey) return form.requestSubmit();
  const fields = [...form.elements].filter((field) => field instanceof HTMLElement && field.tabIndex >= 0);
  const next = fields[fields.indexOf(target) + 1];
  if (next instanceof HTMLElement) next.focus();
}
