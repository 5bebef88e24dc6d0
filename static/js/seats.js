// The order of a room's agents in its form: the numbers follow. Without this the numbers are typed.
import { Reorder } from "./reorder.js";

const list = document.querySelector("[data-seats]");
if (list) {
  for (const element of list.querySelectorAll(".seat-moves, [data-handle]")) element.hidden = false;
  for (const position of list.querySelectorAll(".seat-position")) position.hidden = true;
  new Reorder(list, {
    nameOf: (seat) => seat.dataset.name,
    onMoved: () => {
      [...list.children].forEach((seat, index) => {
        seat.querySelector(".seat-position").value = index + 1;
      });
    },
  });
}
