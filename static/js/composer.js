// @ts-check
// Where the next message is written: Enter sends, the draft is kept, chips insert tags, Send becomes Stop.
import { Attachments } from "./attachments.js";
import { keepDraft, readDraft } from "./drafts.js";
import { isSendKey } from "./enter-key.js";
import { facts } from "./facts.js";
import { keepWhole } from "./limits.js";
import { PastedFiles } from "./paste-files.js";

const FINE_POINTER = "(hover: hover) and (pointer: fine)";

export class Composer {
  /** `onSend(text, files)` and `onStop()` do the work; `files` are ids. */
  constructor(form, sessionId, { onSend, onStop }) {
    this.form = form;
    this.sessionId = sessionId;
    this.box = form.querySelector("[data-message]");
    this.sendButton = form.querySelector("[data-send]");
    this.stopButton = form.querySelector("[data-stop]");
    this.busy = form.querySelector("[data-busy]");
    this.attachments = new Attachments(form, sessionId);
    this.isWaiting = false; // for files, and then sends
    this.onSend = onSend;
    this.onStop = onStop;
    this.set("ready");
    this.box.value = readDraft(sessionId) || this.box.value;
    keepWhole(this.box);
    this.listen();
    new PastedFiles(form, this.box, this.attachments);
    this.resize();
  }

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.box.addEventListener("keydown", (event) => {
      if (!isSendKey(event)) return;
      event.preventDefault();
      this.send();
    });
    this.box.addEventListener("input", ({ isTrusted }) => {
      keepDraft(this.sessionId, this.box.value);
      this.resize();
      if (isTrusted) this.say(""); // who writes on does not wait
    });
    this.form.addEventListener("attachments", () => this.filesChanged());
    const picker = this.form.querySelector("[data-file-picker]");
    this.form.querySelector("[data-attach]").addEventListener("click", () => picker.click());
    picker.addEventListener("change", () => {
      this.attach(picker.files);
      picker.value = ""; // so that the same file can be chosen again
    });
    this.form.addEventListener("click", (event) => {
      const chip = event.target.closest("[data-tag]");
      if (chip) this.insert(`@${chip.dataset.tag} `);
    });
    this.stopButton.addEventListener("click", () => this.onStop());
  }

  get text() {
    return this.box.value;
  }

  attach(files) {
    this.attachments.add(files);
    this.box.focus({ preventScroll: true });
  }

  send() {
    const { attachments } = this;
    if (!this.text.trim()) {
      if (attachments.count) this.say("Write what the agents should do with the files.");
    } else if (!this.box.reportValidity() || this.state === "sending") return;
    else if (this.state !== "ready") this.say("Wait for the current answer or stop it first.");
    else if (attachments.hasFailed) this.say("A file could not be attached: remove it, or try again.");
    else if (attachments.waiting) this.wait();
    else this.onSend(this.text, attachments.ids);
  }

  /** Send once the files are attached. */
  wait() {
    const { waiting } = this.attachments;
    this.say(`Sends as soon as ${waiting === 1 ? "the file is" : `${waiting} files are`} attached.`);
    this.isWaiting = true;
  }

  filesChanged() {
    if (this.isWaiting) this.send();
    else if (!this.attachments.hasFailed) this.say("");
  }

  say(sentence) {
    this.isWaiting = false;
    this.busy.textContent = sentence;
  }

  /** Put text where the cursor is, set apart from the word before it. */
  insert(text) {
    const { selectionStart: start, selectionEnd: end, value } = this.box;
    const gap = start > 0 && !/\s$/.test(value.slice(0, start)) ? " " : "";
    this.box.setRangeText(gap + text, start, end, "end");
    this.box.dispatchEvent(new Event("input", { bubbles: true }));
    this.box.focus();
  }

  /** Put the chips in the order of these keys, and everybody's last. */
  reorder(keys) {
    for (const key of [...keys, facts.everybody.key]) {
      const chip = this.form.querySelector(`[data-tag="${key}"]`);
      chip?.parentElement.append(chip);
    }
  }

  /** Let who opens a session write at once: not with a finger, for which a keyboard would cover it, nor who is elsewhere. */
  welcome() {
    if (location.hash || document.activeElement !== document.body || !matchMedia(FINE_POINTER).matches) return;
    this.box.focus({ preventScroll: true });
    this.box.setSelectionRange(this.text.length, this.text.length);
  }

  /** The message was accepted: forget the draft, unless something else has been written since. */
  accepted(text, files) {
    if (this.text === text) this.box.value = "";
    keepDraft(this.sessionId, this.text);
    this.attachments.accepted(files);
    this.resize();
  }

  /** `ready`, `sending`, `running` or `stopping`. Writing is possible in each of them. */
  set(state) {
    const hadFocus = this.form.contains(document.activeElement);
    this.state = state;
    this.say("");
    const running = state === "running" || state === "stopping";
    this.sendButton.hidden = running;
    this.sendButton.disabled = state === "sending";
    this.stopButton.hidden = !running;
    this.stopButton.disabled = state === "stopping";
    this.stopButton.querySelector("[data-stop-text]").textContent = state === "stopping" ? "Stopping" : "Stop";
    if (hadFocus && document.activeElement === document.body) this.box.focus();
  }

  // Browsers without field-sizing: content.
  resize() {
    if (CSS.supports("field-sizing", "content")) return;
    this.box.style.height = "auto";
    this.box.style.height = `${this.box.scrollHeight}px`;
  }
}
