// @ts-check
// The headings of the sidebar's sessions in the reader's time zone; the server writes them in UTC
// (sessions/pages/sidebar.py has the same rule).

const WEEK = 7;

/** Put the headings of periods anew between sessions that have their time in `data-updated`. */
export function groupByPeriod(/** @type {Element} */ list) {
  const today = dayOf(new Date());
  for (const heading of list.querySelectorAll("[data-period]")) heading.remove();
  let shown = "";
  for (const item of list.querySelectorAll("[data-updated]")) {
    const label = periodOf(new Date(/** @type {HTMLElement} */ (item).dataset.updated ?? ""), today);
    if (label !== shown) item.before(heading(label));
    shown = label;
  }
}

function heading(/** @type {string} */ label) {
  const item = document.createElement("li");
  item.className = "sidebar-period";
  item.dataset.period = "";
  item.append(Object.assign(document.createElement("h3"), { textContent: label }));
  return item;
}

export function periodOf(/** @type {Date} */ at, /** @type {number} */ today) {
  const daysAgo = today - dayOf(at);
  if (daysAgo <= 1) return daysAgo === 1 ? "Yesterday" : "Today";
  if (daysAgo <= WEEK) return "Previous 7 days";
  const isThisYear = at.getFullYear() === new Date().getFullYear();
  return at.toLocaleDateString("en", { month: "long", ...(isThisYear ? {} : { year: "numeric" }) });
}

/** Return a number that is one more on each local day. */
function dayOf(/** @type {Date} */ at) {
  return Date.UTC(at.getFullYear(), at.getMonth(), at.getDate()) / 86_400_000;
}
