// The side panels of the workspace. Where they stand beside the conversation, each is closed and opened by its button,
// which this browser keeps. Where they would cover it, they are opened by their button and closed by Escape, Back, a
// click outside or a link in them that leads into the conversation. static/css/panels.css says where is which.

const MOST_COLUMNS = 5; // more stand as five do
let leaving = false;

/** `stayOpen`: the id of a panel that was open before the page was loaded again. */
export function startPanels({ stayOpen = null } = {}) {
  const openers = [...document.querySelectorAll("[data-panel-open]")];
  const panelOf = (opener) => document.getElementById(opener.dataset.panelOpen);

  function set(opener, open) {
    const panel = panelOf(opener);
    panel.toggleAttribute("data-open", open);
    opener.setAttribute("aria-expanded", String(open));
    if (open) panel.querySelector("[data-panel-close]").focus();
  }

  function closeAll({ refocus }) {
    for (const opener of openers) {
      if (!panelOf(opener).hasAttribute("data-open")) continue;
      set(opener, false);
      if (refocus) opener.focus();
    }
  }

  for (const opener of openers) {
    const panel = panelOf(opener);
    opener.addEventListener("click", () => {
      if (!covers(panel)) {
        dock(panel);
        panel.querySelector("[data-panel-close]").focus();
        return;
      }
      const open = !panel.hasAttribute("data-open");
      closeAll({ refocus: false });
      set(opener, open);
      if (open) enterPanel();
      else leavePanel();
    });
    panel.querySelector("[data-panel-close]").addEventListener("click", () => {
      if (!covers(panel)) {
        keep(panel, "closed");
        opener.focus();
        return;
      }
      closeAll({ refocus: true });
      leavePanel();
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    closeAll({ refocus: true });
    leavePanel();
  });
  addEventListener("popstate", () => closeAll({ refocus: true }));
  document.addEventListener("jump", () => {
    closeAll({ refocus: false });
    stay();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-panel], [data-panel-open]")) return;
    if (!openers.some((opener) => panelOf(opener).hasAttribute("data-open"))) return;
    closeAll({ refocus: false });
    if (event.target.closest("a, button, summary")) stay();
    else leavePanel();
  });
  const kept = openers.find((opener) => opener.dataset.panelOpen === stayOpen);
  if (kept) {
    set(kept, true);
    enterPanel();
  } else stay(); // the page was loaded again, with its panels closed
}

/** Make room for answers that stand side by side: the panels give way where the columns would be too narrow. */
export function giveWay(columns) {
  const { dataset } = document.querySelector("[data-workspace]");
  const wide = Math.min(columns, MOST_COLUMNS);
  if (wide > Number(dataset.columns ?? 1)) dataset.columns = String(wide);
}

/** Return whether a panel is shown over the conversation, not beside it. */
function covers(panel) {
  return getComputedStyle(panel).position === "fixed";
}

/** Show a panel beside the conversation; one that gives way to answers only if it is told to stay. */
function dock(panel) {
  keep(panel, null);
  if (getComputedStyle(panel).display === "none") keep(panel, "open");
}

/** Keep in this browser that a panel is `open` or `closed`; null: open, unless answers need its place. */
function keep(panel, state) {
  const { panel: name } = panel.dataset;
  const place = `${name}Panel`;
  if (state) document.documentElement.dataset[place] = state;
  else delete document.documentElement.dataset[place];
  if (state) localStorage.setItem(`pantheon-panel-${name}`, state);
  else localStorage.removeItem(`pantheon-panel-${name}`);
}

/** Give Back an entry of its own, so that it closes the panel and leaves the page where it is. */
export function enterPanel() {
  if (!history.state?.panel) history.pushState({ panel: true }, "");
}

/** Take that entry away again, once: going back takes a moment. */
export function leavePanel() {
  if (!history.state?.panel || leaving) return;
  leaving = true;
  addEventListener("popstate", () => (leaving = false), { once: true });
  history.back();
}

/** Keep the entry as one of the page: what was clicked may lead elsewhere, which going back would stop. */
function stay() {
  if (history.state?.panel) history.replaceState(null, "");
}
