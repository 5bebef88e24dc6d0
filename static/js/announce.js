// @ts-check
// Announcements for screen readers: that an answer began and ended, not each word.

const region = document.querySelector("[data-announcer]");
const waiting = [];

export function announce(sentence) {
  if (!waiting.length) setTimeout(speak, 150);
  waiting.push(sentence);
}

// Sentences of the same moment are spoken together: the next would cut off the one before.
function speak() {
  region.textContent = waiting.splice(0).join(" ");
}
