// @ts-check
// Scrolling stays with the reader: it follows what is new only while at the end, and offers a pill otherwise.

const NEAR_PX = 64;

export class Follower {
  constructor(scroll, content, pill) {
    this.scroll = scroll;
    this.pill = pill;
    this.following = Boolean(content.querySelector("[data-turn]")); // an empty session is read from its top
    this.top = 0;
    scroll.addEventListener("scroll", () => this.look(), { passive: true });
    pill.addEventListener("click", () => this.toEnd());
    // Who chooses a lane or changes a message stays there, though the end may have moved away.
    content.addEventListener("placechosen", () => {
      this.following = this.atEnd;
    });
    const observer = new ResizeObserver(() => this.grew());
    observer.observe(content);
    observer.observe(scroll);
    if (this.following) this.toEnd();
  }

  /** Go to the end and stay there. */
  toEnd() {
    this.following = true;
    this.scroll.scrollTop = this.scroll.scrollHeight;
    this.pill.hidden = true;
  }

  /** Stay where the reader is led to. */
  leave() {
    this.following = false;
  }

  /** Say that there is something new, which a reader elsewhere may not see. */
  news() {
    if (!this.following) this.pill.hidden = false;
  }

  grew() {
    if (this.following) this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  // Only a reader scrolls up: a narrower window or a longer answer leaves the place where it is, or pushes it down.
  look() {
    const { scrollTop } = this.scroll;
    if (this.atEnd) this.following = true;
    else if (scrollTop < this.top) this.following = false;
    this.top = scrollTop;
    if (this.following) this.pill.hidden = true;
  }

  get atEnd() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroll;
    return scrollHeight - scrollTop - clientHeight < NEAR_PX;
  }
}
