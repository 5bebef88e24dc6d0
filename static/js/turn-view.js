// A turn on the page while it runs: events in, lanes out. Its HTML is templates/partials/turn.html.
import { announce } from "./announce.js";
import { facts } from "./facts.js";
import { showFiles } from "./file-chips.js";
import { Lane } from "./lane.js";
import { picoOf, showMoney } from "./money.js";
import { foldQuestion } from "./question-fold.js";
import { noteSteps, roundOf, routingCard } from "./rounds.js";
import { showTime } from "./times.js";
import { stageOf } from "./turn-stage.js";

export class TurnView {
  /** `agents` are key -> {name, model}, for snapshots, which name the key alone. */
  constructor(element, agents) {
    this.element = element;
    this.agents = agents;
    this.lanes = new Map();
    this.roster = [...agents].map(([key, { name }]) => ({ key, name }));
    this.begun = false; // a worker has claimed the turn
    this.decided = false; // the manager has decided at least once
    this.quietSince = performance.now();
    this.stopping = false;
    this.timer = setInterval(() => this.tick(), 1000);
    this.tick();
  }

  /** Create the section of a turn that was just accepted. */
  static create(turn, agents) {
    const element = document.getElementById("turn-template").content.firstElementChild.cloneNode(true);
    element.id = `turn-${turn.id}`;
    Object.assign(element.dataset, { turn: turn.id, index: turn.index, status: turn.status });
    setMode(element, turn.mode);
    element.querySelector("[data-question]").textContent = turn.message;
    foldQuestion(element, turn.message);
    showFiles(element.querySelector("[data-question-files]"), turn.files);
    showTime(element.querySelector("[data-time]"), new Date(turn.created_at));
    if (turn.unknown_tags.length) {
      const tags = turn.unknown_tags.map((tag) => `@${tag}`).join(", ");
      element.querySelector("[data-turn-note]").textContent = `No agent in this room is called ${tags}.`;
    }
    return new TurnView(element, agents);
  }

  get id() {
    return this.element.dataset.turn;
  }

  /** Whether every lane shows its stored answer in the right place: rendered, with its cost. */
  get settled() {
    const kept = this.element.querySelectorAll("[data-step]").length - this.lanes.size;
    return this.lanes.size > 0 && !kept && [...this.lanes.values()].every((lane) => lane.state === "complete");
  }

  apply(event) {
    const lane = this.lanes.get(event.step_id);
    switch (event.type) {
      case "turn.started":
        this.begin(event);
        break;
      case "turn.snapshot":
        this.replace(event.turn);
        break;
      case "routing.decided":
        this.decide(event);
        break;
      case "step.started":
        this.start(event);
        break;
      case "step.delta":
        lane?.append(event.kind, event.text);
        break;
      case "step.completed":
        lane?.complete(event);
        if (lane) announce(`${lane.name} has answered.`);
        break;
      case "step.failed":
        lane?.fail(event.message);
        if (lane) announce(`${lane.name} has failed.`);
        break;
      default: // events of a newer server are ignored
    }
    if (event.type !== "step.delta") this.quietSince = performance.now();
    this.tick();
  }

  begin({ mode, roster }) {
    this.begun = true;
    setMode(this.element, mode);
    this.roster = roster;
  }

  /** Show a decision of the manager; one that was shown before is replaced. */
  decide(decision) {
    this.decided = true;
    const names = new Map(this.roster.map(({ key, name }) => [key, name]));
    const box = roundOf(this.element, decision.round);
    box.querySelector("[data-routing]")?.remove();
    box.prepend(routingCard(decision, (key) => names.get(key) ?? key));
    noteSteps(this.element);
  }

  start(step) {
    const former = this.lanes.get(step.step_id);
    if (former?.open) return former;
    const lane = new Lane(step);
    this.lanes.set(step.step_id, lane);
    // A failed step of a snapshot that is tried again, or one that was stored before its events were read.
    const shown = former?.element ?? this.element.querySelector(`[data-step="${CSS.escape(step.step_id)}"]`);
    if (shown) shown.replaceWith(lane.element);
    else this.rowFor(step).append(lane.element);
    noteSteps(this.element);
    announce(`${lane.name} is answering.`);
    return lane;
  }

  /** Return the row of lanes for a step: those that answer in parallel share one; the conclusion is below all. */
  rowFor({ purpose, round }) {
    if (purpose === facts.conclusion.purpose) return this.element.querySelector("[data-conclusion]");
    const { dataset } = this.element;
    const box = roundOf(this.element, "led" in dataset ? round : 1);
    const beside = box.lastElementChild;
    if ("sideBySide" in dataset && beside?.classList.contains("lanes")) return beside;
    const row = document.createElement("div");
    row.className = "lanes";
    box.append(row);
    return row;
  }

  /** Show a snapshot in place of all streamed lanes; answers kept from the previous version stay. */
  replace(turn) {
    this.begun = turn.status !== "queued";
    setMode(this.element, turn.mode);
    this.clearLanes();
    for (const decision of turn.routing) this.decide(decision);
    const latest = new Map(turn.steps.map((step) => [step.step_id, step]));
    for (const step of latest.values()) {
      if (step.status === "interrupted" || !facts.shownPurposes.includes(step.purpose)) continue;
      const agent = this.agents.get(step.agent_key);
      const lane = this.start({
        ...step,
        agent_name: step.agent_name ?? agent?.name,
        model: step.model ?? agent?.model,
      });
      if (step.text) lane.stream(step.text);
      if (step.status === "ok") lane.close();
      lane.noteCut(step.cut_for);
      if (step.status === "failed") lane.fail(step.error?.message ?? "");
    }
    noteSteps(this.element);
  }

  clearLanes() {
    for (const { element } of this.lanes.values()) {
      const row = element.parentElement;
      element.remove();
      if (!row.querySelector("[data-step]") && !row.matches("[data-conclusion]")) row.remove();
    }
    this.lanes.clear();
  }

  /** Show that a stop was requested; events tell when the turn has ended. */
  showStopping() {
    this.stopping = true;
    this.tick();
  }

  end({ status, cost_usd: costUsd, error, usage }) {
    clearInterval(this.timer);
    const note = facts.statusNotes[status];
    this.element.dataset.status = status;
    for (const lane of this.lanes.values()) if (lane.open) lane.stop();
    this.element.querySelector("[data-turn-stage]").hidden = true;
    this.element.querySelector("[data-turn-status]").textContent = note ?? "";
    showMoney(this.element.querySelector("[data-turn-cost]"), picoOf(costUsd), "Turn ");
    this.element.querySelector("[data-turn-unpriced]").hidden = !usage.unpriced_calls || picoOf(costUsd) === null;
    if (!this.lanes.size && error) {
      const place = this.element.querySelector("[data-turn-error]");
      place.hidden = false;
      place.textContent = error.message;
    }
    announce(note ? `The turn has ended: ${note}.` : "The turn is complete.");
  }

  /** Stop updating: another view or the server's HTML replaces this turn. */
  dispose() {
    clearInterval(this.timer);
  }

  tick() {
    for (const lane of this.lanes.values()) lane.tick();
    const stage = this.element.querySelector("[data-turn-stage]");
    stage.textContent = stageOf(this);
    stage.hidden = !stage.textContent;
  }
}

/** Mark a turn with its mode and the mode's flags. */
function setMode(turn, mode) {
  const { sideBySide, led } = facts.modes[mode];
  turn.dataset.mode = mode;
  turn.toggleAttribute("data-side-by-side", sideBySide);
  turn.toggleAttribute("data-led", led);
}
