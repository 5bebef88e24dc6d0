// @ts-check
// The Markdown of answers, as the server parses it (sessions/rendering/markdown.py): the same parser, rules and limits. Its
// tokens become nodes in nodes.js; no HTML is written here.
import MarkdownIt from "../../vendor/markdown-it/markdown-it.esm.min.mjs";
import { amendEmphasis } from "./emphasis.js";
import { keepMathematics } from "./mathematics.js";
import { closeInline } from "./unfinished.js";
import { countWork, TooMuchWork, Work, workOfLink } from "./work.js";

export const RICH_LIMIT = 100_000;
const INLINE_LIMIT = 10_000;
const NESTING_LIMIT = 18;
const INLINE_NESTING_LIMIT = 40;
const LINK_LIMIT = 2_000;
const TARGETS_PER_CHAR = 4;
const TARGETS_CHARS = 10_000;

const ALLOWED_LINK = /^(https?:\/\/|mailto:)\S/i;
const LINE_BREAK = /<br ?\/?>/iy;

const work = new Work();
const parser = makeParser();

/**
 * Parse a text, or the part that has not been finished. With `isOpen` more of it is to come.
 * Returns its block tokens and the units of work left. Throws TooMuchWork.
 */
export function parse(text, { references = {}, isOpen = false, limit }) {
  work.left = limit;
  const env = { references: { ...references }, isOpen };
  const tokens = parser.parse(text, env);
  return { tokens, references: env.references, left: work.left };
}

function makeParser() {
  const made = new MarkdownIt("commonmark", { html: false, linkify: true, maxNesting: NESTING_LIMIT + 2 });
  const { normalizeLink, normalizeLinkText } = made;
  const takes = (url) => {
    if (url.length > LINK_LIMIT) return false;
    work.take(workOfLink(url));
    return true;
  };
  made.normalizeLink = (url) => (takes(url) ? normalizeLink.call(made, url) : "");
  made.normalizeLinkText = (url) => (takes(url) ? normalizeLinkText.call(made, url) : url);
  made.validateLink = (url) => ALLOWED_LINK.test(url);
  // Link only with an explicit scheme: README.md is a file.
  made.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
  made.enable(["table", "strikethrough", "linkify"]);
  made.inline.ruler.disable("html_inline");
  made.block.ruler.disable("html_block");
  made.core.ruler.disable("linkify");
  countWork(made, work);
  amendEmphasis(made);
  made.block.ruler.before("table", "leave_deep_nesting", leaveDeepNesting);
  made.core.ruler.before("inline", "close_inline", closeLastInline);
  made.core.ruler.before("inline", "leave_long_paragraphs", leaveLongParagraphs);
  made.core.ruler.push("refuse_excess", refuseExcess);
  made.inline.ruler.before("autolink", "break_line", breakLine);
  keepMathematics(made);
  return made;
}

/** Keep blocks that are nested too deeply as source; the parser would drop them. */
function leaveDeepNesting(state, start, end) {
  if (state.level < NESTING_LIMIT) return false;
  let line = start;
  while (line < end && (state.isEmpty(line) || state.sCount[line] < 0 || state.sCount[line] >= state.blkIndent)) line++;
  const token = state.push("code_block", "code", 0);
  token.content = state.getLines(start, line, state.blkIndent, false);
  token.map = [start, line];
  state.line = line;
  return true;
}

/** While more is to come, close what is open at the end, so that its signs are not shown. */
function closeLastInline(state) {
  if (!state.env.isOpen || state.src.endsWith("\n\n")) return;
  const last = state.tokens.findLast(({ nesting }) => nesting >= 0);
  if (last?.type === "inline" && last.content.length <= INLINE_LIMIT) last.content = closeInline(last.content);
}

/** Content that is too long for the inline parser stays plain text: its cost is quadratic. */
function leaveLongParagraphs(state) {
  for (const token of state.tokens) {
    if (token.type === "inline" && token.content.length > INLINE_LIMIT) token.type = "text";
  }
}

/** Refuse links that would be copied out of proportion, and emphasis that is nested too deeply. */
function refuseExcess(state) {
  let left = TARGETS_PER_CHAR * state.src.length + TARGETS_CHARS;
  for (const { children } of state.tokens) {
    for (const child of children ?? []) {
      for (const [, value] of child.attrs ?? []) left -= value.length;
      if (left < 0 || child.level > INLINE_NESTING_LIMIT) throw new TooMuchWork();
    }
  }
}

/** Parse `<br>`, the only way to break a line in a table cell. No other tag is interpreted. */
function breakLine(state, silent) {
  LINE_BREAK.lastIndex = state.pos;
  const found = LINE_BREAK.exec(state.src);
  if (!found || state.pos + found[0].length > state.posMax) return false;
  if (!silent) state.push("hardbreak", "br", 0);
  state.pos += found[0].length;
  return true;
}
