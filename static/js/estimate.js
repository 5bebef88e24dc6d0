// @ts-check
// What the next message usually costs, and at most, beside Send: requested when typing pauses; outdated requests are aborted.
import { ApiError, postJson } from "./api.js";
import { withFiles } from "./file-chips.js";
import { moneyText, picoOf } from "./money.js";
import { tagsIn } from "./tags.js";

const PAUSE_MS = 400;

export class Estimate {
  /** `keys` are the agents that can be mentioned; `audience` and `attachments` build the request. */
  constructor(form, sessionId, keys, audience, attachments) {
    this.place = form.querySelector("[data-estimate]");
    this.box = form.querySelector("[data-message]");
    this.path = `sessions/${sessionId}/turns/estimate`;
    this.audience = audience;
    this.attachments = attachments;
    // No estimate for a message that would be refused.
    this.isAskable = ({ message, mode }) =>
      keys.length > 0 &&
      (Boolean(mode) || !("lacksGoal" in form.dataset)) &&
      (!(mode || "needsTags" in form.dataset) || tagsIn(message, keys).length > 0);
    this.box.addEventListener("input", () => this.look());
    form.addEventListener("audience", () => this.look());
    form.addEventListener("attachments", () => this.look());
    this.look();
  }

  /** Request an estimate once typing pauses. Until then the last one stays, unless there is nothing to send. */
  look() {
    clearTimeout(this.timer);
    this.request?.abort();
    const body = { ...this.audience.request(this.box.value), ...withFiles(this.attachments.ids) };
    const isSendable = this.box.value.trim() && this.box.validity.valid;
    if (isSendable && this.isAskable(body)) this.timer = setTimeout(() => this.load(body), PAUSE_MS);
    else this.show(null);
  }

  async load(body) {
    const request = new AbortController();
    this.request = request;
    try {
      const estimate = await postJson(this.path, body, {}, request.signal);
      if (!request.signal.aborted) this.show(estimate);
    } catch (error) {
      if (request.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      this.show(null); // sending shows the error
    }
  }

  show(estimate) {
    this.place.replaceChildren();
    this.place.removeAttribute("title");
    this.place.classList.toggle("composer-price-over", Boolean(estimate) && !estimate.fits_budget);
    if (!estimate) return;
    const { typical_usd: typical, low_usd: low, high_usd: high } = estimate;
    const isPriced = typical !== null && high !== null;
    const calls = `${estimate.calls} call${estimate.calls === 1 ? "" : "s"} as a rule`;
    const fits = estimate.fits_budget ? "" : " More than the budget has left.";
    const range = isPriced ? `At least ${text(low)}` : "Can't estimate: a model has no price";
    const about = document.createElement("span");
    about.className = "visually-hidden";
    about.textContent = `. ${range}, ${calls}.${fits}`;
    this.place.title = `${range}, ${calls}.${fits}`;
    this.place.append(...(isPriced ? [`usually ${text(typical)}, `, atMost(text(high))] : ["unpriced"]), about);
  }
}

/** The worst case does not break across lines. */
function atMost(amount) {
  const part = document.createElement("span");
  part.className = "composer-price-part";
  part.textContent = `at most ${amount}`;
  return part;
}

function text(usd) {
  return moneyText(picoOf(usd));
}
