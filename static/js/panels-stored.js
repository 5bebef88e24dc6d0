// @ts-check
// Runs before the page is drawn, so that a panel that was closed does not flash. The buttons are in panels.js.
(() => {
  for (const panel of ["sessions", "council"]) {
    const state = localStorage.getItem(`pantheon-panel-${panel}`);
    if (state === "open" || state === "closed") document.documentElement.dataset[`${panel}Panel`] = state;
  }
})();
