// @ts-check
// Times are sent in UTC and shown in the reader's own zone.

const SAME_DAY = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const SAME_YEAR = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});
const OTHER = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });

export function localizeTimes(root) {
  for (const time of root.querySelectorAll("time[data-time]")) {
    const moment = new Date(time.dateTime);
    if (!Number.isNaN(moment.getTime())) showTime(time, moment);
  }
}

export function showTime(time, moment) {
  const now = new Date();
  const format =
    moment.toDateString() === now.toDateString()
      ? SAME_DAY
      : moment.getFullYear() === now.getFullYear()
        ? SAME_YEAR
        : OTHER;
  time.dateTime = moment.toISOString();
  time.textContent = format.format(moment);
  time.title = FULL.format(moment);
}
