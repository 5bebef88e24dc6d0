// @ts-check
// A text that is coming, laid out as Markdown. Blocks that are finished are not touched again; of each frame the work is
// that of the open block. The end of a block is known when another one has begun on a line that is whole.
import { typesetFormulas } from "../formulas.js";
import { drawNoMore, drawSoon } from "./frames.js";
import { morphChildren } from "./morph.js";
import { nodesOf } from "./nodes.js";
import { parse, RICH_LIMIT } from "./parser.js";
import { withoutSigns, withTableRule } from "./unfinished.js";
import { TooMuchWork, WORK_LIMIT } from "./work.js";

// As sessions/rendering/markdown.py says it.
const TOO_LONG = "Too long to format. Shown as plain text.";
const TOO_COMPLEX = "Too complex to format. Shown as plain text.";

export class MarkdownStream {
  constructor(place) {
    this.place = place;
    this.text = "";
    this.finishedChars = 0; // of the text
    this.finishedNodes = 0; // of the place
    this.references = {}; // of the finished blocks
    this.limit = WORK_LIMIT;
    this.plain = null; // the text node of a text that is not laid out
    this.isOpen = true;
  }

  append(text) {
    if (this.plain) {
      this.plain.appendData(text);
      return;
    }
    this.text += text;
    drawSoon(this);
  }

  /** Draw at once what is not drawn yet; no more will come. */
  close() {
    this.isOpen = false;
    if (!this.plain) this.draw();
    drawNoMore(this);
  }

  /** Leave the place to what replaces the text. */
  leave() {
    drawNoMore(this);
  }

  draw() {
    if (this.text.length > RICH_LIMIT) return this.showPlain(TOO_LONG);
    try {
      this.drawOpen();
    } catch (error) {
      if (!(error instanceof TooMuchWork)) throw error;
      this.showPlain(TOO_COMPLEX);
    }
  }

  drawOpen() {
    const source = this.text.slice(this.finishedChars);
    const shown = this.isOpen ? withoutSigns(source) : source;
    const parsed = this.parse(shown);
    const table = this.isOpen && endsWithParagraph(parsed.tokens) ? withTableRule(shown) : null;
    const { tokens } = table ? this.parse(table) : parsed;
    const nodes = nodesOf(tokens);
    typesetFormulas(nodes);
    morphChildren(this.place, nodes, this.finishedNodes);
    if (table) return;
    const lines = lineStarts(source);
    const blocks = blocksOf(tokens, lines.length);
    const open = blocks.findLastIndex(({ line, isCertain }) => isCertain && line < lines.length - 1);
    if (open > 0) this.finish(source.slice(0, lines[blocks[open].line]), open, parsed);
  }

  parse(text) {
    const { references, limit, isOpen } = this;
    return parse(text, { references, limit, isOpen });
  }

  /** Take the blocks of `source` as finished. */
  finish(source, blocks, { references, left }) {
    const spent = this.limit - left;
    if (Object.keys(references).length > Object.keys(this.references).length) {
      this.references = parse(source, { references: this.references, limit: this.limit }).references;
    }
    this.limit -= Math.ceil((spent * source.length) / (this.text.length - this.finishedChars));
    this.finishedChars += source.length;
    this.finishedNodes += blocks;
  }

  /** Show the whole text as it was written, as the server will. */
  showPlain(sentence) {
    const note = document.createElement("p");
    note.className = "plain-note";
    note.textContent = sentence;
    const box = document.createElement("pre");
    box.className = "plain-text";
    box.tabIndex = 0;
    this.plain = document.createTextNode(this.text);
    box.append(this.plain);
    this.place.replaceChildren(note, box);
    this.text = "";
  }
}

/** Return the first line of each block that stands by itself, and whether it is one: a formula may yet prove to be text. */
function blocksOf(tokens, lines) {
  const mayBeText = ({ type, meta, map }) => type === "math_block" && (meta.isOpen || map[1] === lines);
  const blocks = tokens.filter(({ level, nesting }) => level === 0 && nesting >= 0);
  return blocks.map((token) => ({ line: token.map[0], isCertain: !mayBeText(token) }));
}

function endsWithParagraph(tokens) {
  const last = tokens.at(-1);
  return last?.type === "paragraph_close" && last.level === 0;
}

function lineStarts(text) {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}
