// @ts-check
// The example questions of an empty session: a click puts one into the composer, and sends nothing.

/**
 * @param {Element} transcript
 * @param {{ box: HTMLTextAreaElement }} composer
 */
export function startExamples(transcript, { box }) {
  transcript.addEventListener("click", (event) => {
    const example = event.target instanceof Element ? event.target.closest("[data-example]") : null;
    if (!example) return;
    const before = box.value.trim(); // what was written stays, before the example
    box.value = before ? `${before} ${example.textContent}` : (example.textContent ?? "");
    box.dispatchEvent(new Event("input", { bubbles: true }));
    box.focus();
    box.setSelectionRange(box.value.length, box.value.length);
  });
}
