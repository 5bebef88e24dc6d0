// @ts-check
// Answers that have no room side by side become tabs: the container queries in static/css/lanes.css say when, this
// keeps the tabs as their lanes are.
import { giveWay } from "./panels.js";

const STATE_TEXT = {
  waiting: "waiting",
  thinking: "thinking",
  answering: "answering",
  whole: "complete",
  complete: "complete",
  failed: "failed",
  cancelled: "stopped",
};

const stripSizes = new ResizeObserver((entries) => {
  for (const { target } of entries) if (target.isConnected) setRoles(target.parentElement);
});

export function startLaneTabs(transcript) {
  transcript.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) choose(laneOf(tab));
  });
  transcript.addEventListener("keydown", (event) => {
    const tab = event.target.closest("[role=tab]");
    const next = tab && neighbour(tab, event.key);
    if (!next) return;
    event.preventDefault();
    choose(laneOf(next));
    next.focus();
  });
  transcript.addEventListener("toggle", ({ target }) => updateTabs(target), { capture: true }); // steps were opened
  new MutationObserver((records) => updateRows(rowsOf(records))).observe(transcript, {
    childList: true,
    subtree: true,
    attributeFilter: ["data-state"],
  });
  updateTabs(transcript);
}

/** Give each row of lanes in an element the tabs of its lanes. */
export function updateTabs(element) {
  updateRows(element.querySelectorAll(".lanes"));
}

/** Let a turn that takes the place of another show the same agents' lanes. */
export function keepChosen(shown, successor) {
  for (const [name, key] of Object.entries(shown.dataset)) {
    if (name.startsWith("chosen")) successor.dataset[name] = key;
  }
  updateTabs(successor);
}

/** Choose the tab that contains an element. */
export function reveal(element) {
  const lane = element.closest(".lane");
  if (lane && stripOf(lane.parentElement)) choose(lane);
}

/** Return the rows of lanes that changes are about: a lane came or went, or its state is another. */
function rowsOf(records) {
  const rows = new Set();
  for (const { type, target, addedNodes } of records) {
    if (type === "attributes") rows.add(target.closest(".lane")?.parentElement);
    else if (target.matches(".lanes")) rows.add(target);
    for (const node of addedNodes) {
      if (node instanceof Element) node.querySelectorAll(".lanes").forEach((row) => rows.add(row));
      if (node instanceof Element && node.matches(".lanes")) rows.add(node);
    }
  }
  rows.delete(undefined);
  rows.delete(null);
  return rows;
}

function updateRows(rows) {
  rows.forEach(update);
  rows.forEach(setRoles); // looks at the layout, once for all
}

function update(row) {
  const lanes = lanesOf(row);
  if (lanes.length < 2) {
    stripOf(row)?.remove();
    delete row.dataset.lanes;
    return;
  }
  const strip = stripOf(row) ?? addStrip(row);
  row.dataset.lanes = String(lanes.length);
  if (row.closest("[data-turn]")?.matches(":last-child") && row.checkVisibility()) giveWay(lanes.length);
  const chosen = chosenOf(row, lanes);
  const tabs = lanes.map((lane) => tabOf(lane, strip));
  tabs.forEach((tab, place) => {
    if (strip.children[place] !== tab) strip.insertBefore(tab, strip.children[place] ?? null);
    showState(tab, lanes[place]);
    tab.setAttribute("aria-selected", String(lanes[place] === chosen));
    tab.tabIndex = lanes[place] === chosen ? 0 : -1;
  });
  while (strip.children.length > tabs.length) strip.lastElementChild.remove();
  for (const lane of lanes) lane.toggleAttribute("data-chosen", lane === chosen);
}

function addStrip(row) {
  const strip = document.createElement("div");
  strip.className = "lane-tabs";
  strip.setAttribute("role", "tablist");
  strip.setAttribute("aria-label", "Answers");
  row.prepend(strip);
  stripSizes.observe(strip);
  return strip;
}

/** Return the tab of a lane; create it if there is none yet. */
function tabOf(lane, strip) {
  const id = `tab-${lane.dataset.step}`;
  const known = [...strip.children].find((tab) => tab.id === id);
  if (known) return known;
  const tab = document.createElement("button");
  tab.id = id;
  tab.type = "button";
  tab.className = ["lane-tab", ...[...lane.classList].filter((name) => name.startsWith("hue-"))].join(" ");
  tab.setAttribute("role", "tab");
  tab.setAttribute("aria-controls", lane.id);
  const dot = document.createElement("span");
  dot.className = "lane-dot";
  const state = document.createElement("span");
  state.className = "visually-hidden";
  state.dataset.stateText = "";
  tab.append(dot, lane.querySelector("[data-name]").textContent, state);
  return tab;
}

function showState(tab, lane) {
  const { state } = lane.dataset;
  tab.dataset.laneState = state;
  tab.querySelector("[data-state-text]").textContent = ` ${STATE_TEXT[state] ?? state}`;
}

/** Lanes are panels while their tabs are there to be seen, and articles beside each other. */
function setRoles(row) {
  const strip = stripOf(row);
  const tabbed = strip !== undefined && getComputedStyle(strip).display !== "none";
  for (const lane of lanesOf(row)) {
    lane.setAttribute("role", tabbed ? "tabpanel" : "article");
    if (tabbed) {
      lane.setAttribute("aria-labelledby", `tab-${lane.dataset.step}`);
      lane.tabIndex = 0;
    } else {
      lane.removeAttribute("aria-labelledby");
      if (lane.tabIndex === 0) lane.removeAttribute("tabindex"); // one that a link led to has another
    }
  }
}

/** Return the lane to show: the reader's, by its agent, so that it stays chosen in a stored turn and in a new version. */
function chosenOf(row, lanes) {
  const key = row.closest("[data-turn]")?.dataset[choiceIn(row)];
  return lanes.find(({ dataset }) => dataset.agentKey === key) ?? lanes[0];
}

function choose(lane) {
  const row = lane.parentElement;
  row.closest("[data-turn]").dataset[choiceIn(row)] = lane.dataset.agentKey;
  update(row);
  stripOf(row).querySelector("[aria-selected=true]").scrollIntoView({ block: "nearest", inline: "nearest" });
  row.dispatchEvent(new Event("placechosen", { bubbles: true }));
}

function choiceIn(row) {
  return `chosen${row.closest("[data-round-box]").dataset.roundBox}`;
}

function neighbour(tab, key) {
  const tabs = [...tab.parentElement.children];
  const place = tabs.indexOf(tab);
  const places = { ArrowRight: place + 1, ArrowLeft: place - 1 + tabs.length, Home: 0, End: tabs.length - 1 };
  return key in places ? tabs[places[key] % tabs.length] : null;
}

function laneOf(tab) {
  return document.getElementById(tab.getAttribute("aria-controls"));
}

function lanesOf(row) {
  return [...row.children].filter((child) => child.matches(".lane"));
}

function stripOf(row) {
  return [...row.children].find((child) => child.matches(".lane-tabs"));
}
