// @ts-check
// Emphasis beside Chinese, Japanese and Korean text, which has no spaces: as in sessions/rendering/markdown_emphasis.py.
const EAST_ASIAN =
  /^[\u1100-\u11ff\u20a9\u2329\u232a\u2e80-\u303e\u3040-\u3247\u3250-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff3d\uff3f\uff41-\uffe2\uffe5\uffe6\uffe9-\uffec\u{16fe0}-\u{1b2ff}\u{20000}-\u{3fffd}]$/u;
const ASCII = /^[\0-\x7f]*$/;

/** Use the amended rule for `*`, `_` and `~` in a parser. */
export function amendEmphasis(parser) {
  const { isMdAsciiPunct, isPunctChar, isWhiteSpace } = parser.utils;
  const isSpace = (character) => isWhiteSpace(character.codePointAt(0));
  const isSign = (character) => isMdAsciiPunct(character.codePointAt(0)) || isPunctChar(character);
  const isForeignSign = (character) => isSign(character) && !EAST_ASIAN.test(character);

  parser.inline.State = class extends parser.inline.State {
    scanDelims(start, canSplitWord) {
      const scanned = super.scanDelims(start, canSplitWord);
      const end = start + scanned.length;
      let before = characterBefore(this.src, start);
      const after = end < this.posMax ? String.fromCodePoint(this.src.codePointAt(end)) : " ";
      // It selects a variant of the character before it.
      if (before >= "\ufe00" && before <= "\ufe0e" && start > 1) before = characterBefore(this.src, start - 1);
      if (ASCII.test(before + after)) return scanned;
      const left =
        !isSpace(after) && (!isForeignSign(after) || isSpace(before) || isSign(before) || EAST_ASIAN.test(before));
      const right =
        !isSpace(before) && (!isForeignSign(before) || isSpace(after) || isSign(after) || EAST_ASIAN.test(after));
      return {
        can_open: left && (canSplitWord || !right || isSign(before)),
        can_close: right && (canSplitWord || !left || isSign(after)),
        length: scanned.length,
      };
    }
  };
}

function characterBefore(text, position) {
  if (position <= 0) return " ";
  const isLow = /[\udc00-\udfff]/.test(text[position - 1]) && position > 1;
  return isLow ? text.slice(position - 2, position) : text[position - 1];
}
