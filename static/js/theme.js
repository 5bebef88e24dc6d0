// The theme switch: as the system, light, dark; kept in this browser.

const THEMES = ["system", "light", "dark"];
const NAMES = { system: "as the system", light: "light", dark: "dark" };

export function startThemeSwitch() {
  const button = document.querySelector("[data-theme-switch]");
  if (!button) return;
  button.hidden = false;
  show(button, current());
  button.addEventListener("click", () => {
    const theme = THEMES[(THEMES.indexOf(current()) + 1) % THEMES.length];
    if (theme === "system") {
      localStorage.removeItem("pantheon-theme");
      delete document.documentElement.dataset.theme;
    } else {
      localStorage.setItem("pantheon-theme", theme);
      document.documentElement.dataset.theme = theme;
    }
    show(button, theme);
  });
}

function current() {
  return document.documentElement.dataset.theme ?? "system";
}

function show(button, theme) {
  for (const icon of button.querySelectorAll("[data-theme-icon]")) {
    icon.hidden = icon.dataset.themeIcon !== theme;
  }
  button.title = `Theme: ${NAMES[theme]}`;
  button.setAttribute("aria-label", button.title);
}
