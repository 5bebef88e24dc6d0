// @ts-check
// Text that was changed is thrown away only after a question.

export function mayDiscard(box, text) {
  return box.value === text || confirm("Discard your changes?");
}
