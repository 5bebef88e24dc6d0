// Actions on a turn that has ended: edit, try again, regenerate, branch, show another version.
import { ApiError, getJson, newKey, postJson } from "./api.js";
import { keepDraft, keepFiles } from "./drafts.js";
import { keepChosen } from "./lane-tabs.js";
import { QuestionEditor } from "./question-editor.js";
import { loadTurn } from "./stored-turn.js";

export class TurnActions {
  /** `isFree()`: whether a turn may begin. `onAgain(turn, replaced)` shows a new version, `onRefused(error)` an error. */
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
    const hadFocus = document.activeElement === button;
    button.disabled = true;
    try {
      await this.perform(button.dataset, turn);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.onRefused(error);
    } finally {
      button.disabled = false;
      if (hadFocus && document.activeElement === document.body) button.focus();
    }
  }

  perform({ action, agents, alias }, turn) {
    if (action === "branch") return this.branch(Number(turn.dataset.index));
    if (action === "edit") return this.edit(turn);
    return this.again(action, { ...(agents && { agents: [agents] }), ...(alias && { model: alias }) }, turn);
  }

  /** Continue after a turn in a new session, with a draft of its next message and the files that it brings. */
  async branch(index, draft = "", files = []) {
    const session = await postJson(`sessions/${this.sessionId}/fork`, { after_turn: index });
    if (draft) keepDraft(session.id, draft);
    keepFiles(
      session.id,
      files.map((file) => ({ ...file, isDraft: false })),
    );
    location.assign(`/sessions/${session.id}`);
  }

  /** Edit a message: the newest in its place, an older one in a new session that ends before it. */
  async edit(turn) {
    const editor = turn.querySelector("[data-question-editor]");
    if (editor) {
      editor.querySelector("textarea").focus();
      return;
    }
    const { message, files } = await getJson(`turns/${turn.dataset.turn}`);
    if (!isNewest(turn)) return this.branch(indexBefore(turn), message, files);
    new QuestionEditor(turn, { message, files }, (text, kept) => {
      // Not named, they stay, deleted ones too.
      const body = { message: text, ...(kept.length < files.length && { files: kept.map(({ id }) => id) }) };
      // It may no longer be the newest.
      return isNewest(turn) ? this.again("rerun", body, turn) : this.branch(indexBefore(turn), text, kept);
    });
  }

  /** Request a new version of a turn, and show it in its place. */
  async again(action, body, turn) {
    if (this.asking || !this.isFree()) {
      throw new ApiError({ code: "turn_running", message: "Wait for the current turn to end." });
    }
    this.asking = true;
    try {
      const accepted = await this.post(`turns/${turn.dataset.turn}/${action}`, body);
      await this.onAgain(accepted, turn);
      const version = document.getElementById(`turn-${accepted.id}`);
      keepChosen(turn, version);
      focusQuestion(version);
    } finally {
      this.asking = false;
    }
  }

  /** Post once: the same request after a lost response gives the same version, not a second one. */
  async post(path, body) {
    const request = JSON.stringify([path, body]);
    if (this.unanswered?.request !== request) this.unanswered = { request, key: newKey() };
    try {
      const headers = { "Idempotency-Key": this.unanswered.key };
      const accepted = await postJson(path, { ...body, background: true }, headers);
      this.unanswered = null;
      return accepted;
    } catch (error) {
      if (!error.unreachable) this.unanswered = null;
      throw error;
    }
  }
}

function isNewest(turn) {
  return !turn.nextElementSibling;
}

/** Return the index of the previous turn, 0 for none. If it is not on the page, the link to older messages has it. */
function indexBefore(turn) {
  const { index, newestIndex } = turn.previousElementSibling?.dataset ?? {};
  return Number(index ?? newestIndex ?? 0);
}

/** Move the focus to the start of the new version, since the pressed button is gone. */
function focusQuestion(turn) {
  if (document.activeElement !== document.body) return;
  const question = turn.querySelector("[data-question]");
  question.tabIndex = -1;
  question.focus({ preventScroll: true });
}

/** ‹ and › show another version of a turn in its place. */
export function startVersions(transcript) {
  transcript.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-version-url]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { id } = link.closest("[data-turn]"); // now: a turn that ends gets a new footer, without this link
    try {
      const version = await loadTurn(link.dataset.versionUrl);
      const shown = document.getElementById(id); // a turn that has ended meanwhile may be another element
      if (!shown) return;
      shown.replaceWith(version);
      keepChosen(shown, version);
      version.querySelector("[data-version-url]")?.focus({ preventScroll: true });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      console.info("this version could not be loaded", error.message);
      location.assign(link.href); // the page itself shows the error
    }
  });
}
