// "Older messages" puts the turns before on top, and the reader's place stays where it was.
import { getFragment } from "./api.js";
import { addCopyButtons } from "./code-blocks.js";
import { localizeTimes } from "./times.js";

export function startOlder(transcript, scroll) {
  transcript.addEventListener("click", (event) => {
    const link = event.target.closest("[data-older-url]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    load(link, scroll);
  });
}

async function load(link, scroll) {
  if (link.hasAttribute("aria-busy")) return;
  link.setAttribute("aria-busy", "true");
  link.textContent = "Loading…";
  let html;
  try {
    html = await getFragment(link.dataset.olderUrl);
  } catch (error) {
    console.info("older messages could not be loaded", error.message);
    location.assign(link.href); // the plain page says what is wrong
    return;
  }
  const template = document.createElement("template");
  template.innerHTML = html;
  addCopyButtons(template.content);
  localizeTimes(template.content);
  const fromEnd = scroll.scrollHeight - scroll.scrollTop;
  const first = template.content.querySelector("[data-older-url]") ?? template.content.querySelector("[data-turn]");
  link.closest("[data-older]").replaceWith(template.content);
  scroll.scrollTop = scroll.scrollHeight - fromEnd;
  if (first?.matches("a")) first.focus({ preventScroll: true });
}
