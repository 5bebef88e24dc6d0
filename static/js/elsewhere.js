// @ts-check
// Turns that were sent elsewhere: other tabs of this browser announce theirs at once; for those of other devices this
// page looks when it is shown again.
import { ApiError, getJson } from "./api.js";

const MOST = 20;

export class Elsewhere {
  /** `isFree()`: whether turns can be shown now. `lastIndex()`: the newest on this page. `onTurns(turns)`: those after it, oldest first. */
  constructor(sessionId, { isFree, lastIndex, onTurns }) {
    this.path = `sessions/${sessionId}/turns`;
    this.isFree = isFree;
    this.lastIndex = lastIndex;
    this.onTurns = onTurns;
    this.wanted = false;
    this.looking = false;
    this.channel = new BroadcastChannel(`pantheon-session:${sessionId}`);
    this.channel.addEventListener("message", () => this.look());
    document.addEventListener("visibilitychange", () => this.look());
    addEventListener("focus", () => this.look());
    addEventListener("pageshow", (event) => event.persisted && this.look());
  }

  /** Notify other tabs that a turn was accepted. */
  notify() {
    this.channel.postMessage("accepted");
  }

  /** Look for newer turns, now or once the page is visible and nothing else is running. */
  async look() {
    this.wanted = true;
    if (this.looking) return;
    this.looking = true;
    try {
      while (this.wanted && this.isFree() && !document.hidden) {
        this.wanted = false;
        await this.lookOnce();
      }
    } finally {
      this.looking = false;
    }
  }

  /** Look again after something else has ended, if that was wanted meanwhile. */
  catchUp() {
    if (this.wanted) this.look();
  }

  async lookOnce() {
    try {
      const turns = await this.newer();
      if (turns.length && this.isFree()) await this.onTurns(turns);
      else if (turns.length) this.wanted = true; // a message was sent from here meanwhile, and may be refused
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      console.info("newer turns could not be loaded; sending will show a conflict", error.message);
    }
  }

  async newer() {
    const last = this.lastIndex();
    const [newest] = await this.read(1);
    if (!newest || newest.index <= last) return [];
    if (newest.index === last + 1) return [newest];
    return (await this.read(MOST)).filter(({ index }) => index > last).reverse();
  }

  async read(limit) {
    const { results } = await getJson(`${this.path}?limit=${limit}`);
    return results;
  }
}
