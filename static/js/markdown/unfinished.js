// @ts-check
// The end of a text that is still coming: its Markdown signs are not shown before they mean something.

// A last line of signs alone may become a rule, a heading, a list, a fence or the second line of a table.
const ONLY_SIGNS = /^(?:[-+*_=#|:`~$\\[\]>. \t]+|[ \t>]*\d{1,9}[.)]?)$/;
const LONGEST_SIGNS = 200;
const LONGEST_HEAD = 2_000;
const TABLE_ROW = /^ {0,3}\|.*[^|:\s-]/;
const UNFINISHED_LINK = /!?\[(?<label>[^[\]]{1,200})(?:\](?:\([^()\s]*)?)?$/;
const LETTER = /\p{L}/u; // without one it is a citation: [1]
const UNFINISHED_FORMULA =
  /(?:\\\((?:(?!\\\)).){0,400}|\\\[(?:(?!\\\]).){0,400}|\$\$[^$]{0,400}|\$(?=[^$\n]*[\\^_{])[^\s$][^$\n]{0,400})$/s;
const SIGNS_AT_END = "*_~`[<\\";
const INLINE_SIGN = /\\[^]|`+|\*\*|__|~~|\*/g;
const WORD = /[\p{L}\p{N}]/u;

/** Return a text without a last line that consists of signs alone so far. */
export function withoutSigns(text) {
  const start = text.lastIndexOf("\n") + 1;
  const isHeld = text.length - start <= LONGEST_SIGNS && ONLY_SIGNS.test(text.slice(start));
  return isHeld ? text.slice(0, start) : text;
}

/** Return a text that ends with the head of a table with the line of dashes that has yet to come; null for others. */
export function withTableRule(text) {
  const body = text.trimEnd();
  const start = body.lastIndexOf("\n") + 1;
  const head = body.slice(start);
  if (
    head.length > LONGEST_HEAD ||
    !TABLE_ROW.test(head) ||
    TABLE_ROW.test(body.slice(body.lastIndexOf("\n", start - 2) + 1, start))
  )
    return null;
  const inner = head.trim().replace(/^\||\|$/g, "");
  return `${body}\n|${"-|".repeat(inner.split(/(?<!\\)\|/).length)}`;
}

/** Return inline text in which code, emphasis, a link or a formula that is open at the end is closed or left out. */
export function closeInline(text) {
  const body = openSigns(text).code ? withoutEnd(text, "`") : withoutEnd(withoutHalf(text), SIGNS_AT_END);
  const { code, marks } = openSigns(body);
  return (code ? body + code : body.trimEnd()) + marks;
}

/** Leave out the address of a link, or a formula, that is not yet whole. */
function withoutHalf(text) {
  const link = text.match(UNFINISHED_LINK);
  return link && LETTER.test(link.groups.label)
    ? text.slice(0, link.index) + link.groups.label
    : text.replace(UNFINISHED_FORMULA, "");
}

/** Return the backticks that open code at the end, and what closes the emphasis that is open there. */
function openSigns(text) {
  const open = [];
  let code = "";
  for (const { 0: sign, index } of text.matchAll(INLINE_SIGN)) {
    if (code) {
      if (sign === code) code = "";
    } else if (sign[0] === "`") {
      code = sign;
    } else if (sign[0] !== "\\") {
      const [before, after] = [text[index - 1] ?? " ", text[index + sign.length] ?? " "];
      const place = open.indexOf(sign);
      if (place >= 0) open.length = before.trim() ? place : open.length;
      else if (after.trim() && (sign === "**" || !WORD.test(before))) open.push(sign);
    }
  }
  return { code, marks: open.reverse().join("") };
}

function withoutEnd(text, characters) {
  let end = text.length;
  while (end > 0 && characters.includes(text[end - 1])) end--;
  return text.slice(0, end);
}
