// @ts-check
// What is being written survives a reload, who it is for, and its files: per session, in this browser.

const PREFIX = "pantheon-draft:";
const RECIPIENTS = "pantheon-recipients:";
const FILES = "pantheon-files:";

export function readDraft(sessionId) {
  return localStorage.getItem(PREFIX + sessionId) ?? "";
}

export function keepDraft(sessionId, text) {
  if (text.trim()) localStorage.setItem(PREFIX + sessionId, text);
  else localStorage.removeItem(PREFIX + sessionId);
}

/** Return the recipients that were chosen for the next message, null if they are those of the last. */
export function readRecipients(sessionId) {
  return (
    localStorage
      .getItem(RECIPIENTS + sessionId)
      ?.split(" ")
      .filter(Boolean) ?? null
  );
}

/** Keep recipients that were chosen; null: the message says who they are. */
export function keepRecipients(sessionId, keys) {
  if (keys) localStorage.setItem(RECIPIENTS + sessionId, keys.join(" "));
  else localStorage.removeItem(RECIPIENTS + sessionId);
}

/**
 * Return the files of the next message, as the API describes them; `isDraft`: nothing else has brought them yet.
 * @returns {{id: string, name: string, kind: string, bytes: number, tokens: number, isDraft: boolean}[]}
 */
export function readFiles(sessionId) {
  return JSON.parse(localStorage.getItem(FILES + sessionId) ?? "[]");
}

export function keepFiles(sessionId, files) {
  if (files.length) localStorage.setItem(FILES + sessionId, JSON.stringify(files));
  else localStorage.removeItem(FILES + sessionId);
}

/** Who signs out leaves nothing behind on this computer. */
export function forgetDraftsAtSignOut() {
  document.addEventListener("submit", ({ target }) => {
    if (!target.matches("[data-sign-out]")) return;
    const ours = Object.keys(localStorage).filter((key) =>
      [PREFIX, RECIPIENTS, FILES].some((each) => key.startsWith(each)),
    );
    for (const key of ours) localStorage.removeItem(key);
  });
}
