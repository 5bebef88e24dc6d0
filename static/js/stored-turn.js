// @ts-check
// A turn as the server has it: in place of what was streamed, or only what streaming cannot know.
import { getFragment } from "./api.js";
import { addCopyButtons } from "./code-blocks.js";
import { typesetFormulas } from "./formulas.js";
import { keepChosen } from "./lane-tabs.js";
import { localizeTimes } from "./times.js";

/** Return the element of a stored turn. Throws ApiError. */
export async function loadTurn(url) {
  const template = document.createElement("template");
  template.innerHTML = await getFragment(url);
  addCopyButtons(template.content);
  typesetFormulas(template.content);
  localizeTimes(template.content);
  return template.content.querySelector("[data-turn]");
}

/** Take over what follows the answers, and leave those as they are: nobody loses a place or a selection. */
export function graft(shown, stored) {
  for (const part of ["[data-question-foot]", "[data-turn-foot]"]) {
    put(stored.querySelector(part), shown.querySelector(part));
  }
  for (const lane of stored.querySelectorAll("[data-step]")) {
    const foot = shown.querySelector(`[data-step="${CSS.escape(lane.dataset.step)}"] [data-lane-foot]`);
    if (foot) put(lane.querySelector("[data-lane-foot]"), foot);
  }
}

/** Put a part in place of another one; what is named like what had the focus gets it. */
function put(stored, shown) {
  const focused = shown.contains(document.activeElement) ? document.activeElement : null;
  shown.replaceWith(stored);
  const name = focused?.getAttribute("aria-label");
  if (name) stored.querySelector(`[aria-label="${CSS.escape(name)}"]`)?.focus({ preventScroll: true });
}

/** Put a stored turn in place of what was streamed; folds that stood open, the chosen tab and the focus stay. */
export function swap(shown, stored) {
  for (const fold of ["[data-steps]", "[data-question-fold]"]) {
    if (shown.querySelector(fold).open) stored.querySelector(fold).open = true;
  }
  const focused = shown.contains(document.activeElement) ? document.activeElement : null;
  shown.replaceWith(stored);
  keepChosen(shown, stored);
  if (focused) placeOf(focused, stored)?.focus({ preventScroll: true });
}

/** Return the counterpart of an element in the stored turn: a tab, a fold, the question of a new version. */
function placeOf(element, stored) {
  if (element.id) return document.getElementById(element.id);
  if (element.closest("[data-question-fold]")) return stored.querySelector("[data-question-fold] > summary");
  const question = element.matches("[data-question]") && stored.querySelector("[data-question]");
  if (question) question.tabIndex = -1;
  return question || null;
}
