// @ts-check
// Times are sent in UTC and shown in the reader's own zone, in the style of web/dates.py.

/** @type {Intl.DateTimeFormatOptions} */
const TIME = { hour: "numeric", minute: "2-digit" };
/** @type {Intl.DateTimeFormatOptions} */
const DAY = { month: "short", day: "numeric" };
const SAME_DAY = new Intl.DateTimeFormat("en-US", TIME);
const SAME_YEAR = new Intl.DateTimeFormat("en-US", { ...DAY, ...TIME });
const OTHER = new Intl.DateTimeFormat("en-US", { ...DAY, year: "numeric" });
const FULL = new Intl.DateTimeFormat("en-US", { dateStyle: "full", timeStyle: "long" });

export function localizeTimes(root) {
  for (const time of root.querySelectorAll("time[data-time]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) showTime(time, moment);
  }
}

export function showTime(time, moment) {
  const now = new Date();
  const today = moment.toDateString() === now.toDateString() && !("withDay" in time.dataset);
  const format = today ? SAME_DAY : moment.getFullYear() === now.getFullYear() ? SAME_YEAR : OTHER;
  time.dateTime = moment.toISOString();
  time.textContent = format.format(moment).replace("\u202f", " ");
  time.title = FULL.format(moment);
}
