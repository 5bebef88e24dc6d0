// The summary panel: summarize now, refresh, edit, pin, copy. Its HTML is templates/partials/summary.html.
import { ApiError, getFragment, newKey, postJson } from "./api.js";
import { copyFrom } from "./clipboard.js";
import { Refusal } from "./refusal.js";
import { changeItem, editItem, editText } from "./summary-edit.js";
import { localizeTimes } from "./times.js";
import { TurnStream } from "./turn-stream.js";

export class SummaryPanel {
  /** `isFree()` returns whether a turn may begin; `onBegun()` and `onEnded(costUsd, usage)` are called when one does. */
  constructor(element, sessionId, { isFree, onBegun, onEnded }) {
    this.sessionId = sessionId;
    this.isFree = isFree;
    this.onBegun = onBegun;
    this.onEnded = onEnded;
    this.take(element);
  }

  take(element) {
    this.element = element;
    this.refusal = new Refusal(element.querySelector("[data-summary-refusal]"));
    element.addEventListener("click", (event) => this.click(event.target));
  }

  click(target) {
    const item = target.closest("[data-list]");
    if (target.closest("[data-summarize]")) this.summarize();
    else if (target.closest("[data-summary-copy]"))
      copyFrom(target, this.element.querySelector("[data-summary-markdown]").value);
    else if (target.closest("[data-edit-text]")) this.attempt(() => editText(this));
    else if (target.closest("[data-pin]"))
      this.attempt(() => changeItem(this, item, (old) => ({ ...old, pinned: !old.pinned })));
    else if (target.closest("[data-edit]")) this.attempt(() => editItem(this, item));
  }

  /** Take up a summary that was being made when the page was loaded. */
  resume() {
    const turnId = this.element.dataset.summarizing;
    if (turnId) this.watch(turnId);
  }

  async summarize() {
    if (!this.isFree()) {
      this.say("Wait for the current turn to end.");
      return;
    }
    this.refusal.clear();
    this.button.disabled = true;
    this.key ??= newKey(); // the same again after a lost answer
    try {
      const turn = await postJson(
        `sessions/${this.sessionId}/summaries`,
        { background: true },
        { "Idempotency-Key": this.key },
      );
      this.key = null;
      this.watch(turn.id);
    } catch (error) {
      if (!error.unreachable) this.key = null;
      this.button.disabled = false;
      this.refused(error);
    }
  }

  watch(turnId) {
    this.button.disabled = true;
    this.say("Summarizing…");
    this.onBegun();
    const stream = new TurnStream(turnId, {
      onEvent: (event) => {
        if (stream.done) this.ended(event.turn ?? event);
      },
      onConnection: (connected) => this.say(connected ? "Summarizing…" : "Connection lost. Reconnecting…"),
      onLost: (error, turn) => (turn ? this.ended(turn) : this.ended({}, error)),
    });
  }

  async ended({ status, usage }, error = null) {
    this.onEnded(usage?.cost_usd ?? null, usage);
    await this.refresh();
    this.button.disabled = false;
    if (error) this.refused(error);
    else this.say(status === "completed" ? "" : "The summary failed.");
  }

  /** Show the panel as the server has it. */
  async refresh() {
    const template = document.createElement("template");
    try {
      template.innerHTML = await getFragment(this.element.dataset.url);
    } catch (error) {
      this.refused(error);
      return;
    }
    localizeTimes(template.content);
    const fresh = template.content.querySelector("[data-summary-panel]");
    this.element.replaceWith(fresh);
    this.take(fresh);
  }

  async attempt(change) {
    this.refusal.clear();
    try {
      await change();
    } catch (error) {
      this.refused(error);
    }
  }

  refused(error) {
    if (!(error instanceof ApiError)) throw error;
    this.say("");
    this.refusal.show(error, []);
  }

  say(sentence) {
    this.element.querySelector("[data-summary-stage]").textContent = sentence;
  }

  get button() {
    return this.element.querySelector("[data-summarize]");
  }
}
