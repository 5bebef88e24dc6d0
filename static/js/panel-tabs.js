// @ts-check
// The tabs of the panel beside a conversation; the chosen one stays in this browser.

const KEY = "pantheon-panel-tab";

export function startPanelTabs() {
  const list = document.querySelector("[data-panel-tabs]");
  if (!list) return;
  const tabs = [...list.children];
  const choose = (chosen) => {
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
  };
  const keep = (tab) => {
    choose(tab);
    localStorage.setItem(KEY, tab.id);
  };
  list.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab]");
    if (tab) keep(tab);
  });
  list.addEventListener("keydown", (event) => {
    const place = tabs.indexOf(document.activeElement);
    const places = { ArrowRight: place + 1, ArrowLeft: place - 1 + tabs.length, Home: 0, End: tabs.length - 1 };
    if (!(event.key in places)) return;
    event.preventDefault();
    const next = tabs[places[event.key] % tabs.length];
    keep(next);
    next.focus();
  });
  const stored = tabs.find(({ id }) => id === localStorage.getItem(KEY));
  if (stored) choose(stored);
}
