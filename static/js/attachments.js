// @ts-check
// The files of the next message: uploaded at once, two at a time, kept with the draft.
import { announce } from "./announce.js";
import { ApiError, deletePath, getJson } from "./api.js";
import { keepFiles, readFiles } from "./drafts.js";
import { facts } from "./facts.js";
import { describeFile, fillChip, nameChip, newChip, sizeText } from "./file-chips.js";
import { Upload } from "./upload.js";

const AT_ONCE = 2; // as many as the server reads at once
const LISTED = 100;

/**
 * `source`: what is uploaded, unless it comes from the draft. `stored`: the file as the API describes it. `isDraft`: no
 * message has brought it yet. `onStored`, `onRemoved`: what the one who added it wants to know.
 * @typedef {{
 *   chip: HTMLElement, source?: File, upload?: Upload, stored?: any, error?: string, isDraft: boolean,
 *   onStored?: () => void, onRemoved?: () => void,
 * }} Item
 */

export class Attachments {
  constructor(/** @type {HTMLElement} */ form, /** @type {string} */ sessionId) {
    this.form = form;
    this.sessionId = sessionId;
    this.place = /** @type {HTMLElement} */ (form.querySelector("[data-attachments]"));
    this.note = /** @type {HTMLElement} */ (form.querySelector("[data-attach-note]"));
    /** @type {Item[]} */
    this.items = [];
    this.place.addEventListener("click", ({ target }) => {
      const button = /** @type {Element} */ (target).closest("[data-file-remove], [data-file-retry]");
      const item = button && this.items.find(({ chip }) => chip.contains(button));
      if (!item) return;
      if (button.matches("[data-file-remove]")) this.remove(item);
      else this.retry(item);
    });
    for (const { isDraft, ...file } of readFiles(sessionId)) this.push({ stored: file, isDraft });
    void this.forgetDeleted();
  }

  get ids() {
    return this.items.flatMap(({ stored }) => stored?.id ?? []);
  }

  get count() {
    return this.items.length;
  }

  /** The number of files that are still uploaded or read. */
  get waiting() {
    return this.items.filter(({ stored, error }) => !stored && !error).length;
  }

  get hasFailed() {
    return this.items.some(({ error }) => error);
  }

  /** Attach files, as many as a message takes. */
  add(/** @type {Iterable<File>} */ files, /** @type {{onStored?: () => void, onRemoved?: () => void}} */ told = {}) {
    const { most, maxBytes } = facts.files;
    const all = [...files];
    const taken = all.slice(0, Math.max(0, most - this.count));
    for (const source of taken) {
      const item = this.push({ source, isDraft: true, ...told });
      if (source.size > maxBytes) {
        this.fail(item, `${sizeText(source.size)} is too large. Files are limited to ${sizeText(maxBytes)}.`);
      }
    }
    this.say(taken.length < all.length ? `A message takes at most ${most} files.` : "");
    this.changed();
    this.next();
  }

  say(/** @type {string} */ sentence) {
    this.note.textContent = sentence;
  }

  push(/** @type {Omit<Item, "chip">} */ fields) {
    const item = { ...fields, chip: newChip({ isEditable: true }) };
    if (item.stored) describeFile(item.chip, item.stored);
    else if (item.source) {
      nameChip(item.chip, item.source.name);
      this.show(item, `${sizeText(item.source.size)} · Waiting…`);
    }
    this.items.push(item);
    this.place.append(item.chip);
    this.place.hidden = false;
    return item;
  }

  /** Begin the next uploads. */
  next() {
    const open = this.items.filter(({ stored, error }) => !stored && !error);
    const running = open.filter(({ upload }) => upload).length;
    for (const item of open.filter(({ upload }) => !upload).slice(0, AT_ONCE - running)) void this.upload(item);
  }

  async upload(/** @type {Item} */ item) {
    const source = /** @type {File} */ (item.source);
    item.upload = new Upload(source, (part) => this.progress(item, part));
    this.progress(item, 0);
    try {
      const stored = await item.upload.send();
      if (!stored) return; // removed
      item.stored = stored;
      fillChip(item.chip, stored);
      this.progress(item, null);
      item.onStored?.();
      announce(`${stored.name} is attached.`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.fail(item, sentenceOf(error), { isWorthRetrying: error.status === 0 || error.status >= 429 });
    } finally {
      item.upload = undefined;
    }
    this.changed();
    this.next();
  }

  /** Show how much has been sent; null: the upload has ended. */
  progress(/** @type {Item} */ item, /** @type {number | null} */ part) {
    const bar = /** @type {HTMLProgressElement} */ (item.chip.querySelector("[data-file-progress]"));
    bar.hidden = part === null;
    if (part === null) return;
    if (part < 1) bar.value = part;
    else bar.removeAttribute("value"); // the server does not say how long it reads
    const size = sizeText(/** @type {File} */ (item.source).size);
    this.show(item, part < 1 ? `${size} · Uploading ${Math.round(part * 100)}%` : `${size} · Reading…`);
  }

  fail(/** @type {Item} */ item, /** @type {string} */ sentence, { isWorthRetrying = false } = {}) {
    item.error = sentence;
    this.progress(item, null);
    this.show(item, sentence);
    item.chip.dataset.failed = "";
    /** @type {HTMLElement} */ (item.chip.querySelector("[data-file-retry]")).hidden = !isWorthRetrying;
    announce(`${item.source?.name}: ${sentence}`);
  }

  retry(/** @type {Item} */ item) {
    item.error = undefined;
    delete item.chip.dataset.failed;
    /** @type {HTMLElement} */ (item.chip.querySelector("[data-file-retry]")).hidden = true;
    /** @type {HTMLElement} */ (item.chip.querySelector("[data-file-remove]")).focus();
    this.next();
  }

  show(/** @type {Item} */ item, /** @type {string} */ sentence) {
    /** @type {HTMLElement} */ (item.chip.querySelector("[data-file-facts]")).textContent = sentence;
  }

  /** Take a file from the message; one that no message has brought is deleted. */
  remove(/** @type {Item} */ item) {
    const at = this.items.indexOf(item);
    item.upload?.abort();
    this.take(item);
    this.say("");
    if (item.stored && item.isDraft) deletePath(`files/${item.stored.id}`).catch(reportUndeleted);
    item.onRemoved?.();
    const beside = this.items[at] ?? this.items[at - 1];
    const next = beside?.chip.querySelector("[data-file-remove]") ?? this.form.querySelector("[data-message]");
    /** @type {HTMLElement} */ (next).focus();
    this.changed();
    this.next();
  }

  take(/** @type {Item} */ item) {
    this.items = this.items.filter((other) => other !== item);
    item.chip.remove();
    this.place.hidden = !this.count;
  }

  /** A message has brought these files. */
  accepted(/** @type {string[]} */ ids) {
    for (const item of this.items.filter(({ stored }) => ids.includes(stored?.id))) this.take(item);
    this.say("");
    this.changed();
  }

  changed() {
    const kept = this.items.filter(({ stored }) => stored);
    keepFiles(
      this.sessionId,
      kept.map(({ stored, isDraft }) => ({ ...stored, isDraft })),
    );
    this.form.dispatchEvent(new Event("attachments"));
  }

  /** Take those from the draft that were deleted since. Of older ones than the list has, sending shows it. */
  async forgetDeleted() {
    const kept = [...this.items];
    if (!kept.length) return;
    try {
      const { results, next } = await getJson(`files?limit=${LISTED}`);
      const known = new Set(results.map((/** @type {{id: string}} */ { id }) => id));
      for (const item of kept) {
        if (known.has(item.stored.id) || next) fillChip(item.chip, item.stored);
        else this.take(item);
      }
      this.changed();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      console.info("whether files of the draft were deleted is not known", error.message);
    }
  }
}

/** What happened, and what to do. */
function sentenceOf(/** @type {ApiError} */ error) {
  if (error.unreachable) return "The server can't be reached. Try again.";
  if (error.code === "not_authenticated" || error.code === "csrf_failed") return "You are signed out. Sign in again.";
  const fields = Object.values(error.details.fields ?? {}).flat();
  return fields.join(" ") || error.message;
}

function reportUndeleted(/** @type {unknown} */ error) {
  if (!(error instanceof ApiError)) throw error;
  console.info("a removed file could not be deleted; it stays in the list of files", error.message);
}
