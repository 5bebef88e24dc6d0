// @ts-check
// The limit of work for one text: as in sessions/rendering/markdown_work.py, so that what streams and what is stored give up on
// the same texts. A step is one try of the rules at one position.
const BLOCK_STEP = 6;
const INLINE_STEP = 3;
const TEXT_STEP = 1;
const DEFINITION = 30;
const EMPHASIS = 4;
const TOKEN = 3;
const LINK = 20;

export const WORK_LIMIT = 120_000;

const LETTER = /[\p{L}\p{N} ]/u;
const NO_SPACE = /\S*/y;
const TO_ANGLE = /<[^<>]*/y;
const RUN = /([*_~])\1*/y;

/** A text takes more work than its limit. */
export class TooMuchWork extends Error {}

/** What is left of the limit of the text that is being parsed. */
export class Work {
  constructor() {
    this.left = 0;
  }

  take(units) {
    this.left -= units;
    if (this.left < 0) throw new TooMuchWork();
  }
}

/** Block tokens that are counted: each becomes an element, and the end of a list looks at all tokens within it. */
class CountedTokens extends Array {
  push(token) {
    this.work.take(TOKEN + Math.floor(token.level / 4));
    return super.push(token);
  }
}

/** Make a parser count its steps. */
export function countWork(parser, work) {
  const alt = ["paragraph", "reference", "blockquote", "list"];
  parser.core.ruler.before("block", "count_tokens", (state) => {
    state.tokens = Object.assign(new CountedTokens(), { work });
  });
  parser.block.ruler.before("table", "count_block", (state, line) => countBlock(state, line, work), { alt });
  parser.inline.ruler.before("text", "count_inline", (state) => countInline(state, work));
  // The search for the end of a label skips known tokens without trying a rule.
  const { inline } = parser;
  const skipToken = inline.skipToken.bind(inline);
  inline.skipToken = (state) => {
    work.take(1);
    skipToken(state);
  };
}

/** The units that a link's address takes. */
export function workOfLink(url) {
  return LINK + url.length * (/^[\0-\x7f]*$/.test(url) ? 1 : 8);
}

function countBlock(state, line, work) {
  const begin = state.bMarks[line] + state.tShift[line];
  const until = state.eMarks[line];
  const definition = begin < until && state.src[begin] === "[" ? DEFINITION : 0;
  work.take(BLOCK_STEP + definition + Math.floor((until - begin) / 16));
  return false;
}

function countInline(state, work) {
  const sign = state.src[state.pos];
  work.take((LETTER.test(sign) ? TEXT_STEP : INLINE_STEP) + further(sign, state));
  return false;
}

/** The units for text that the rules of a sign may scan ahead. */
function further(sign, state) {
  if (sign === "*" || sign === "_" || sign === "~") return EMPHASIS + lengthOf(RUN, state);
  if (sign === "[" || sign === "!") return Math.floor(lengthOf(NO_SPACE, state) / 4);
  if (sign === "<") return Math.floor(lengthOf(TO_ANGLE, state) / 8);
  if (sign === ":" && state.src.startsWith("://", state.pos)) {
    return Math.floor((state.pending.length + lengthOf(NO_SPACE, state)) / 4);
  }
  return 0;
}

function lengthOf(pattern, state) {
  pattern.lastIndex = state.pos;
  return pattern.exec(state.src)?.[0].length ?? 0;
}
