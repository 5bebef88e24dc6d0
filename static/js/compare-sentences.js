// @ts-check
// Which sentences only one of several answers has. Deterministic, and bounded for any text: the first sentences of each
// answer are compared by their words, each with every sentence of the others.

export const MOST_SENTENCES = 200; // of each answer
const MOST_WORDS = 60; // different ones, of a sentence
const FEWEST_WORDS = 3; // a heading of two words says too little to compare

const WITHOUT_SPACES = String.raw`\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}`;
// In scripts without spaces each character counts as a word.
const WORDS = new RegExp(String.raw`[${WITHOUT_SPACES}]|(?:(?![${WITHOUT_SPACES}])[\p{L}\p{M}\p{N}])+`, "gu");
const BLOCKS = "p, li, h1, h2, h3, h4, h5, h6, td, th, dt, dd, blockquote";
const NOT_PROSE = "pre, math, button, .code-block";
const sentencesIn = new Intl.Segmenter(undefined, { granularity: "sentence" });

/**
 * Return an answer's sentences, each with its words and its pieces of text nodes.
 * @param {Element} text
 */
export function readSentences(text) {
  const sentences = [];
  for (const nodes of blocksOf(text)) {
    for (const { segment, index } of sentencesIn.segment(nodes.map(({ data }) => data).join(""))) {
      const words = wordsOf(segment);
      if (words.size < FEWEST_WORDS) continue;
      if (sentences.length === MOST_SENTENCES) return { sentences, isCut: true };
      const lead = segment.length - segment.trimStart().length;
      sentences.push({ words, pieces: piecesOf(nodes, index + lead, index + segment.trimEnd().length) });
    }
  }
  return { sentences, isCut: false };
}

/**
 * Return for each answer the sentences that share less than half of their words with every sentence of the others.
 * @template {{words: Set<string>}} Sentence
 * @param {Sentence[][]} answers
 */
export function onlyInOne(answers) {
  const all = answers.flatMap((sentences, answer) => sentences.map((sentence) => ({ sentence, answer })));
  const places = new Map(); // word -> numbers of the sentences that have it
  all.forEach(({ sentence }, number) => {
    for (const word of sentence.words) {
      if (places.has(word)) places.get(word).push(number);
      else places.set(word, [number]);
    }
  });
  const shared = new Uint16Array(all.length);
  const isAlone = ({ sentence, answer }) => {
    shared.fill(0);
    for (const word of sentence.words) for (const number of places.get(word)) shared[number] += 1;
    return all.every(
      (other, number) =>
        other.answer === answer || 4 * shared[number] < sentence.words.size + other.sentence.words.size,
    );
  };
  const alone = new Set(all.filter(isAlone).map(({ sentence }) => sentence));
  return answers.map((sentences) => sentences.filter((sentence) => alone.has(sentence)));
}

/** Return the text nodes of each block, without code and formulas. */
function blocksOf(text) {
  const blocks = new Map();
  const walker = document.createTreeWalker(text, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node.parentElement.closest(NOT_PROSE)) continue;
    const block = node.parentElement.closest(BLOCKS) ?? text;
    if (blocks.has(block)) blocks.get(block).push(node);
    else blocks.set(block, [node]);
  }
  return blocks.values();
}

function wordsOf(sentence) {
  const words = new Set();
  for (const [word] of sentence.normalize("NFKC").toLowerCase().matchAll(WORDS)) {
    words.add(word);
    if (words.size === MOST_WORDS) break;
  }
  return words;
}

/** Return the parts of text nodes between two places of their common text. */
function piecesOf(nodes, start, end) {
  const pieces = [];
  let place = 0;
  for (const node of nodes) {
    const [from, to] = [Math.max(start - place, 0), Math.min(end - place, node.length)];
    if (from < to) pieces.push({ node, from, to });
    place += node.length;
  }
  return pieces;
}

/**
 * Mark sentences of one text.
 * @param {{pieces: {node: Text, from: number, to: number}[]}[]} sentences
 */
export function markSentences(sentences) {
  const pieces = sentences.flatMap((sentence) => sentence.pieces);
  // From the end: a node that is split keeps the places before the split.
  for (const { node, from, to } of pieces.reverse()) {
    node.splitText(to);
    const mark = document.createElement("mark");
    const marked = node.splitText(from);
    marked.replaceWith(mark);
    mark.append(marked);
  }
}
