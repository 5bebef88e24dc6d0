// Names that widgets of Django's administration lack, for those who do not see where they stand.

function nameWidgets() {
  for (const box of document.querySelectorAll('.select2-selection[role="combobox"]:not([aria-label])')) {
    const field = box.closest(".select2-container").previousElementSibling;
    const label = field?.labels?.[0]?.textContent.trim().replace(/:$/, "");
    if (!label) continue;
    box.removeAttribute("aria-labelledby");
    for (const each of [box, ...box.querySelectorAll('[role="textbox"]')]) each.setAttribute("aria-label", label);
  }
  for (const hint of document.querySelectorAll("span.help-tooltip[aria-label]:not([role])")) hint.setAttribute("role", "img");
}

// Scripts of the administration make them some time after the page is there.
new MutationObserver(nameWidgets).observe(document.body, { childList: true, subtree: true });
nameWidgets();
