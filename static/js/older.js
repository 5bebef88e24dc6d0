// @ts-check
// Older turns are loaded on top when the reader scrolls near them or clicks; the reader's place stays.
import { ApiError, getFragment } from "./api.js";
import { addCopyButtons } from "./code-blocks.js";
import { typesetFormulas } from "./formulas.js";
import { localizeTimes } from "./times.js";

const NEAR = "600px";
const LINK = "[data-older] > [data-older-url]";

export function startOlder(transcript, scroll) {
  new OlderTurns(transcript, scroll);
}

class OlderTurns {
  constructor(transcript, scroll) {
    this.transcript = transcript;
    this.scroll = scroll;
    this.observer = new IntersectionObserver(
      (entries) => entries.some((entry) => entry.isIntersecting) && this.load(),
      {
        root: scroll,
        rootMargin: `${NEAR} 0px 0px`,
      },
    );
    transcript.addEventListener("click", (event) => {
      const link = event.target.closest(LINK);
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.load({ clicked: true });
    });
    this.attend();
  }

  /** Watch for the reader to come near the link to older turns. */
  attend() {
    const link = this.transcript.querySelector(LINK);
    if (link) this.observer.observe(link);
  }

  async load({ clicked = false } = {}) {
    const link = this.transcript.querySelector(LINK);
    if (!link || link.hasAttribute("aria-busy")) return;
    link.setAttribute("aria-busy", "true");
    link.textContent = "Loading…";
    try {
      this.put(link, await getFragment(link.dataset.olderUrl));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      console.info("older messages could not be loaded", error.message);
      link.removeAttribute("aria-busy");
      link.textContent = "Older messages";
      if (clicked) location.assign(link.href); // the page itself shows the error
    }
  }

  put(link, html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    addCopyButtons(template.content);
    typesetFormulas(template.content);
    localizeTimes(template.content);
    const focused = link === document.activeElement;
    const read = this.transcript.querySelector("[data-turn]");
    const place = read.getBoundingClientRect().top;
    this.observer.unobserve(link);
    link.closest("[data-older]").replaceWith(template.content);
    this.scroll.scrollTop += read.getBoundingClientRect().top - place;
    if (focused) this.transcript.querySelector(LINK)?.focus({ preventScroll: true });
    this.attend();
  }
}
