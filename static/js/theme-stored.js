// @ts-check
// Runs before the page is drawn, so that a chosen theme does not flash. The switch is theme.js.
(() => {
  const theme = localStorage.getItem("pantheon-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
