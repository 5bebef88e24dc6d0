// The account page: copy a new token, choose a theme.
import { copyFrom } from "./clipboard.js";
import { chooseTheme, currentTheme } from "./theme.js";

document.querySelector("[data-secret-copy]")?.addEventListener("click", (event) => {
  copyFrom(event.target, document.querySelector("[data-secret]").textContent);
});

const choice = document.querySelector("[data-theme-choice]");
choice.hidden = false;
choice.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-value]");
  if (button) chooseTheme(button.dataset.themeValue);
});
addEventListener("pantheon-theme", showChoice);
showChoice();

function showChoice() {
  for (const button of choice.querySelectorAll("[data-theme-value]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeValue === currentTheme()));
  }
}
