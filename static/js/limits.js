// @ts-check
// A field keeps a text that is longer than it may be: it is counted, and cannot be sent until it is shorter.

/** Replace the maxlength of all fields, with which a browser would cut what is pasted. */
export function startLimits() {
  document.querySelectorAll("input[maxlength], textarea[maxlength]").forEach(keepWhole);
}

/** Let a field keep its whole text, and check what it has now. */
export function keepWhole(field) {
  if (field.hasAttribute("maxlength")) {
    field.dataset.maxChars = field.getAttribute("maxlength");
    field.removeAttribute("maxlength");
    field.addEventListener("input", () => check(field));
  }
  check(field);
}

function check(field) {
  const limit = Number(field.dataset.maxChars);
  // The server counts characters, a string its UTF-16 units.
  const count = field.value.length > limit ? [...field.value].length : 0;
  const sentence = count > limit ? sentenceOf(count, limit) : "";
  if ((field.validity.customError ? field.validationMessage : "") === sentence) return;
  field.setCustomValidity(sentence);
  if (sentence) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  const note = noteOf(field);
  if (!note) return; // the browser shows the sentence when the form is sent
  note.textContent = sentence;
  note.hidden = !sentence;
}

function sentenceOf(count, limit) {
  const [has, may, over] = [count, limit, count - limit].map((number) => number.toLocaleString("en"));
  return `${has} of ${may} characters. Remove ${over} to continue.`;
}

/** Return where a field's sentence is shown: its form's own place, or below it. */
function noteOf(field) {
  const own = field.form?.querySelector("[data-over]");
  const place = field.closest(".field");
  if (own || !place) return own;
  const note = place.querySelector(".field-over") ?? document.createElement("p");
  note.className = "field-over";
  field.after(note);
  return note;
}
