// What every page of the administration does. Times stay as they are written: in UTC, as the ledger counts days.
import { forgetDraftsAtSignOut } from "./drafts.js";
import { startMenus } from "./menus.js";
import { startThemeSwitch } from "./theme.js";

/** Give widgets of Django's the names that they lack for those who do not see where they stand. */
function nameWidgets() {
  for (const box of document.querySelectorAll('.select2-selection[role="combobox"]:not([aria-label])')) {
    const field = box.closest(".select2-container").previousElementSibling;
    const label = field?.labels?.[0]?.textContent.trim().replace(/:$/, "");
    if (!label) continue;
    box.removeAttribute("aria-labelledby");
    for (const each of [box, ...box.querySelectorAll('[role="textbox"]')]) each.setAttribute("aria-label", label);
  }
  for (const [part, name] of [
    [".vDateField", "date"],
    [".vTimeField", "time"],
  ]) {
    for (const field of document.querySelectorAll(`.form-row ${part}:not([aria-label])`)) {
      const label = field.closest(".form-row")?.querySelector("label, legend")?.textContent.trim().replace(/:$/, "");
      if (label) field.setAttribute("aria-label", `${label}, ${name}`);
    }
  }
  for (const hint of document.querySelectorAll("span.help-tooltip[aria-label]:not([role])"))
    hint.setAttribute("role", "img");
}

// Scripts of the administration make them some time after the page is there.
new MutationObserver(nameWidgets).observe(document.body, { childList: true, subtree: true });
nameWidgets();

startThemeSwitch();
startMenus();
forgetDraftsAtSignOut();
