// What can be done with a turn that has ended: try again, regenerate, branch, look at another version.
import { ApiError, newKey, postJson } from "./api.js";
import { loadTurn } from "./stored-turn.js";

export class TurnActions {
  /** `isFree()` tells whether a turn may begin; `onAgain(turn, replaced)` takes up a new version, `onRefused(error)` tells. */
  constructor(transcript, { isFree, onAgain, onRefused }) {
    this.sessionId = transcript.dataset.session;
    this.isFree = isFree;
    this.onAgain = onAgain;
    this.onRefused = onRefused;
    transcript.addEventListener("click", (event) => {
      const button = event.target.closest("[data-action]");
      if (button) this.act(button, button.closest("[data-turn]"));
    });
  }

  async act(button, turn) {
    const { action, agents } = button.dataset;
    if (action !== "branch" && !this.isFree()) return;
    button.disabled = true;
    try {
      if (action === "branch") await this.branch(turn);
      else await this.again(action, agents ? { agents: [agents] } : {}, turn);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.onRefused(error);
    } finally {
      button.disabled = false;
    }
  }

  async branch(turn) {
    const session = await postJson(`sessions/${this.sessionId}/fork`, { after_turn: Number(turn.dataset.index) });
    location.assign(`/sessions/${session.id}`);
  }

  async again(action, body, turn) {
    const path = `turns/${turn.dataset.turn}/${action}`;
    // The same again after a lost answer is the same new version, not a second one.
    const asked = JSON.stringify([path, body]);
    if (this.unanswered?.asked !== asked) this.unanswered = { asked, key: newKey() };
    try {
      const headers = { "Idempotency-Key": this.unanswered.key };
      const accepted = await postJson(path, { ...body, background: true }, headers);
      this.unanswered = null;
      await this.onAgain(accepted, turn);
    } catch (error) {
      if (!error.unreachable) this.unanswered = null;
      throw error;
    }
  }
}

/** ‹ and › show another version of a turn in its place. */
export function startVersions(transcript) {
  transcript.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-version-url]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    try {
      const version = await loadTurn(link.dataset.versionUrl);
      link.closest("[data-turn]").replaceWith(version);
      version.querySelector("[data-version-url]")?.focus({ preventScroll: true });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      console.info("this version could not be loaded", error.message);
      location.assign(link.href); // the plain page says what is wrong
    }
  });
}
