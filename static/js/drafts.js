// What is being written survives a reload: a draft per session, in this browser.

const PREFIX = "pantheon-draft:";

export function readDraft(sessionId) {
  return localStorage.getItem(PREFIX + sessionId) ?? "";
}

export function keepDraft(sessionId, text) {
  if (text.trim()) localStorage.setItem(PREFIX + sessionId, text);
  else localStorage.removeItem(PREFIX + sessionId);
}
