// One lane: an agent's answer as it comes. Its HTML is templates/partials/answer.html.
import { addCopyButtons } from "./code-blocks.js";
import { typesetFormulas } from "./formulas.js";
import { facts } from "./facts.js";
import { MarkdownStream } from "./markdown/stream.js";
import { morphChildren, withoutBreaks } from "./markdown/morph.js";
import { picoOf, showMoney } from "./money.js";
import { VisibleStream } from "./visible-text.js";

export class Lane {
  constructor({ step_id: stepId, purpose, agent_key: key, agent_name: name, model, round }) {
    this.stepId = stepId;
    this.purpose = purpose;
    this.name = name ?? facts.conclusion.name;
    this.startedAt = performance.now();
    this.visibleText = new VisibleStream();
    this.visibleThoughts = new VisibleStream();
    this.element = document.getElementById("lane-template").content.firstElementChild.cloneNode(true);
    const { element } = this;
    element.id = `message-${stepId}`;
    Object.assign(element.dataset, { step: stepId, agentKey: key ?? "", purpose, round });
    element.classList.remove("hue-");
    element.classList.add(`hue-${facts.hues[key] ?? 0}`);
    this.part("name").textContent = this.name;
    this.part("initial").textContent = this.name.slice(0, 1).toUpperCase();
    this.part("key").textContent = key ? `@${key}` : "";
    this.part("model").textContent = model ?? "";
    this.set("waiting");
    this.tick();
  }

  get state() {
    return this.element.dataset.state;
  }

  get open() {
    return ["waiting", "thinking", "answering"].includes(this.state);
  }

  /** Say how long the model has been silent. */
  tick() {
    if (this.state !== "waiting" && this.state !== "thinking") return;
    const seconds = Math.floor((performance.now() - this.startedAt) / 1000);
    const waiting = this.purpose === facts.conclusion.purpose ? "Writing the conclusion…" : `Waiting for ${this.name}…`;
    this.part("stage").textContent = `${this.state === "thinking" ? "Thinking…" : waiting} · ${seconds} s`;
  }

  append(kind, text) {
    if (!this.open) return;
    if (kind === "reasoning") {
      this.part("thoughts").hidden = false;
      this.part("thoughts-text").append(this.visibleThoughts.next(text));
      if (this.state === "waiting") this.set("thinking");
    } else if (kind === "text") {
      this.stream(text);
    }
  }

  stream(text) {
    if (!this.markdown) {
      this.set("answering");
      this.markdown = new MarkdownStream(this.part("text"));
    }
    this.markdown.append(this.visibleText.next(text));
  }

  /** Show the server's HTML, which is sanitized there. What was streamed as it is stays. */
  complete({ html, cost_usd: costUsd, cut_for: cutFor }) {
    this.set("complete");
    this.markdown?.leave();
    const template = document.createElement("template");
    template.innerHTML = html;
    withoutBreaks(template.content);
    addCopyButtons(template.content);
    typesetFormulas(template.content);
    morphChildren(this.part("text"), template.content);
    showMoney(this.part("cost"), picoOf(costUsd));
    this.noteCut(cutFor);
  }

  /** Say for whom the answer went on; sessions/pages/answers.py says the same. What it said comes with the stored turn. */
  noteCut(name) {
    if (!name) return;
    this.part("cut").hidden = false;
    this.part("cut").textContent = `Cut: it began to answer for ${name}.`;
  }

  /** The text so far is whole; its HTML comes with the stored turn. */
  close() {
    this.set("whole");
    this.markdown?.close();
  }

  fail(message) {
    this.set("failed");
    this.markdown?.close();
    this.fault(message);
  }

  /** Say what is kept; sessions/pages/answers.py says the same. What was billed comes with the stored turn. */
  stop() {
    this.set("cancelled");
    this.markdown?.close();
    this.fault(this.markdown ? "Stopped. The partial answer is kept and billed." : "Stopped.");
  }

  fault(sentence) {
    this.part("fault").hidden = false;
    this.part("fault").textContent = sentence;
  }

  set(state) {
    this.element.dataset.state = state;
    this.part("stage").hidden = state !== "waiting" && state !== "thinking";
    this.element.setAttribute("aria-busy", String(this.open));
    this.tick();
  }

  part(name) {
    return this.element.querySelector(`[data-${name}]`);
  }
}
