// @ts-check
// A mode that needs a goal asks for it when it is chosen, and the room cannot be saved without one.

const form = /** @type {HTMLFormElement | null} */ (document.querySelector("form[data-goal-requests]"));
if (form) {
  const requests = JSON.parse(form.dataset.goalRequests ?? "{}");
  const goal = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("goal"));
  const mode = /** @type {HTMLSelectElement} */ (form.elements.namedItem("mode"));
  const optional = form.querySelector(`label[for="${goal.id}"] .field-optional`);
  const help = document.getElementById(`${goal.id}_helptext`);
  const explanation = help?.textContent ?? "";
  const look = () => {
    const request = requests[mode.value];
    const lacking = Boolean(request) && !goal.value.trim();
    goal.required = Boolean(request);
    goal.setCustomValidity(lacking ? request : "");
    optional?.toggleAttribute("hidden", Boolean(request));
    if (!help) return;
    help.textContent = request ?? explanation;
    help.classList.toggle("field-help-asks", lacking);
  };
  mode.addEventListener("change", look);
  goal.addEventListener("input", look);
  look();
}
