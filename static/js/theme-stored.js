// @ts-check
// Runs before the page is drawn, so that a chosen theme does not flash. The switch is theme.js.
(() => {
  const theme = localStorage.getItem("pantheon-theme");
  if (theme !== "light" && theme !== "dark") return;
  document.documentElement.dataset.theme = theme;
  for (const meta of document.querySelectorAll("meta")) {
    if (meta.dataset.themeColor) meta.media = meta.dataset.themeColor === theme ? "all" : "not all";
  }
})();
