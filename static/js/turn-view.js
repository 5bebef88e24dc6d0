// A turn on the page while it runs: events in, lanes out. Its HTML is templates/partials/turn.html.
import { announce } from "./announce.js";
import { Lane } from "./lane.js";
import { picoOf, showMoney } from "./money.js";
import { showTime } from "./times.js";

// The modes in which the agents of a round answer at once; sessions/pages/transcript.py knows the same.
const SIDE_BY_SIDE = new Set(["manual", "orchestrator"]);
const STATUS_TEXT = { partial: "Not everybody answered", failed: "Nobody answered", cancelled: "Stopped" };
const ENDED = {
  completed: "The turn is complete.",
  partial: "The turn has ended. Not everybody answered.",
  failed: "The turn has failed. Nobody answered.",
  cancelled: "The turn was stopped.",
};

export class TurnView {
  /** `agents` are key -> {name, model}, for snapshots, which name the key alone. */
  constructor(element, agents) {
    this.element = element;
    this.agents = agents;
    this.lanes = new Map();
    this.begunAt = performance.now();
    this.stopping = false;
    this.timer = setInterval(() => this.tick(), 1000);
    this.tick();
  }

  /** Make the section of a turn that was just accepted. */
  static create(turn, agents) {
    const element = document.getElementById("turn-template").content.firstElementChild.cloneNode(true);
    Object.assign(element.dataset, { turn: turn.id, index: turn.index, mode: turn.mode, status: turn.status });
    element.querySelector("[data-question]").textContent = turn.message;
    showTime(element.querySelector("[data-time]"), new Date(turn.created_at));
    if (turn.unknown_tags.length) {
      const tags = turn.unknown_tags.map((tag) => `@${tag}`).join(", ");
      element.querySelector("[data-turn-note]").textContent = `Nobody here is called ${tags}.`;
    }
    return new TurnView(element, agents);
  }

  get id() {
    return this.element.dataset.turn;
  }

  /** Whether every lane shows what the server stored: rendered, with its cost. */
  get settled() {
    return [...this.lanes.values()].every((lane) => lane.state === "complete");
  }

  apply(event) {
    const lane = this.lanes.get(event.step_id);
    switch (event.type) {
      case "turn.started":
        this.element.dataset.mode = event.mode;
        break;
      case "turn.snapshot":
        this.replace(event.turn);
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
      default: // what a later server says is not ours to know
    }
    this.tick();
  }

  start(step) {
    if (this.lanes.has(step.step_id)) return this.lanes.get(step.step_id);
    const lane = new Lane(step);
    this.lanes.set(step.step_id, lane);
    this.rowFor(step).append(lane.element);
    announce(`${lane.name} is answering.`);
    return lane;
  }

  /** Return the row of lanes for a step: those that answer at once share one. */
  rowFor({ purpose, round }) {
    const rows = this.element.querySelector("[data-rows]");
    const beside = rows.lastElementChild?.lastElementChild;
    const together =
      SIDE_BY_SIDE.has(this.element.dataset.mode) && beside?.dataset.purpose === purpose && beside.dataset.round === String(round);
    if (together) return beside.parentElement;
    const row = document.createElement("div");
    row.className = "lanes";
    rows.append(row);
    return row;
  }

  /** Show a turn as it stands, in place of every lane. */
  replace(turn) {
    this.element.dataset.mode = turn.mode;
    this.element.querySelector("[data-rows]").replaceChildren();
    this.lanes.clear();
    const latest = new Map(turn.steps.map((step) => [step.step_id, step]));
    for (const step of latest.values()) {
      if (step.status === "interrupted" || !["reply", "synthesize"].includes(step.purpose)) continue;
      const agent = this.agents.get(step.agent_key);
      const lane = this.start({ agent_name: agent?.name, model: agent?.model, ...step });
      if (step.text) lane.stream(step.text);
      if (step.status === "failed" && step.error) lane.fail(step.error.message);
    }
  }

  /** Note that a stop was asked for; what runs will say when it has. */
  askedToStop() {
    this.stopping = true;
    this.tick();
  }

  end({ status, cost_usd: costUsd, error }) {
    clearInterval(this.timer);
    this.element.dataset.status = status;
    for (const lane of this.lanes.values()) if (lane.open) lane.stop();
    this.element.querySelector("[data-turn-stage]").hidden = true;
    this.element.querySelector("[data-turn-status]").textContent = STATUS_TEXT[status] ?? "";
    showMoney(this.element.querySelector("[data-turn-cost]"), picoOf(costUsd), "Turn ");
    if (!this.lanes.size && error) {
      const place = this.element.querySelector("[data-turn-error]");
      place.hidden = false;
      place.textContent = error.message;
    }
    announce(ENDED[status] ?? "The turn has ended.");
  }

  /** The page lets go of this turn: another view, or the server's own HTML, takes its place. */
  dispose() {
    clearInterval(this.timer);
  }

  tick() {
    for (const lane of this.lanes.values()) lane.tick();
    const stage = this.element.querySelector("[data-turn-stage]");
    const seconds = Math.floor((performance.now() - this.begunAt) / 1000);
    stage.hidden = this.lanes.size > 0 && !this.stopping;
    const waiting = seconds < 2 ? "Starting…" : `Waiting for a free runner · ${seconds} s`;
    stage.textContent = this.stopping ? "Stopping…" : waiting;
  }
}
