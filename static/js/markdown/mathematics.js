// @ts-check
// Formulas in Markdown, kept as they were written: as in sessions/rendering/mathematics.py, which says why.
const OPENS_BLOCK = /\$\$|\\\[|\\begin\{(?<name>(?:align|alignat|eqnarray|equation|flalign|gather|multline)\*?)\}/y;
const PAIR = /\\\((?:[^\\]|\\[^()])+?\\\)|\\\[(?:[^\\]|\\[^[\]])+?\\\]|(?<!\$)\$\$(?:[^$\\]|\\[^])+?\$\$(?!\$)/y;
const DOLLARS = /(?<![\w$])\$(?![\s$])(?<tex>(?:[^$\\\n]|\\.)*)(?<!\s)\$(?![\w$])/y;
const AFTER_A_WORD = /(?<=[A-Za-z\d])\\/y;
const SURELY_TEX = /[\\^_={}]/;
const OPERATOR = /[-+*/<>|]/;

/** Add the rules to a parser. Blocks become `math_block` tokens, inline formulas `math_inline`. */
export function keepMathematics(parser) {
  const alt = ["paragraph", "reference", "blockquote", "list"];
  parser.block.ruler.before("fence", "math_block", mathBlock, { alt });
  parser.inline.ruler.before("escape", "math_inline", mathInline);
}

function mathBlock(state, start, end, silent) {
  if (state.sCount[start] - state.blkIndent >= 4) return false;
  const opening = matchAt(OPENS_BLOCK, state.src, state.bMarks[start] + state.tShift[start]);
  if (!opening || opening.index + opening[0].length > state.eMarks[start]) return false;
  const found = closingLine(state, start, end, opening);
  if (!found) return false;
  if (silent) return true;
  const token = state.push("math_block", "pre", 0);
  token.content = state.getLines(start, found.line + 1, state.blkIndent, false).trim();
  token.map = [start, found.line + 1];
  token.meta = { isOpen: found.isOpen };
  state.line = found.line + 1;
  return true;
}

/** Find the line whose end closes `opening`: none if a line before it is empty or opens it again. */
function closingLine(state, start, end, opening) {
  const [opener] = opening;
  const closer = { $$: "$$", "\\[": "\\]" }[opener] ?? `\\end{${opening.groups.name}}`;
  let position = opening.index + opener.length;
  for (let line = start; line < end; line++) {
    if (line > start) {
      if (state.isEmpty(line) || state.sCount[line] < state.blkIndent) return null;
      position = state.bMarks[line] + state.tShift[line];
    }
    const text = state.src.slice(position, state.eMarks[line]);
    const place = text.indexOf(closer);
    if (place >= 0) {
      const whole = line > start || text.slice(0, place).trim();
      const isEnd = ["", ".", ",", ";"].includes(text.slice(place + closer.length).trim());
      return whole && isEnd ? { line, isOpen: false } : null;
    }
    if (text.includes(opener)) return null;
  }
  // More is to come: what was opened is a formula until an empty line tells otherwise.
  return state.env.isOpen && state.eMarks[end - 1] >= state.src.length - 1 ? { line: end - 1, isOpen: true } : null;
}

function mathInline(state, silent) {
  const sign = state.src[state.pos];
  if (sign !== "\\" && sign !== "$") return false;
  let found = matchAt(PAIR, state.src, state.pos);
  if (found && state.pos + found[0].length > state.posMax) found = null;
  if (found) {
    // Escaped brackets: `list\[0\]`, `\[link\](…)`.
    if (matchAt(AFTER_A_WORD, state.src, state.pos) || state.src[state.pos + found[0].length] === "(") return false;
  } else {
    found = matchAt(DOLLARS, state.src, state.pos);
    if (!found || state.pos + found[0].length > state.posMax || !isTex(found.groups.tex)) return false;
  }
  if (!silent) state.push("math_inline", "code", 0).content = found[0];
  state.pos += found[0].length;
  return true;
}

/** Whether text between two dollar signs is a formula rather than prose between two amounts. */
function isTex(text) {
  return SURELY_TEX.test(text) || !/\s/.test(text) || (OPERATOR.test(text) && !/^\d/.test(text));
}

function matchAt(pattern, text, position) {
  pattern.lastIndex = position;
  return pattern.exec(text);
}
