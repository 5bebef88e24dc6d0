// What models write while it streams: direction overrides are named, the invisible is left out.
// sessions/markdown.py does the same, and more, to the finished answer.

const BIDI = /[\u202a-\u202e\u2066-\u2069]/g;
const INVISIBLE =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028\u2029\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]/gu;

export function visibleText(text) {
  const named = (character) => `⟦U+${character.codePointAt(0).toString(16).toUpperCase()}⟧`;
  return text.replace(INVISIBLE, "").replace(BIDI, named);
}
