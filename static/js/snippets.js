// A copy button beside each line that is to be put elsewhere.
import { copyFrom } from "./clipboard.js";

for (const button of document.querySelectorAll("[data-copy-snippet]")) {
  button.hidden = false;
  button.addEventListener("click", () => copyFrom(button, button.parentElement.querySelector("code").textContent));
}
