// Turns that are asked elsewhere: other tabs of this browser tell of theirs at once, and whoever comes back to this one
// has it look for those of other devices.
import { ApiError, getJson } from "./api.js";

const MOST = 20;

export class Elsewhere {
  /** `isFree()` tells whether turns may come; `lastIndex()` up to which they are here; `onTurns(turns)` takes those after it, oldest first. */
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

  /** Tell other tabs that a turn was accepted. */
  tell() {
    this.channel.postMessage("accepted");
  }

  /** Look for newer turns, now or when there is somebody to see them and nothing else is under way. */
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

  /** What was under way has ended. */
  catchUp() {
    if (this.wanted) this.look();
  }

  async lookOnce() {
    try {
      const turns = await this.newer();
      if (turns.length && this.isFree()) await this.onTurns(turns);
      else if (turns.length) this.wanted = true; // by now something was sent from here, which may be refused
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      console.info("what is new could not be loaded; sending tells of it", error.message);
    }
  }

  async newer() {
    const known = this.lastIndex();
    const [newest] = await this.read(1);
    if (!newest || newest.index <= known) return [];
    if (newest.index === known + 1) return [newest];
    return (await this.read(MOST)).filter(({ index }) => index > known).reverse();
  }

  async read(limit) {
    const { results } = await getJson(`${this.path}?limit=${limit}`);
    return results;
  }
}
