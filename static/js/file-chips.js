// @ts-check
// Chips of files: below a message that is written, in the editor of one, and on a message that was sent. Their HTML is
// templates/partials/file_chip.html.
import { API } from "./api.js";

/** @typedef {{id: string, name: string, kind: string, bytes: number, tokens: number}} FileFacts */

/** Return a chip without a file. `isEditable`: it has buttons to remove the file and to try again. */
export function newChip({ isEditable = false } = {}) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById("file-chip-template"));
  const chip = /** @type {HTMLElement} */ (template.content.firstElementChild?.cloneNode(true));
  if (!isEditable) for (const control of chip.querySelectorAll("[data-file-control]")) control.remove();
  return chip;
}

/** Name a chip before its file is stored. */
export function nameChip(/** @type {HTMLElement} */ chip, /** @type {string} */ name) {
  const place = part(chip, "[data-file-name]");
  place.textContent = name;
  place.title = name;
  chip.querySelector("[data-file-remove]")?.setAttribute("aria-label", `Remove ${name}`);
  chip.querySelector("[data-file-retry]")?.setAttribute("aria-label", `Try ${name} again`);
}

/** Show a stored file on a chip, without its image. */
export function describeFile(/** @type {HTMLElement} */ chip, /** @type {FileFacts} */ file) {
  chip.dataset.file = file.id;
  chip.dataset.kind = file.kind;
  nameChip(chip, file.name);
  part(chip, "[data-file-facts]").textContent = factsText(file);
  /** @type {HTMLButtonElement} */ (part(chip, "[data-file-open]")).disabled = false;
}

/** Show a stored file on a chip. */
export function fillChip(/** @type {HTMLElement} */ chip, /** @type {FileFacts} */ file) {
  describeFile(chip, file);
  if (file.kind !== "image") return chip;
  const image = new Image();
  image.alt = "";
  image.decoding = "async";
  image.src = contentOf(file.id);
  part(chip, "[data-file-thumb]").replaceChildren(image);
  return chip;
}

/** Show the files of a message. */
export function showFiles(/** @type {HTMLElement} */ list, /** @type {FileFacts[]} */ files, options = {}) {
  list.replaceChildren(...files.map((file) => fillChip(newChip(options), file)));
  list.hidden = !files.length;
}

/** Return the field of a request that brings files, if there are any. */
export function withFiles(/** @type {string[]} */ ids) {
  return ids.length ? { files: ids } : {};
}

export function contentOf(/** @type {string} */ id) {
  return `${API}files/${id}/content`;
}

/** Return a size as the server writes it (sessions/pages/file_chips.py). */
export function sizeText(/** @type {number} */ bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${Math.round(bytes / 1024)} KB`;
  return `${(bytes / 1024 ** 2).toFixed(1)} MB`;
}

function factsText(/** @type {FileFacts} */ { bytes, tokens }) {
  return `${sizeText(bytes)} · ${tokens.toLocaleString("en")} token${tokens === 1 ? "" : "s"}`;
}

/** @returns {HTMLElement} */
function part(/** @type {HTMLElement} */ chip, /** @type {string} */ selector) {
  return /** @type {HTMLElement} */ (chip.querySelector(selector));
}
