// @ts-check
// The switch of the mode. The page is loaded again, since the composer depends on the mode; the panel, the focus and the
// reader's place stay, and a live region says what has changed.
import { announce } from "./announce.js";

const KEY = "pantheon-mode-switch";

export function startModeSwitch() {
  const form = document.querySelector("[data-modes]");
  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    change(form, event.submitter);
  });
}

async function change(form, button) {
  if (button.getAttribute("aria-pressed") === "true") return;
  const body = new FormData(form, button);
  try {
    const response = await fetch(form.action, { method: "POST", body, redirect: "manual" });
    if (response.type !== "opaqueredirect") throw new Error(`status ${response.status}`);
  } catch (error) {
    console.info("the mode could not be changed", error.message);
    announce("The mode could not be changed. Try again.");
    return;
  }
  const scroll = document.querySelector("[data-scroll]");
  const isAtEnd = !scroll || scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 64;
  const place = isAtEnd ? null : scroll.scrollTop;
  const isOpen = form.closest("[data-panel]").hasAttribute("data-open");
  const { name, value } = button;
  sessionStorage.setItem(KEY, JSON.stringify({ path: location.pathname, name, value, isOpen, place }));
  location.reload();
}

/** Return the switch that this page was loaded for, once. */
export function takeSwitch() {
  const switched = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  sessionStorage.removeItem(KEY);
  return switched?.path === location.pathname ? switched : null;
}

/** Continue where the reader was before the page was loaded again. */
export function resumeAfter({ name, value, place }) {
  const form = document.querySelector("[data-modes]");
  const button = form?.querySelector(`[name="${CSS.escape(name)}"][value="${CSS.escape(value)}"]`);
  if (!button) return;
  button.focus({ preventScroll: true });
  const scroll = document.querySelector("[data-scroll]");
  if (scroll && place !== null) requestAnimationFrame(() => scroll.scrollTo(0, place));
  const sentence = form.querySelector("[data-mode-sentence]").textContent.trim();
  const label = button.getAttribute("aria-label") ?? button.textContent.trim();
  announce(name === "mode" ? `Mode: ${label}. ${sentence}` : `${label}, from the next message.`);
}
