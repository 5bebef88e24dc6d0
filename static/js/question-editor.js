// A message that was said, changed in its place. Its HTML is templates/partials/question_editor.html.
import { ApiError } from "./api.js";
import { mayDiscard } from "./discard.js";
import { keepDraft, readDraft } from "./drafts.js";
import { isOfInputMethod, isSendKey } from "./enter-key.js";
import { showFiles } from "./file-chips.js";
import { keepWhole } from "./limits.js";
import { Refusal } from "./refusal.js";

export class QuestionEditor {
  /** `onSave(text, files)` asks again; where it throws an ApiError this stays open and tells. */
  constructor(turn, { message, files }, onSave) {
    this.turn = turn;
    this.files = files;
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
    this.fileList = this.form.querySelector("[data-editor-files]");
    showFiles(this.fileList, files, { isEditable: true });
    this.shownFiles = turn.querySelector("[data-question-files]");
    this.shownFiles.hidden = true;
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
      const remove = event.target.closest("[data-file-remove]");
      if (remove) this.remove(remove.closest("[data-file]"));
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
      await this.onSave(this.box.value, this.files);
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
    const hasAll = this.files.length === this.shownFiles.children.length;
    if (this.saving || !mayDiscard(this.box, hasAll ? this.unchanged : null)) return;
    keepDraft(this.draft, "");
    this.refusal.clear();
    this.form.remove();
    this.shown.hidden = false;
    this.shownFiles.hidden = !this.shownFiles.children.length;
    this.turn.querySelector("[data-action=edit]").focus();
  }

  /** Take a file from the message. */
  remove(chip) {
    this.files = this.files.filter(({ id }) => id !== chip.dataset.file);
    const beside = chip.nextElementSibling ?? chip.previousElementSibling;
    chip.remove();
    this.fileList.hidden = !this.files.length;
    (beside?.querySelector("[data-file-remove]") ?? this.box).focus();
  }

  tag(key) {
    this.box.value = `@${key} ${this.box.value}`;
    keepDraft(this.draft, this.box.value);
    this.box.focus();
  }
}
