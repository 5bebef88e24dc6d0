// @ts-check
// "Regenerate with…": the models there are, with their prices. Choosing one is an action of static/js/turn-actions.js.
import { announce } from "./announce.js";
import { ApiError, getJson } from "./api.js";
import { moneyText, picoOf } from "./money.js";

export function startModelChoice(transcript) {
  transcript.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-again-with]");
    if (opener) toggle(opener);
  });
  transcript.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const opener = openerOf(event.target);
    if (!opener) return;
    close(opener);
    opener.focus();
  });
}

function toggle(opener) {
  if (panelOf(opener)) {
    close(opener);
    return;
  }
  for (const other of document.querySelectorAll("[data-again-with][aria-expanded=true]")) close(other);
  open(opener);
}

async function open(opener) {
  const panel = document.createElement("div");
  panel.id = `models-${opener.closest("[id]").id}`;
  panel.className = "model-choice newest-only";
  panel.textContent = "Loading models…";
  opener.setAttribute("aria-expanded", "true");
  opener.setAttribute("aria-controls", panel.id);
  opener.closest(".newest-only").after(panel);
  try {
    const { results } = await getJson("models");
    panel.replaceChildren(listOf(results, opener.dataset.agents), piece("model-unit", "Prices per 1M tokens"));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    panel.textContent = error.message;
    announce(error.message);
  }
  panel.scrollIntoView({ block: "nearest" });
}

function close(opener) {
  panelOf(opener)?.remove();
  opener.setAttribute("aria-expanded", "false");
  opener.removeAttribute("aria-controls");
}

function panelOf(opener) {
  const id = opener.getAttribute("aria-controls");
  return id && document.getElementById(id);
}

/** Return the button of the open panel that something is in, or that button itself. */
function openerOf(element) {
  const panel = element.closest(".model-choice");
  if (panel) return document.querySelector(`[aria-controls="${CSS.escape(panel.id)}"]`);
  return element.closest("[data-again-with][aria-expanded=true]");
}

function listOf(models, agents) {
  const list = document.createElement("ul");
  list.append(...models.map((model) => rowOf(model, agents)));
  return list;
}

function rowOf({ alias, provider, price }, agents) {
  const row = document.createElement("li");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "model-row";
  Object.assign(button.dataset, { action: "rerun", alias });
  if (agents) button.dataset.agents = agents;
  button.append(
    piece("model-alias", alias),
    " ",
    piece("model-note", provider),
    " ",
    piece("model-note", priceText(price)),
  );
  row.append(button);
  return row;
}

function piece(name, text) {
  const span = document.createElement("span");
  span.className = name;
  span.textContent = text;
  return span;
}

function priceText(price) {
  if (!price) return "no price";
  const [input, output] = [price.input_usd_per_mtok, price.output_usd_per_mtok].map((usd) => moneyText(picoOf(usd)));
  return `${input} in, ${output} out`;
}
