// @ts-check
// What is being written survives a reload, and who it is for: per session, in this browser.

const PREFIX = "pantheon-draft:";
const RECIPIENTS = "pantheon-recipients:";

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

/** Who signs out leaves nothing behind on this computer. */
export function forgetDraftsAtSignOut() {
  document.addEventListener("submit", ({ target }) => {
    if (!target.matches("[data-sign-out]")) return;
    const ours = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX) || key.startsWith(RECIPIENTS));
    for (const key of ours) localStorage.removeItem(key);
  });
}
