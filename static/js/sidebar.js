// @ts-check
// The sidebar: N for a new session, lists and menus that load on demand, and what has been seen.
import { ApiError, csrfToken, getFragment } from "./api.js";
import { isCommandKey } from "./keys.js";
import { groupByPeriod } from "./session-periods.js";

export function startSidebar() {
  const sidebar = document.querySelector("[data-sidebar]");
  if (!(sidebar instanceof HTMLElement)) return;
  const list = sidebar.querySelector("[data-session-list]");
  if (list) groupByPeriod(list);
  sidebar.addEventListener("click", (event) => {
    const more = event.target instanceof Element && event.target.closest("[data-more]");
    if (more instanceof HTMLButtonElement) void loadMore(more);
  });
  sidebar.addEventListener("toggle", ({ target }) => void openMenu(target), { capture: true });
  sidebar.addEventListener("scroll", () => closeMenus(sidebar));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "n" || !isCommandKey(event)) return;
    event.preventDefault();
    newSession();
  });
  sidebar.querySelector('[aria-current="page"]')?.scrollIntoView({ block: "nearest" });
  startSeen(sidebar);
}

/** Put the items of a fragment in place of the button that asks for them, or of its whole list. */
async function loadMore(/** @type {HTMLButtonElement} */ button) {
  button.disabled = true;
  let html;
  try {
    html = await getFragment(button.dataset.more);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    button.disabled = false;
    button.textContent = "Not loaded. Try again";
    return;
  }
  const list = /** @type {HTMLElement} */ (button.closest("ul"));
  const items = fragmentOf(html);
  const first = items.querySelector("a");
  if (button.hasAttribute("data-more-replaces")) list.replaceChildren(items);
  else button.closest("li")?.replaceWith(items);
  if (list.hasAttribute("data-session-list")) groupByPeriod(list);
  first?.focus();
}

async function openMenu(/** @type {EventTarget | null} */ menu) {
  if (!(menu instanceof HTMLDetailsElement) || !menu.open || !menu.dataset.sessionMenu) return;
  const items = /** @type {HTMLElement} */ (menu.querySelector(".menu-items"));
  try {
    items.replaceChildren(fragmentOf(await getFragment(menu.dataset.sessionMenu)));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    items.textContent = error.message;
  }
  const isCurrent = menu.parentElement?.querySelector('[aria-current="page"]') !== null;
  for (const form of items.querySelectorAll("form")) {
    if (!isCurrent || !form.action.endsWith("/delete")) form.append(field("next", location.pathname + location.search));
  }
  place(items, menu);
}

/** Show a menu beside its button, within the window. */
function place(/** @type {HTMLElement} */ items, /** @type {HTMLElement} */ menu) {
  const at = menu.getBoundingClientRect();
  items.style.left = `${Math.max(8, Math.min(at.left, innerWidth - items.offsetWidth - 8))}px`;
  items.style.top = `${Math.max(8, Math.min(at.bottom + 4, innerHeight - items.offsetHeight - 8))}px`;
}

function closeMenus(/** @type {HTMLElement} */ sidebar) {
  for (const menu of sidebar.querySelectorAll("[data-session-menu][open]")) {
    /** @type {HTMLDetailsElement} */ (menu).open = false;
  }
}

/** Start a new session, as the button *New* does. */
export function newSession() {
  const target = document.querySelector("[data-new-session]");
  if (target instanceof HTMLFormElement) target.requestSubmit();
  else if (target instanceof HTMLAnchorElement) location.assign(target.href);
}

/** Tell the server that the session on this page has been seen: now, and when an answer ends while it is shown. */
function startSeen(/** @type {HTMLElement} */ sidebar) {
  const transcript = /** @type {HTMLElement | null} */ (document.querySelector("[data-session]"));
  if (!transcript) return;
  const url = `/sessions/${transcript.dataset.session}/seen`;
  const mark = () => {
    fetch(url, { method: "POST", keepalive: true, headers: { "X-CSRFToken": csrfToken() } }).catch((error) =>
      console.info("the session stays unread", error.message),
    );
    sidebar.querySelector('[aria-current="page"] [data-unread]')?.remove();
  };
  if (sidebar.querySelector('[aria-current="page"] [data-unread]')) mark();
  document.addEventListener("turn-ended", mark);
}

function fragmentOf(/** @type {string} */ html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

function field(/** @type {string} */ name, /** @type {string} */ value) {
  return Object.assign(document.createElement("input"), { type: "hidden", name, value });
}
