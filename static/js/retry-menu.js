// @ts-check
// "Retry": what is asked again, and on which model. A choice is an action of static/js/turn-actions.js.
import { announce } from "./announce.js";
import { ApiError, getJson } from "./api.js";
import { moneyText, picoOf } from "./money.js";

const OPENER = "[data-retry-open]";
const EDGE_PX = 8;
let shown = null;

export function startRetryMenus(transcript, scroll) {
  transcript.addEventListener("click", (event) => {
    const opener = event.target.closest(OPENER);
    if (opener) toggle(opener);
  });
  transcript.addEventListener("keydown", (event) => {
    const opener = event.target.closest(OPENER);
    if (!opener || event.key !== "ArrowDown" || menuOf(opener)) return;
    event.preventDefault();
    toggle(opener);
  });
  scroll.addEventListener("scroll", () => shown?.place(), { passive: true });
}

function toggle(opener) {
  const open = menuOf(opener);
  if (open) open.hidePopover();
  else shown = new RetryMenu(opener);
}

function menuOf(opener) {
  return opener.parentElement.querySelector(".retry-menu");
}

class RetryMenu {
  constructor(opener) {
    this.opener = opener;
    this.menu = document.createElement("div");
    this.menu.className = "retry-menu";
    this.menu.setAttribute("role", "menu");
    this.menu.setAttribute("aria-label", opener.getAttribute("aria-label"));
    this.menu.popover = "auto"; // closes with Escape and with a click elsewhere
    this.menu.addEventListener("click", (event) => this.click(event));
    this.menu.addEventListener("keydown", (event) => this.press(event));
    this.menu.addEventListener("toggle", ({ newState }) => newState === "closed" && this.closed());
    opener.after(this.menu);
    opener.setAttribute("aria-expanded", "true");
    this.menu.showPopover();
    this.showTargets();
  }

  /** Offer what can be asked again. */
  showTargets() {
    const { agents, who: name } = this.opener.dataset;
    const scopes = [];
    if (agents) scopes.push([agents, `${name}: same model`, `${name}: other model…`]);
    scopes.push(agents ? ["", "All agents: same models", "All agents: other model…"] : this.whole(name));
    this.show(...scopes.flatMap(([keys, same, other]) => [again(keys, same), expander(keys, other)]));
  }

  /** An answer that is alone is the whole turn; a conclusion is made from all answers. */
  whole(name) {
    if (name) return ["", "Same model", "Other model…"];
    return ["", "All agents: same models", "All agents: other model…"];
  }

  async showModels(agents) {
    const loading = item("Loading models…");
    loading.setAttribute("aria-disabled", "true");
    this.show(loading);
    try {
      const { results } = await getJson("models");
      this.show(...results.map((model) => modelItem(model, agents)), note("Prices per 1M tokens"));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.show(item(error.message));
      announce(error.message);
    }
  }

  show(...parts) {
    this.menu.replaceChildren(...parts);
    this.place();
    this.items[0].focus();
  }

  /** Put the menu under its button, or above it where that has more room. */
  place() {
    const button = this.opener.getBoundingClientRect();
    const below = innerHeight - button.bottom - EDGE_PX;
    const above = button.top - EDGE_PX;
    const { style } = this.menu;
    style.maxHeight = `${Math.max(below, above)}px`;
    const { width, height } = this.menu.getBoundingClientRect();
    style.left = `${Math.max(EDGE_PX, Math.min(button.right - width, innerWidth - width - EDGE_PX))}px`;
    style.top = `${height <= below || below >= above ? button.bottom : button.top - height}px`;
  }

  click(event) {
    const chosen = event.target.closest("[role=menuitem]");
    if (!chosen || chosen.hasAttribute("aria-disabled")) return;
    if ("models" in chosen.dataset) this.showModels(chosen.dataset.models);
    else this.menu.hidePopover();
  }

  press(event) {
    const { items } = this;
    const place = items.indexOf(document.activeElement);
    const places = { ArrowDown: place + 1, ArrowUp: place - 1 + items.length, Home: 0, End: items.length - 1 };
    if (event.key === "Tab") this.menu.hidePopover();
    if (event.key === "ArrowLeft") this.showTargets();
    if (event.key === "ArrowRight" && "models" in items[place].dataset) items[place].click();
    if (!(event.key in places)) return;
    event.preventDefault();
    items[places[event.key] % items.length].focus();
  }

  closed() {
    const hadFocus = this.menu.contains(document.activeElement) || document.activeElement === document.body;
    this.menu.remove();
    if (shown === this) shown = null;
    this.opener.setAttribute("aria-expanded", "false");
    if (hadFocus && this.opener.isConnected) this.opener.focus({ preventScroll: true });
  }

  get items() {
    return [...this.menu.querySelectorAll("[role=menuitem]")];
  }
}

function item(...content) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "menu-item";
  button.setAttribute("role", "menuitem");
  button.tabIndex = -1;
  button.append(...content);
  return button;
}

function again(agents, text, alias = "") {
  const button = item(text);
  button.dataset.action = "rerun";
  if (agents) button.dataset.agents = agents;
  if (alias) button.dataset.alias = alias;
  return button;
}

function expander(agents, text) {
  const button = item(text);
  button.dataset.models = agents;
  return button;
}

function modelItem({ alias, provider, price }, agents) {
  const button = again(agents, "", alias);
  const details = note(`${provider} · ${priceText(price)}`);
  const name = document.createElement("code");
  name.textContent = alias;
  button.append(name, " ", details);
  return button;
}

function note(text) {
  const span = document.createElement("span");
  span.className = "retry-note";
  span.textContent = text;
  return span;
}

function priceText(price) {
  if (!price) return "no price";
  const [input, output] = [price.input_usd_per_mtok, price.output_usd_per_mtok].map((usd) => moneyText(picoOf(usd)));
  return `${input} in, ${output} out`;
}
