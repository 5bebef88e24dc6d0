// @ts-check
// Copies an answer as it is stored: Markdown, not what the page made of it.
import { announce } from "./announce.js";
import { getJson } from "./api.js";
import { copyFrom } from "./clipboard.js";

export function startCopying(transcript) {
  transcript.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy-answer]");
    if (!button) return;
    const copied = await copyFrom(button, textOf(button.closest("[data-step]"), button.closest("[data-turn]")));
    announce(copied ? "The answer was copied." : "The answer was not copied.");
  });
}

async function textOf(lane, turn) {
  const { messages } = await getJson(`turns/${turn.dataset.turn}`);
  return messages.find(({ id }) => id === lane.dataset.step).text;
}
