// @ts-check
// What a turn is waiting for while no lane shows it.
import { facts } from "./facts.js";

/** Return a sentence, empty while a lane is open. `view` is a TurnView. */
export function stageOf(view) {
  if (view.stopping) return "Stopping…";
  const lanes = [...view.lanes.values()];
  if (lanes.some((lane) => lane.open)) return "";
  const seconds = Math.floor((performance.now() - view.quietSince) / 1000);
  if (!view.begun) return seconds < 2 ? "Starting…" : `Queued · ${seconds} s`;
  const clock = seconds < 2 ? "" : ` · ${seconds} s`;
  if (!("led" in view.element.dataset)) return lanes.length ? waitingForNext(view, lanes) + clock : `Starting…${clock}`;
  if (lanes.some((lane) => lane.purpose === facts.conclusion.purpose)) return "Finishing…";
  const choosing = !lanes.length && !view.decided;
  return (choosing ? "Choosing agents…" : "Reviewing answers…") + clock;
}

function waitingForNext(view, lanes) {
  if ("sideBySide" in view.element.dataset) return "Finishing…";
  const answered = new Set(
    [...view.element.querySelectorAll("[data-agent-key]")].map(({ dataset }) => dataset.agentKey),
  );
  const next = view.roster.find(({ key }) => !answered.has(key));
  return next && lanes.length ? `Waiting for ${next.name}…` : "Finishing…";
}
