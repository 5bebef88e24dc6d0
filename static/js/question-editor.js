// A message that was said, changed in its place. Its HTML is templates/partials/question_editor.html.
import { ApiError } from "./api.js";
import { mayDiscard } from "./discard.js";
import { keepDraft, readDraft } from "./drafts.js";
import { isOfInputMethod, isSendKey } from "./enter-key.js";
import { keepWhole } from "./limits.js";
import { Refusal } from "./refusal.js";

export class QuestionEditor {
  /** `onSave(text)` asks again; where it throws an ApiError this stays open and tells. */
  constructor(turn, message, onSave) {
    this.turn = turn;
    this.onSave = onSave;
    this.saving = false;
    this.shown = turn.querySelector("[data-question]");
    this.form = document.getElementById("question-editor-template").content.firstElementChild.cloneNode(true);
    this.box = this.form.querySelector("textarea");
    this.box.value = message;
    this.unchanged = this.box.value; // with the line ends of a text box
    this.box.value = readDraft(this.draft) || message;
    keepWhole(this.box);
    this.refusal = new Refusal(this.form.querySelector("[data-refusal]"));
    this.listen();
    this.shown.hidden = true;
    this.shown.after(this.form);
    turn.dispatchEvent(new Event("placechosen", { bubbles: true }));
    this.box.focus();
  }

  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.save();
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !isOfInputMethod(event)) this.cancel();
    });
    this.box.addEventListener("keydown", (event) => {
      if (!isSendKey(event)) return;
      event.preventDefault();
      this.save();
    });
    this.form.addEventListener("click", (event) => {
      if (event.target.closest("[data-cancel]")) this.cancel();
      const chip = event.target.closest("[data-tag]");
      if (chip) this.tag(chip.dataset.tag);
    });
    this.box.addEventListener("input", () => keepDraft(this.draft, this.box.value));
  }

  /** What was typed survives a reload, which a refusal may ask for. */
  get draft() {
    return `edit:${this.turn.dataset.turn}`;
  }

  async save() {
    if (this.saving || !this.box.reportValidity()) return;
    this.set(true);
    this.refusal.clear();
    try {
      await this.onSave(this.box.value);
      keepDraft(this.draft, "");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.refusal.show(error, []);
      this.form.scrollIntoView({ block: "nearest" });
    } finally {
      this.set(false);
    }
  }

  // Neither is disabled, which would take the focus away.
  set(saving) {
    this.saving = saving;
    this.box.readOnly = saving;
    this.form.setAttribute("aria-busy", String(saving));
  }

  cancel() {
    if (this.saving || !mayDiscard(this.box, this.unchanged)) return;
    keepDraft(this.draft, "");
    this.refusal.clear();
    this.form.remove();
    this.shown.hidden = false;
    this.turn.querySelector("[data-action=edit]").focus();
  }

  tag(key) {
    this.box.value = `@${key} ${this.box.value}`;
    keepDraft(this.draft, this.box.value);
    this.box.focus();
  }
}
