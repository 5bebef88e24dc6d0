// Turns before those on the page come on top as the reader scrolls there, or asks; the reader's place stays where it was.
import { ApiError, getFragment } from "./api.js";
import { addCopyButtons } from "./code-blocks.js";
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
      (entries) => entries.some((entry) => entry.isIntersecting) && this.come(),
      {
        root: scroll,
        rootMargin: `${NEAR} 0px 0px`,
      },
    );
    transcript.addEventListener("click", (event) => {
      const link = event.target.closest(LINK);
      if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.come({ asked: true });
    });
    this.attend();
  }

  /** Watch for the reader to come near the link to what is older. */
  attend() {
    const link = this.transcript.querySelector(LINK);
    if (link) this.observer.observe(link);
  }

  async come({ asked = false } = {}) {
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
      if (asked) location.assign(link.href); // the plain page says what is wrong
    }
  }

  put(link, html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    addCopyButtons(template.content);
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
