// @ts-check
// What models write while it streams: direction overrides are named, the invisible is left out.
// sessions/rendering/markdown.py does the same to the finished answer.

const BIDI = /[\u202a-\u202e\u2066-\u2069]/g;
// Joiners stay between letters of scripts and emoji that are written with them.
const INVISIBLE =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u2028\u2029\u2060-\u2065\u206a-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e0fff}]|(?<![^\u0000-\u007f])[\u200c\u200d]|[\u200c\u200d](?![^\u0000-\u007f])/gu;
const WAITS = /[\r\u200c\u200d]$/;

export function visibleText(text) {
  const named = (character) => `⟦U+${character.codePointAt(0).toString(16).toUpperCase()}⟧`;
  return text.replace(/\r\n?/g, "\n").replace(INVISIBLE, "").replace(BIDI, named);
}

/** The same for a text that comes in pieces: however it is cut, the same is shown. */
export class VisibleStream {
  constructor() {
    this.held = "";
    this.afterLetter = false; // of a script, or an emoji: a joiner may follow
  }

  /** Return what a piece adds. A joiner or a line's end that came last waits for what follows it. */
  next(piece) {
    const text = this.held + piece;
    this.held = text.match(WAITS)?.[0] ?? "";
    const whole = text.slice(0, text.length - this.held.length);
    if (!whole) return "";
    const lead = this.afterLetter ? "é" : "";
    this.afterLetter = whole.charCodeAt(whole.length - 1) > 0x7f;
    return visibleText(lead + whole).slice(lead.length);
  }
}
