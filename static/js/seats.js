// The order of a room's agents: buttons, and Alt+Up and Alt+Down, move a row; its number follows. Without this the
// numbers are typed.

const list = document.querySelector("[data-seats]");
if (list) {
  for (const moves of list.querySelectorAll(".seat-moves")) moves.hidden = false;
  for (const position of list.querySelectorAll(".seat-position")) position.hidden = true;
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-move]");
    if (button) move(button.closest("[data-seat]"), Number(button.dataset.move), button);
  });
  list.addEventListener("keydown", (event) => {
    if (!event.altKey || (event.key !== "ArrowUp" && event.key !== "ArrowDown")) return;
    event.preventDefault();
    move(event.target.closest("[data-seat]"), event.key === "ArrowUp" ? -1 : 1, event.target);
  });
}

function move(seat, direction, focused) {
  const other = direction < 0 ? seat.previousElementSibling : seat.nextElementSibling;
  if (!other) return;
  if (direction < 0) other.before(seat);
  else other.after(seat);
  [...list.children].forEach((row, index) => {
    row.querySelector(".seat-position").value = index + 1;
  });
  focused.focus();
}
