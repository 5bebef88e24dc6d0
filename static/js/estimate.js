// What the next message will typically cost, beside Send: asked for when typing pauses; what is out of date is aborted.
import { ApiError, postJson } from "./api.js";
import { moneyText, picoOf } from "./money.js";
import { tagsOneOf } from "./tags.js";

const PAUSE_MS = 400;

export class Estimate {
  /** `keys` are the agents that can be tagged. */
  constructor(form, sessionId, keys) {
    this.place = form.querySelector("[data-estimate]");
    this.box = form.querySelector("[data-message]");
    this.path = `sessions/${sessionId}/turns/estimate`;
    // What would be refused is not asked for.
    const canBegin = keys.length > 0 && !("lacksGoal" in form.dataset);
    this.isAskable = (text) => canBegin && text.trim() && (form.dataset.mode !== "manual" || tagsOneOf(text, keys));
    this.box.addEventListener("input", () => this.look());
    this.look();
  }

  /** Find out anew, once nothing more is typed. What was shown stays until then, unless it is about nothing. */
  look() {
    clearTimeout(this.timer);
    this.request?.abort();
    if (this.isAskable(this.box.value)) this.timer = setTimeout(() => this.ask(this.box.value), PAUSE_MS);
    else this.show(null);
  }

  async ask(message) {
    const request = new AbortController();
    this.request = request;
    try {
      const estimate = await postJson(this.path, { message }, {}, request.signal);
      if (!request.signal.aborted) this.show(estimate);
    } catch (error) {
      if (request.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      this.show(null); // sending says what is wrong
    }
  }

  show(estimate) {
    this.place.replaceChildren();
    this.place.removeAttribute("title");
    this.place.classList.toggle("composer-price-over", Boolean(estimate) && !estimate.fits_budget);
    if (!estimate) return;
    const { typical_usd: typical, low_usd: low, high_usd: high } = estimate;
    const range = high === null ? "A model that may be asked has no price" : `From ${text(low)} to at most ${text(high)}`;
    const calls = `${estimate.calls} call${estimate.calls === 1 ? "" : "s"} as a rule`;
    const fits = estimate.fits_budget ? "" : " More than the budget has left.";
    const about = document.createElement("span");
    about.className = "visually-hidden";
    about.textContent = ` typically. ${range}, ${calls}.${fits}`;
    this.place.title = `${range}, ${calls}.${fits}`;
    this.place.append(typical === null ? "unpriced" : `≈ ${text(typical)}`, about);
  }
}

function text(usd) {
  return moneyText(picoOf(usd));
}
