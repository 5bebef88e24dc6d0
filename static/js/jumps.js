// Links and addresses with an anchor lead to a message: on this page if it is here, else on the page that has it.
import { reveal } from "./lane-tabs.js";

/** `onJump()` runs before the reader's place changes. */
export function startJumps(transcript, onJump) {
  const jump = (hash) => {
    const place = hash.length > 1 ? document.getElementById(decodeURIComponent(hash.slice(1))) : null;
    if (!place || !transcript.contains(place)) return false;
    onJump();
    const steps = place.closest("[data-steps]");
    if (steps) steps.open = true;
    reveal(place);
    document.dispatchEvent(new Event("jump"));
    point(place);
    return true;
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-jump]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (jump(new URL(link.href).hash)) event.preventDefault();
  });
  addEventListener("hashchange", () => jump(location.hash));
  jump(location.hash);
}

function point(place) {
  const message = place.querySelector(".question") ?? place; // of a turn, its message
  place.tabIndex = -1; // the browser focuses the target of an address
  place.focus({ preventScroll: true });
  message.scrollIntoView({ block: message.offsetHeight > innerHeight / 2 ? "start" : "center" });
  message.classList.add("pointed-at");
  setTimeout(() => message.classList.remove("pointed-at"), 2500);
}
