// @ts-check
// What is being written survives a reload: a draft per session, in this browser.

const PREFIX = "pantheon-draft:";

export function readDraft(sessionId) {
  return localStorage.getItem(PREFIX + sessionId) ?? "";
}

export function keepDraft(sessionId, text) {
  if (text.trim()) localStorage.setItem(PREFIX + sessionId, text);
  else localStorage.removeItem(PREFIX + sessionId);
}

/** Who signs out leaves nothing behind on this computer. */
export function forgetDraftsAtSignOut() {
  document.querySelector("[data-sign-out]")?.addEventListener("submit", () => {
    for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key);
  });
}
