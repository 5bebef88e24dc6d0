// The conversation: sends messages, shows what streams in and what it costs. Each behaviour is a module of its own.
import { announce } from "./announce.js";
import { startCopying } from "./answer-copy.js";
import { ApiError, getJson, newKey, postJson } from "./api.js";
import { audienceOf } from "./audience.js";
import { addCopyButtons } from "./code-blocks.js";
import { startCompare } from "./compare.js";
import { Composer } from "./composer.js";
import { startConversationKeys } from "./conversation-keys.js";
import { startDropZone } from "./drop-zone.js";
import { Elsewhere } from "./elsewhere.js";
import { Estimate } from "./estimate.js";
import { startExamples } from "./examples.js";
import { facts } from "./facts.js";
import { withFiles } from "./file-chips.js";
import { Follower } from "./follow.js";
import { startFormulaCopies } from "./formula-copy.js";
import { typesetFormulas } from "./formulas.js";
import { startJumps } from "./jumps.js";
import { startLaneTabs } from "./lane-tabs.js";
import { picoOf, showMoney } from "./money.js";
import { startOlder } from "./older.js";
import { Refusal } from "./refusal.js";
import { graft, loadTurn, swap } from "./stored-turn.js";
import { startRetryMenus } from "./retry-menu.js";
import { SummaryPanel } from "./summary.js";
import { startVersions, TurnActions } from "./turn-actions.js";
import { TagList } from "./tags.js";
import { markTitle, shareTitle } from "./titles.js";
import { TurnStream } from "./turn-stream.js";
import { TurnView } from "./turn-view.js";

const transcript = document.querySelector("[data-transcript]");
const scroll = document.querySelector("[data-scroll]");
const composerForm = document.querySelector("[data-composer]");
const FINAL = facts.finalStatuses.map((status) => `[data-status="${status}"]`).join();
const RUNNING = `[data-turn]:not(${FINAL})`;

class Conversation {
  constructor() {
    this.sessionId = transcript.dataset.session;
    this.lastIndex = Number(transcript.dataset.lastIndex);
    this.agents = new Map(
      [...document.querySelectorAll("[data-agent]")].map(({ dataset }) => [
        dataset.agent,
        { name: dataset.agentName, model: dataset.agentModel },
      ]),
    );
    this.follower = new Follower(scroll, transcript, document.querySelector("[data-follow]"));
    this.refusal = new Refusal(composerForm.querySelector("[data-refusal]"));
    this.connection = composerForm.querySelector("[data-connection]");
    // Before the composer, whose Enter sends. An agent that is alone needs no tag.
    const tagList = "mode" in composerForm.dataset ? new TagList(composerForm, this.taggable()) : null;
    this.composer = new Composer(composerForm, this.sessionId, {
      onSend: (text, files) => this.send(text, files),
      onStop: () => this.stop(),
    });
    this.audience = audienceOf(composerForm, [...this.agents.keys()], this.sessionId);
    const { attachments } = this.composer;
    this.estimate = new Estimate(composerForm, this.sessionId, [...this.agents.keys()], this.audience, attachments);
    startDropZone(document.querySelector("main"), {
      onFiles: (files) => this.composer.attach(files),
      onRefused: (sentence) => attachments.say(sentence),
    });
    this.summary = new SummaryPanel(document.querySelector("[data-summary-panel]"), this.sessionId, {
      isFree: () => this.composer.state === "ready",
      onBegun: () => this.composer.set("sending"),
      onEnded: (costUsd, usage) => this.summarized(costUsd, usage),
    });
    this.elsewhere = new Elsewhere(this.sessionId, {
      isFree: () => this.composer.state === "ready" && !transcript.querySelector("[data-question-editor]"),
      lastIndex: () => this.lastIndex,
      onTurns: (turns) => this.join(turns),
    });
    new TurnActions(transcript, {
      isFree: () => this.composer.state === "ready",
      onAgain: (turn, replaced) => this.again(turn, replaced),
      onRefused: (error) => this.refusal.show(error, [...this.agents.keys()]),
    });
    this.composer.box.addEventListener("input", () => this.clearHeeded());
    document.addEventListener("council-order", ({ detail: keys }) => {
      tagList?.reorder(keys);
      this.composer.reorder(keys);
    });
    startConversationKeys({
      box: this.composer.box,
      stopButton: this.composer.stopButton,
      transcript,
      isRunning: () => this.composer.state === "running",
      canEdit: () => this.composer.state === "ready",
      onStop: () => this.stop(),
    });
    startExamples(transcript, this.composer);
    this.resume();
    this.composer.welcome();
  }

  /** Return the agents that can be mentioned in this room. */
  taggable() {
    const agents = [...this.agents].map(([key, { name }]) => ({ key, name }));
    return agents.length > 1 ? [...agents, facts.everybody] : agents;
  }

  /** Clear the refusal of a message without recipients once it has some, or is empty. */
  clearHeeded() {
    const heeded = this.audience.tagged().length > 0 || !this.composer.text.trim();
    if (this.refusal.code === "no_valid_tagged_agents" && heeded) this.refusal.clear();
  }

  /** Follow the turn that was running when the page was loaded. */
  resume() {
    const running = transcript.querySelector(RUNNING);
    if (running) this.watch(new TurnView(running, this.agents));
    else this.summary.resume();
  }

  /** Show a new version, just accepted, in place of the turn that it replaces. */
  async again(turn, replaced) {
    this.refusal.clear();
    this.composer.set("sending");
    this.audience.follow(turn.message);
    let element = null;
    try {
      element = await loadTurn(this.urlOf(turn.id)); // with the kept answers and the link to the previous version
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      console.info("the new version could not be loaded; it is shown without what it keeps", error.message);
    }
    const view = element ? new TurnView(element, this.agents) : TurnView.create(turn, this.agents);
    replaced.replaceWith(view.element);
    this.follower.toEnd();
    this.watch(view);
    this.elsewhere.notify();
  }

  /** Show turns of the API that were sent elsewhere, oldest first, and follow the one that runs. */
  async join(turns) {
    if (turns[0].index > this.lastIndex + 1) return location.reload(); // more than one page of the API
    const shown = turns.filter(({ id }) => !turns.some(({ replaces }) => replaces === id));
    const elements = await Promise.all(shown.map(({ id }) => loadTurn(this.urlOf(id))));
    const newest = turns.at(-1);
    const endedMeanwhile = !newest.completed_at && !elements.at(-1).matches(RUNNING);
    if (this.composer.state !== "ready" || endedMeanwhile) return this.elsewhere.look();
    this.refusal.clear();
    transcript.querySelector("[data-empty]")?.remove();
    announce("More was said in another tab or on another device.");
    shown.forEach((turn, place) => {
      const version = shownVersion(turn, turns);
      if (version) swap(version, elements[place]);
      else transcript.append(elements[place]);
    });
    for (const { usage, completed_at: ended } of turns) if (ended) this.addToTotal(usage.cost_usd, usage);
    this.lastIndex = newest.index;
    if (!this.composer.text.trim()) this.audience.follow(newest.message); // a draft keeps its recipients
    if (!newest.completed_at) this.watch(new TurnView(elements.at(-1), this.agents));
    this.follower.news();
    if (turns[0].index === 1) this.readTitle();
  }

  /** A summary on demand has ended. */
  summarized(costUsd, usage) {
    this.composer.set("ready");
    if (usage) this.addToTotal(costUsd, usage);
    this.elsewhere.catchUp();
  }

  async send(text, files) {
    this.refusal.clear();
    this.composer.set("sending");
    const asked = { ...this.audience.request(text), ...withFiles(files) };
    const body = { ...asked, background: true, index: this.lastIndex + 1 };
    // The same message sent again after a lost response is the same turn, not a second one.
    const request = JSON.stringify(body);
    if (this.unanswered?.request !== request) this.unanswered = { request, key: newKey() };
    let turn;
    try {
      turn = await postJson(`sessions/${this.sessionId}/turns`, body, { "Idempotency-Key": this.unanswered.key });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (!error.unreachable) this.unanswered = null;
      this.composer.set("ready");
      this.refusal.show(error, [...this.agents.keys()]);
      this.elsewhere.catchUp();
      return;
    }
    this.unanswered = null;
    this.composer.accepted(text, files);
    this.audience.accepted();
    this.audience.follow(body.message);
    this.estimate.look();
    transcript.querySelector("[data-empty]")?.remove();
    const view = TurnView.create(turn, this.agents);
    transcript.append(view.element);
    this.follower.toEnd();
    this.watch(view);
    this.elsewhere.notify();
    if (turn.index === 1) this.readTitle();
  }

  watch(view) {
    this.view = view;
    this.lastIndex = Math.max(this.lastIndex, Number(view.element.dataset.index));
    this.composer.set("running");
    this.stream = new TurnStream(view.id, {
      onEvent: (event) => this.receive(event),
      onConnection: (connected) => this.showConnection(connected),
      onLost: (error, turn) => this.lost(error, turn),
    });
  }

  receive(event) {
    this.view.apply(event);
    if (event.type === "turn.snapshot" && this.stream?.done) this.ended(event.turn.usage.cost_usd, event.turn);
    else if (event.type === `turn.${event.status}`) this.ended(event.cost_usd, event);
    this.follower.news();
  }

  async ended(costUsd, { status, error, usage }) {
    const { view } = this;
    view.end({ status, cost_usd: costUsd, error, usage });
    this.addToTotal(costUsd, usage);
    this.showConnection(true);
    this.composer.set("ready");
    this.markTitle(status);
    if (Number(view.element.dataset.index) === 1) this.readTitle();
    document.dispatchEvent(new CustomEvent("turn-ended"));
    await this.showStored(view);
    this.elsewhere.catchUp();
  }

  /** The events are unavailable: the turn has ended, or access to it. */
  async lost(error, turn) {
    this.composer.set("ready");
    this.showConnection(true);
    if (error) {
      this.view.dispose();
      this.refusal.show(error, [...this.agents.keys()]);
      return;
    }
    await this.ended(turn.usage.cost_usd, turn);
  }

  /** Show the stored turn. If text was cut off or came as a snapshot, swap all of it. */
  async showStored(view) {
    let stored;
    try {
      stored = await loadTurn(this.urlOf(view.id));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      console.info("the stored turn could not be loaded; what was streamed stays", error.message);
      return;
    }
    if (view.settled) graft(view.element, stored);
    else swap(view.element, stored);
    if ("summarized" in stored.dataset) this.summary.refresh();
  }

  urlOf(turnId) {
    return `/sessions/${this.sessionId}/turns/${turnId}`;
  }

  async stop() {
    this.composer.set("stopping");
    this.view.showStopping();
    try {
      await postJson(`turns/${this.view.id}/cancel`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === "turn_final" || this.composer.state !== "stopping") return; // it ended by itself
      this.view.stopping = false;
      this.composer.set("running");
      this.refusal.show(error, [...this.agents.keys()]);
    }
  }

  addToTotal(costUsd, usage) {
    const total = document.querySelector("[data-total]");
    const [before, cost] = [picoOf(total.dataset.totalUsd), picoOf(costUsd)];
    const sum = before === null ? cost : before + (cost ?? 0n);
    const unpriced = document.querySelector("[data-total-unpriced]");
    if (usage.unpriced_calls && sum !== null) unpriced.hidden = false;
    showMoney(total, sum);
    total.dataset.totalUsd = total.title.replace(" USD", "");
  }

  showConnection(connected) {
    clearTimeout(this.connectionTimer);
    if (connected) {
      this.connection.textContent = "";
      return;
    }
    // Short interruptions are not worth a message.
    this.connectionTimer = setTimeout(() => {
      this.connection.textContent = "Connection lost. Reconnecting…";
    }, 1500);
  }

  /** Mark the title of a hidden tab when its turn has ended. */
  markTitle(status) {
    if (document.hidden) markTitle(status === "failed" ? "✕" : "●");
  }

  /** Read the title that the first message gave the session, or a model. */
  async readTitle() {
    let session;
    try {
      session = await getJson(`sessions/${this.sessionId}`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      console.info("the title could not be read; the next page has it", error.message);
      return;
    }
    shareTitle(session);
  }
}

/** Return the version on the page that a turn replaces, null for a new message. */
function shownVersion({ replaces }, turns) {
  if (!replaces) return null;
  return (
    document.getElementById(`turn-${replaces}`) ?? shownVersion(turns.find(({ id }) => id === replaces) ?? {}, turns)
  );
}

addCopyButtons(transcript);
typesetFormulas(transcript);
startFormulaCopies();
startOlder(transcript, scroll);
startVersions(transcript);
startCopying(transcript);
startLaneTabs(transcript);
startRetryMenus(transcript, scroll);
startCompare(transcript);
const conversation = composerForm ? new Conversation() : null;
startJumps(transcript, () => conversation?.follower.leave());
