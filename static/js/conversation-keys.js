// @ts-check
// Keys of a conversation: Escape stops an answer, ArrowUp in an empty message box edits the last message.
import { isOfInputMethod } from "./enter-key.js";

// What Escape closes first, and where it means something else.
const OPEN = [
  "dialog[open]",
  ":popover-open",
  "[data-menu][open]",
  "[data-panel][data-open]",
  "[data-question-editor]",
  "[data-tag-list]:not([hidden])",
].join();
const OWN_ESCAPE = "input, select, [data-panel] form";

/** `isRunning()`: whether there is something to stop; `canEdit()`: whether a message can be edited. */
export function startConversationKeys({ stopButton, box, transcript, isRunning, canEdit, onStop }) {
  stopButton.title = "Stop (Esc)";
  stopButton.setAttribute("aria-keyshortcuts", "Escape");
  // While the event goes down: what it closes is still open.
  document.addEventListener(
    "keydown",
    (event) => {
      if (event.key !== "Escape" || event.repeat || isOfInputMethod(event) || !isRunning()) return;
      if (document.querySelector(OPEN) || event.target.closest(OWN_ESCAPE)) return;
      onStop();
    },
    { capture: true },
  );
  box.addEventListener("keydown", (event) => {
    const { key, shiftKey, ctrlKey, metaKey, altKey } = event;
    if (key !== "ArrowUp" || shiftKey || ctrlKey || metaKey || altKey || isOfInputMethod(event)) return;
    if (box.value || event.defaultPrevented || !canEdit()) return;
    const edit = transcript.querySelector("[data-turn]:last-child [data-action=edit]");
    if (!edit) return;
    event.preventDefault();
    edit.click();
  });
}
