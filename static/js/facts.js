// What the server states once and scripts need: modes, statuses, labels, limits. The page of a conversation has them
// (sessions/pages/script_facts.py); other pages have none.

export const facts = JSON.parse(document.querySelector("[data-facts]")?.dataset.facts ?? "{}");

/** Return a text with values in place of `{name}`. */
export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}

/** Return a count with its noun. `forms`: singular and plural. */
export function counted(forms, count) {
  return fill(forms[count === 1 ? 0 : 1], { count });
}
