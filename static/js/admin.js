// Names that widgets of Django's administration lack, for those who do not see where they stand. They are made at `load`.

addEventListener("load", () => {
  for (const box of document.querySelectorAll('.select2-selection[role="combobox"]')) {
    const field = box.closest(".select2-container").previousElementSibling;
    const label = field?.labels?.[0]?.textContent.trim().replace(/:$/, "");
    if (!label) continue;
    box.removeAttribute("aria-labelledby");
    box.setAttribute("aria-label", label);
    const shown = box.querySelector(".select2-selection__rendered");
    if (shown?.getAttribute("role") === "textbox") shown.setAttribute("aria-label", label);
  }
  for (const hint of document.querySelectorAll("span.help-tooltip[aria-label]")) hint.setAttribute("role", "img");
});
