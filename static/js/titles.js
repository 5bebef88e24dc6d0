// @ts-check
// Titles of sessions on this page: a title that another tab of this browser has learnt is shown here too.

const MARK = /^[●✕] /;
const channel = new BroadcastChannel("pantheon-titles");

/**
 * Show a session's title wherever this page has it.
 * @param {{ id: string, title: string }} session
 */
export function showTitle({ id, title }) {
  if (!title) return;
  for (const element of document.querySelectorAll(`[data-title-of="${CSS.escape(id)}"]`)) {
    element.textContent = title;
    element.closest("a[title]")?.setAttribute("title", title);
    const menu = element.closest("li")?.querySelector("summary[aria-label]");
    menu?.setAttribute("aria-label", `Actions for ${title}`);
  }
  if (!document.querySelector(`h1[data-title-of="${CSS.escape(id)}"]`)) return;
  document.title = `${MARK.exec(document.title)?.[0] ?? ""}${title} · Pantheon`;
  const field = /** @type {HTMLInputElement | null} */ (document.getElementById("session-title"));
  if (field && field.value === field.defaultValue) field.value = title; // not while somebody types another
  if (field) field.defaultValue = title;
}

/**
 * Show a title here and in the other tabs.
 * @param {{ id: string, title: string }} session
 */
export function shareTitle({ id, title }) {
  showTitle({ id, title });
  channel.postMessage({ id, title });
}

/** Mark the title of the tab until it is looked at; `mark` is one character. @param {string} mark */
export function markTitle(mark) {
  document.title = `${mark} ${document.title.replace(MARK, "")}`;
  const unmark = () => {
    document.title = document.title.replace(MARK, "");
  };
  document.addEventListener("visibilitychange", unmark, { once: true });
}

/** Follow the titles that other tabs share. The page of a session shares its own, which may just have been renamed. */
export function startTitles() {
  channel.addEventListener("message", ({ data }) => showTitle(data));
  const heading = document.querySelector("h1[data-title-of]");
  const named = heading instanceof HTMLElement && heading.dataset.titled !== undefined;
  if (named) channel.postMessage({ id: heading.dataset.titleOf, title: heading.textContent });
}
