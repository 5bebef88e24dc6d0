// @ts-check
// A copy button on every code block.
import { copyFrom } from "./clipboard.js";

export function addCopyButtons(root) {
  for (const label of root.querySelectorAll(".code-block > .code-language")) {
    if (label.querySelector("button")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button button-quiet button-small";
    button.textContent = "Copy";
    button.addEventListener("click", () => copyFrom(button, label.parentElement.querySelector("code").textContent));
    label.append(button);
  }
}
