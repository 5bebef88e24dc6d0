// A message that was not taken: what happened, and what to do. The message itself stays in the composer.
import { facts } from "./facts.js";
import { moneyText, picoOf } from "./money.js";
import { showTime } from "./times.js";

export class Refusal {
  constructor(element) {
    this.element = element;
  }

  clear() {
    this.code = null;
    this.element.hidden = true;
    this.element.replaceChildren();
    clearInterval(this.countdown);
  }

  /** Show an ApiError. `keys` are the agents that can be tagged. */
  show(error, keys) {
    this.clear();
    this.code = error.code;
    const { sentence, until, actions } = advice(error, keys, this.element);
    const text = document.createElement("p");
    text.append(sentence);
    if (until) text.append(" ", timeOf(until), ".");
    this.element.append(text);
    if (actions.length) {
      const row = document.createElement("div");
      row.className = "refusal-actions";
      row.append(...actions);
      this.element.append(row);
    }
    this.element.hidden = false;
    if (error.retryAfterS) this.count(text, sentence, error.retryAfterS);
  }

  /** Count down to when it can be sent again. The clock is not read aloud each second. */
  count(text, sentence, seconds) {
    const clock = document.createElement("span");
    clock.setAttribute("aria-hidden", "true");
    text.append(" ", clock);
    const until = performance.now() + seconds * 1000;
    const tick = () => {
      const left = Math.ceil((until - performance.now()) / 1000);
      if (left > 0) clock.textContent = `${left} s`;
      else this.clear();
    };
    tick();
    this.countdown = setInterval(tick, 1000);
  }
}

function advice(error, keys, place) {
  switch (error.code) {
    case "budget_exceeded":
      return budgetAdvice(error.details);
    case "no_valid_tagged_agents":
      return whoShouldAnswer(error.details.agents ?? keys, place);
    case "turn_conflict":
    case "turn_in_progress":
      return {
        sentence: "This session changed in another tab or on another device. Your draft is saved.",
        actions: [reloadButton("Refresh")],
      };
    case "room_goal_required":
    case "no_room_agents":
      return { sentence: error.message, actions: roomLink() };
    case "csrf_failed":
    case "not_authenticated":
      return { sentence: "You are signed out. Your draft is saved.", actions: [reloadButton("Sign in again")] };
    case "not_found":
      // With files it may be one of them.
      return {
        sentence: place.closest("form")?.querySelector("[data-file]") ? error.message : "This session was deleted.",
        actions: [],
      };
    case "rate_limited":
      return { sentence: "You're sending messages too quickly. Try again in a moment.", actions: [] };
    case "unreachable":
      return { sentence: "The server can't be reached. Your draft is saved; try again.", actions: [] };
    case "validation_error":
      return {
        sentence:
          Object.values(error.details.fields ?? {})
            .flat()
            .join(" ") || error.message,
        actions: [],
      };
    default:
      return { sentence: error.message, actions: [] };
  }
}

/** The composer offers the agents already, just below; the editor of a question does not. */
function whoShouldAnswer(keys, place) {
  const offered = [...(place.closest("[data-composer]")?.querySelectorAll(".chips-offered [data-tag]") ?? [])];
  if (offered.some((chip) => chip.checkVisibility())) {
    return { sentence: "Who should answer? Choose below, or type @.", actions: [] };
  }
  return { sentence: "Who should answer?", actions: tagChips(keys) };
}

/** Which budget, what is left of it, and until when. */
function budgetAdvice({ budget, needed_usd: needed, available_usd: available, resets_at: resetsAt }) {
  const name = `${facts.budgetOwners[budget.scope][budget.applies]} budget`;
  const period = budget.period === "day" ? "today" : "this month";
  const [left, limit, first] = [available, budget.limit_usd, needed].map((usd) => moneyText(picoOf(usd)));
  const sentence = `${left} of ${limit} left in ${name} ${period}; the first call could cost up to ${first}. Resets`;
  return { sentence, until: resetsAt, actions: usageLink() };
}

function timeOf(moment) {
  const time = document.createElement("time");
  showTime(time, new Date(moment));
  return time;
}

/** The way to the budgets, with what has been spent of them. */
function usageLink() {
  const usage = document.querySelector("[data-usage]");
  if (!usage) return [];
  const link = document.createElement("a");
  link.className = "button button-small";
  link.href = `${usage.href}#budgets`;
  link.textContent = "View budgets";
  return [link];
}

function tagChips(keys) {
  return [...keys, ...(keys.length > 1 ? [facts.everybody.key] : [])].map((key) => {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    chip.dataset.tag = key;
    chip.textContent = `@${key}`;
    return chip;
  });
}

/** The link to the room's editor, if there is a room. */
function roomLink() {
  const edit = document.querySelector("[data-room-edit]");
  if (!edit) return [];
  const link = document.createElement("a");
  link.className = "button button-small";
  link.href = edit.href;
  link.textContent = "Edit room";
  return [link];
}

function reloadButton(text) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button button-small";
  button.textContent = text;
  button.addEventListener("click", () => location.reload());
  return button;
}
