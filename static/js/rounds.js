// The rounds of a turn: a routing card and the answers under it. Their HTML is in templates/partials/turn.html.
import { counted, facts, fill } from "./facts.js";
import { visibleText } from "./visible-text.js";

/** Return the place of a round, made where it belongs if there is none yet. */
export function roundOf(turn, number) {
  const rounds = turn.querySelector("[data-rounds]");
  const boxes = [...rounds.children];
  const found = boxes.find((box) => Number(box.dataset.roundBox) === number);
  if (found) return found;
  const box = document.createElement("div");
  box.className = "round";
  box.dataset.roundBox = number;
  rounds.insertBefore(box, boxes.find((other) => Number(other.dataset.roundBox) > number) ?? null);
  return box;
}

/** Return the card of a decision, as templates/partials/routing.html has it. */
export function routingCard({ round, selections, reason, used_fallback: usedFallback }, nameOf) {
  const card = document.getElementById("routing-template").content.firstElementChild.cloneNode(true);
  const names = selections.map(({ agent_key: key }) => nameOf(key));
  card.querySelector("[data-routing-title]").textContent = names.length
    ? fill(facts.routing.asked, { round, names: names.join(", ") })
    : facts.routing.concluded;
  card.querySelector("[data-routing-fallback]").hidden = !usedFallback;
  card.querySelector("[data-routing-reason]").textContent = visibleText(reason);
  const lines = selections.filter(({ instruction }) => instruction).map(instructionLine);
  card.querySelector("[data-routing-instructions]").replaceChildren(...lines);
  return card;
}

function instructionLine({ agent_key: key, instruction }) {
  const line = document.createElement("li");
  const tag = document.createElement("code");
  line.dir = "auto";
  tag.textContent = `@${key}`;
  line.append(tag, ` ${visibleText(instruction)}`);
  return line;
}

/** Label the fold of the steps. */
export function noteSteps(turn) {
  const answers = turn.querySelectorAll("[data-rounds] [data-step]").length;
  const rounds = turn.querySelectorAll("[data-round-box]:has([data-step])").length;
  const { steps } = facts;
  turn.querySelector("[data-steps-note]").textContent = answers
    ? fill(steps.note, { answers: counted(steps.answers, answers), rounds: counted(steps.rounds, rounds) })
    : steps.none;
}
