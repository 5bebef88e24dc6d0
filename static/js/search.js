// "/" and Ctrl+K (or the Mac's Command+K) lead to the search field, unless text is being written.

export function startSearchKeys() {
  const field = document.querySelector("[data-search-field]");
  if (!field) return;
  document.addEventListener("keydown", (event) => {
    if (!isAsked(event) || isWriting(event.target)) return;
    event.preventDefault();
    // A narrow page has no field in its bar: the page of results has one.
    if (!field.checkVisibility()) location.assign(field.form.action);
    field.focus();
    field.select();
  });
}

function isAsked({ key, ctrlKey, metaKey, altKey, shiftKey, isComposing, repeat }) {
  if (altKey || isComposing || repeat) return false;
  if (ctrlKey || metaKey) return key.toLowerCase() === "k" && !shiftKey;
  return key === "/"; // with Shift on some keyboards
}

function isWriting(target) {
  return target.closest("textarea, select, [contenteditable], input:not([type=checkbox], [type=radio])") !== null;
}
