// Side panels of the workspace that a narrow window hides: opened by their button, closed by Escape, Back, a click
// outside or a link in them that leads into the conversation, which they cover.

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
      if (open) enter();
      else leave();
    });
    panelOf(opener)
      .querySelector("[data-panel-close]")
      .addEventListener("click", () => {
        closeAll({ refocus: true });
        leave();
      });
  }
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    closeAll({ refocus: true });
    leave();
  });
  addEventListener("popstate", () => closeAll({ refocus: true }));
  document.addEventListener("jump", () => {
    closeAll({ refocus: false });
    stay();
  });
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-panel], [data-panel-open]")) return;
    closeAll({ refocus: false });
    if (event.target.closest("a, button, summary")) stay();
    else leave();
  });
  stay(); // the page was loaded again, with its panels closed
}

/** Give Back an entry of its own, so that it closes the panel and leaves the page where it is. */
function enter() {
  if (!history.state?.panel) history.pushState({ panel: true }, "");
}

/** Take that entry away again. */
function leave() {
  if (history.state?.panel) history.back();
}

/** Keep the entry as one of the page: what was clicked may lead elsewhere, which going back would stop. */
function stay() {
  if (history.state?.panel) history.replaceState(null, "");
}
