// Edits of a summary: one item or the text, in place. The summary is read again first, so that no other edit is lost.
import { ApiError, getJson, patchJson } from "./api.js";
import { mayDiscard } from "./discard.js";
import { isOfInputMethod } from "./enter-key.js";

/** Replace one item by `change(item)`, or remove it if that is null. Throws ApiError. */
export async function changeItem(panel, element, change) {
  const { list, place } = element.dataset;
  const items = (await storedSummary(panel))[list];
  const changed = items.flatMap((item, index) => (index === Number(place) ? (change(item) ?? []) : item));
  await save(panel, { [list]: changed });
}

export async function editItem(panel, element) {
  const { list, place } = element.dataset;
  const item = (await storedSummary(panel))[list][Number(place)];
  edit(panel, element, item.text, {
    onSave: (text) => changeItem(panel, element, (old) => ({ ...old, text })),
    onRemove: () => changeItem(panel, element, () => null),
  });
}

export async function editText(panel) {
  const { text } = await storedSummary(panel);
  edit(panel, panel.element.querySelector("[data-summary-text]"), text, {
    onSave: (changed) => save(panel, { text: changed }),
  });
}

/** Put a small form in place of what an element shows; Escape takes it away again. */
function edit(panel, element, text, { onSave, onRemove }) {
  const before = [...element.childNodes];
  const form = document.createElement("form");
  const box = document.createElement("textarea");
  const actions = document.createElement("div");
  form.className = "summary-form";
  box.value = text;
  const unchanged = box.value; // with the line ends of a text box
  box.rows = Math.min(8, Math.ceil(text.length / 30) + 1);
  box.required = true;
  box.dir = "auto";
  box.setAttribute("aria-label", "Text");
  const close = () => {
    if (!mayDiscard(box, unchanged)) return;
    element.replaceChildren(...before);
    element.querySelector("button").focus();
  };
  actions.append(button("Save", "submit"), button("Cancel", "button", close));
  if (onRemove) actions.append(button("Remove", "button", () => panel.attempt(onRemove)));
  form.append(box, actions);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    panel.attempt(() => onSave(box.value));
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || isOfInputMethod(event)) return;
    event.stopPropagation();
    close();
  });
  element.replaceChildren(form);
  box.focus();
  form.scrollIntoView({ block: "nearest" });
}

function button(text, type, onClick) {
  const element = document.createElement("button");
  element.type = type;
  element.className = type === "submit" ? "button button-primary button-small" : "button button-small";
  element.textContent = text;
  if (onClick) element.addEventListener("click", onClick);
  return element;
}

/** Return the summary that the panel shows, as the API has it; an older one is not edited in its place. */
async function storedSummary({ element, sessionId }) {
  const [newest] = (await getJson(`sessions/${sessionId}/summaries?limit=1`)).results;
  if (newest?.id === element.dataset.summary) return newest;
  throw new ApiError({ status: 409, code: "turn_conflict", message: "There is a newer summary." });
}

async function save(panel, changes) {
  await patchJson(`summaries/${panel.element.dataset.summary}`, changes);
  await panel.refresh();
}
