// @ts-check
// A file on the page: its image, or the text that agents read. Its HTML is templates/partials/file_viewer.html.
import { ApiError, getText } from "./api.js";
import { contentOf } from "./file-chips.js";
import { enterPanel, leavePanel } from "./panels.js";

class FileViewer {
  constructor(/** @type {HTMLDialogElement} */ dialog) {
    this.dialog = dialog;
    this.body = /** @type {HTMLElement} */ (dialog.querySelector("[data-viewer-body]"));
    this.shown = "";
    document.addEventListener("click", ({ target }) => {
      const opener = target instanceof Element && target.closest("[data-file-open]");
      const chip = opener && opener.closest("[data-file]");
      if (chip instanceof HTMLElement) this.open(chip);
    });
    dialog.querySelector("[data-viewer-close]")?.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", ({ target }) => target === dialog && dialog.close()); // beside its content
    dialog.addEventListener("keydown", (event) => event.stopPropagation()); // Escape closes this alone
    dialog.addEventListener("close", () => {
      this.shown = "";
      this.body.replaceChildren();
      leavePanel();
    });
    addEventListener("popstate", () => dialog.close());
  }

  open(/** @type {HTMLElement} */ chip) {
    const { file: id = "", kind } = chip.dataset;
    const text = (/** @type {string} */ selector) => chip.querySelector(selector)?.textContent?.trim() ?? "";
    const name = text("[data-file-name]");
    this.shown = id;
    this.set("[data-viewer-name]", name);
    this.set("[data-viewer-facts]", text("[data-file-facts]"));
    this.set("[data-viewer-note]", kind === "image" ? "" : "· the text that agents read");
    const link = /** @type {HTMLAnchorElement} */ (this.dialog.querySelector("[data-viewer-download]"));
    link.href = contentOf(id);
    link.download = name;
    this.dialog.showModal(); // the chip that opened it gets the focus back
    enterPanel();
    if (kind === "image") this.showImage(id, name);
    else void this.showText(id);
  }

  set(/** @type {string} */ selector, /** @type {string} */ text) {
    const place = this.dialog.querySelector(selector);
    if (place) place.textContent = text;
  }

  showImage(/** @type {string} */ id, /** @type {string} */ name) {
    const image = new Image();
    image.alt = name;
    image.addEventListener("error", () => this.show(id, note("This image could not be loaded.")));
    image.src = contentOf(id);
    this.show(id, image);
  }

  async showText(/** @type {string} */ id) {
    this.show(id, note("Loading…"));
    try {
      const place = document.createElement("pre");
      place.dir = "auto";
      place.textContent = await getText(`files/${id}/text`); // as text, whatever it contains
      this.show(id, place);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.show(id, note(error.message));
    }
  }

  show(/** @type {string} */ id, /** @type {Node} */ content) {
    if (id === this.shown) this.body.replaceChildren(content); // else it was closed, or shows another
  }
}

function note(/** @type {string} */ sentence) {
  const place = document.createElement("p");
  place.className = "file-viewer-message";
  place.textContent = sentence;
  return place;
}

const dialog = document.querySelector("[data-file-viewer]");
if (dialog instanceof HTMLDialogElement) new FileViewer(dialog);
