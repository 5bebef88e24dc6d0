// @ts-check
// What is pasted into a message: images and files are attached, a long text may become a file. Nothing is cut.
import { announce } from "./announce.js";
import { facts } from "./facts.js";

export class PastedFiles {
  /** `attachments` takes the files; `box` is where the message is written. */
  constructor(/** @type {HTMLElement} */ form, /** @type {HTMLTextAreaElement} */ box, attachments) {
    this.box = box;
    this.attachments = attachments;
    this.offer = /** @type {HTMLElement} */ (form.querySelector("[data-paste-offer]"));
    this.text = "";
    document.addEventListener("paste", (event) => this.paste(event));
    box.addEventListener("input", () => this.offer.hidden || this.look());
    this.offer.addEventListener("click", ({ target }) => {
      const button = /** @type {Element} */ (target).closest("button");
      if (!button) return;
      if ("pasteAttach" in button.dataset) this.attach();
      else this.withdraw();
      box.focus();
    });
  }

  paste(/** @type {ClipboardEvent} */ event) {
    const { target, clipboardData: data } = event;
    if (!data || document.querySelector("dialog[open]")) return;
    if (target !== this.box && target instanceof Element && target.closest("input, textarea")) return;
    if (data.files.length && !isFormattedText(data)) {
      event.preventDefault();
      this.attachments.add([...data.files].map(named));
      return;
    }
    const text = data.getData("text/plain").replace(/\r\n?/g, "\n"); // as a text box keeps it
    if (target === this.box && text.length > facts.files.longPaste) setTimeout(() => this.show(text));
  }

  show(/** @type {string} */ text) {
    this.text = text;
    this.look();
    if (!this.offer.hidden) announce("A long text was pasted. It can be attached as a file.");
  }

  /** The offer stands for as long as the text does. */
  look() {
    this.offer.hidden = !this.text || !this.box.value.includes(this.text);
  }

  withdraw() {
    this.text = "";
    this.offer.hidden = true;
  }

  /** Upload the text; it stays in the message until the file is stored, and comes back if that is removed. */
  attach() {
    const { text, box } = this;
    this.withdraw();
    const put = (/** @type {string} */ inserted, /** @type {number} */ from, /** @type {number} */ until) => {
      box.setRangeText(inserted, from, until, "end");
      box.dispatchEvent(new Event("input", { bubbles: true }));
    };
    let isTaken = false;
    this.attachments.add([new File([text], "Pasted text.txt", { type: "text/plain" })], {
      onStored: () => {
        const at = box.value.indexOf(text);
        if (at < 0) return;
        isTaken = true;
        put("", at, at + text.length);
      },
      onRemoved: () => isTaken && put(text, box.selectionStart, box.selectionEnd),
    });
  }
}

/** Word processors add a picture of the text that is copied; who copies an image has no plain text. */
function isFormattedText(/** @type {DataTransfer} */ data) {
  return Boolean(data.getData("text/plain")) && data.types.includes("text/html");
}

/** Browsers call every image that was copied "image.png". */
function named(/** @type {File} */ file) {
  return file.name === "image.png" ? new File([file], "Pasted image.png", { type: file.type }) : file;
}
