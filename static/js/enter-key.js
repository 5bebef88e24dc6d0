// @ts-check
// What Enter means while text is written.

const JUST_AFTER_MS = 50; // Safari ends a composition before the key that ended it goes down
const LEGACY_COMPOSING = 229; // the keyCode of keys that an input method has used

let endedAt = Number.NEGATIVE_INFINITY;
addEventListener("compositionend", ({ timeStamp }) => (endedAt = timeStamp), { capture: true });
addEventListener("keyup", () => (endedAt = Number.NEGATIVE_INFINITY), { capture: true }); // the next key is another

/** Return whether a key belongs to an input method, as Enter does that ends a word of Chinese or Japanese. */
export function isOfInputMethod({ isComposing, keyCode, timeStamp }) {
  return isComposing || keyCode === LEGACY_COMPOSING || timeStamp - endedAt < JUST_AFTER_MS;
}

/** Return whether a key sends the text: Enter, and where fingers write only with Ctrl or Command. */
export function isSendKey(event) {
  if (event.key !== "Enter" || event.shiftKey || isOfInputMethod(event)) return false;
  return event.ctrlKey || event.metaKey || !matchMedia("(pointer: coarse)").matches;
}
