// @ts-check
// An agent's handle: a new one follows the name until somebody types it; it is shown as it will be mentioned.

const form = /** @type {HTMLFormElement | null} */ (document.querySelector("form:has([name='key'])"));
if (form) {
  const name = /** @type {HTMLInputElement} */ (form.elements.namedItem("name"));
  const key = /** @type {HTMLInputElement} */ (form.elements.namedItem("key"));
  const help = document.getElementById(`${key.id}_helptext`);
  const explanation = help?.textContent ?? "";
  let follows = "keyFromName" in form.dataset && key.value === "";
  const preview = () => {
    if (help) help.textContent = key.value ? explanation.replace("@handle", `@${handleOf(key.value)}`) : explanation;
  };
  key.addEventListener("input", () => {
    follows = key.value === "" && "keyFromName" in form.dataset;
    preview();
  });
  // Mentions are read in lower case. Not while somebody types, which would move the cursor.
  key.addEventListener("change", () => {
    key.value = handleOf(key.value);
    preview();
  });
  name.addEventListener("input", () => {
    if (follows) key.value = keyFrom(name.value, Number(key.dataset.maxChars ?? key.maxLength)); // limits.js moves it
    preview();
  });
  preview();
}

/** As sessions/pages/forms.py reads it. @param {string} typed */
function handleOf(typed) {
  return typed.trim().replace(/^@/, "").toLowerCase();
}

/**
 * @param {string} name
 * @param {number} maxLength
 */
function keyFrom(name, maxLength) {
  const plain = name
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase();
  return plain
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, maxLength);
}
