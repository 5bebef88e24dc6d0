// @ts-check
// Draws what has changed, once a frame and for a few milliseconds at most: the page stays smooth however many answers
// stream at once, and however fast.
const FRAME_MS = 6;
// A block that takes long to draw is drawn less often: after this many times as long, and longer the longer it took.
const REST = 4;
const LONG_MS = 10;
const LONGEST_REST_MS = 1_000;

const waiting = new Map(); // drawn thing -> the earliest time
let isAsked = false;

/** Have `thing.draw()` called in one of the next frames. */
export function drawSoon(thing) {
  if (!waiting.has(thing)) waiting.set(thing, thing.drawAfter ?? 0);
  ask();
}

export function drawNoMore(thing) {
  waiting.delete(thing);
}

function ask() {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(drawAll);
}

function drawAll(now) {
  isAsked = false;
  const begun = performance.now();
  // Who has waited longest comes first: a Map keeps the order.
  for (const [thing, earliest] of waiting) {
    if (earliest > now) continue;
    waiting.delete(thing);
    const before = performance.now();
    thing.draw();
    const after = performance.now();
    const tookMs = after - before;
    thing.drawAfter = after + Math.min(tookMs * (REST + tookMs / LONG_MS), LONGEST_REST_MS);
    if (after - begun > FRAME_MS) break;
  }
  if (waiting.size) ask();
}
