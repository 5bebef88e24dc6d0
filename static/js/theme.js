// The theme: as the system, light, dark; kept in this browser, and the same in all of its tabs.

const THEMES = ["system", "light", "dark"];
const NAMES = { system: "system", light: "light", dark: "dark" };
const KEY = "pantheon-theme";

export function startThemeSwitch() {
  for (const button of document.querySelectorAll("[data-theme-switch]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      chooseTheme(THEMES[(THEMES.indexOf(currentTheme()) + 1) % THEMES.length]);
    });
    addEventListener("pantheon-theme", () => show(button, currentTheme()));
    show(button, currentTheme());
  }
  addEventListener("storage", (event) => {
    if (event.key === KEY) use(event.newValue ?? "system");
  });
}

export function currentTheme() {
  return document.documentElement.dataset.theme ?? "system";
}

export function chooseTheme(theme) {
  if (theme === "system") localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, theme);
  use(theme);
}

/** Show a theme on this page, and notify the controls that display it. */
function use(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const meta of document.querySelectorAll("meta")) {
    const own = meta.dataset.themeColor;
    if (!own) continue;
    meta.media = theme === "system" ? `(prefers-color-scheme: ${own})` : own === theme ? "all" : "not all";
  }
  dispatchEvent(new Event("pantheon-theme"));
}

function show(button, theme) {
  const name = `Theme: ${NAMES[theme]}`;
  const icons = button.querySelectorAll("[data-theme-icon]");
  if (!icons.length) {
    button.textContent = name;
    return;
  }
  for (const icon of icons) icon.hidden = icon.dataset.themeIcon !== theme;
  button.title = name;
  button.setAttribute("aria-label", name);
}
