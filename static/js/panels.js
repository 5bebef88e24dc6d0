// Side panels of the workspace that a narrow window hides: opened by their button, closed by Escape, a click outside
// or a link in them that leads into the conversation, which they cover.

export function startPanels() {
  const openers = [...document.querySelectorAll("[data-panel-open]")];
  const panelOf = (opener) => document.getElementById(opener.dataset.panelOpen);

  function set(opener, open) {
    const panel = panelOf(opener);
    panel.toggleAttribute("data-open", open);
    opener.setAttribute("aria-expanded", String(open));
    if (open) panel.querySelector("[data-panel-close]").focus();
  }

  function closeAll({ refocus }) {
    for (const opener of openers) {
      if (!panelOf(opener).hasAttribute("data-open")) continue;
      set(opener, false);
      if (refocus) opener.focus();
    }
  }

  for (const opener of openers) {
    opener.addEventListener("click", () => {
      const open = !panelOf(opener).hasAttribute("data-open");
      closeAll({ refocus: false });
      set(opener, open);
    });
    panelOf(opener)
      .querySelector("[data-panel-close]")
      .addEventListener("click", () => closeAll({ refocus: true }));
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") closeAll({ refocus: true });
  });
  document.addEventListener("jump", () => closeAll({ refocus: false }));
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-panel], [data-panel-open]")) closeAll({ refocus: false });
  });
}
