// @ts-check
// Copying. Browsers offer the clipboard only on https and localhost.

const SHOWN_MS = 1600;
const labels = new WeakMap();

/** Copy a text, or a promise of one. Show on the button, and return, whether that worked. */
export async function copyFrom(button, text) {
  let outcome = "Copied";
  try {
    await write(text);
  } catch (error) {
    outcome = typeof text === "string" ? "Press Ctrl+C" : "Not copied";
    console.info("copying was refused", error.message);
  }
  show(button, outcome);
  return outcome === "Copied";
}

function show(button, outcome) {
  const shown = labels.get(button);
  const restore = shown?.restore ?? ("tip" in button.dataset ? labelOfIcon(button) : labelOfText(button));
  clearTimeout(shown?.timer);
  if ("tip" in button.dataset) {
    Object.assign(button.dataset, { tip: outcome, outcome });
    button.setAttribute("aria-label", outcome);
  } else button.replaceChildren(outcome);
  const timer = setTimeout(() => {
    restore();
    labels.delete(button);
  }, SHOWN_MS);
  labels.set(button, { restore, timer });
}

/** Return what gives a button its text again. */
function labelOfText(button) {
  const label = [...button.childNodes];
  return () => button.replaceChildren(...label);
}

/** Return what gives a button with an icon its name and its tooltip again. */
function labelOfIcon(button) {
  const { tip } = button.dataset;
  const name = button.getAttribute("aria-label");
  return () => {
    button.dataset.tip = tip;
    delete button.dataset.outcome;
    button.setAttribute("aria-label", name);
  };
}

async function write(text) {
  if (typeof text === "string" && navigator.clipboard) return navigator.clipboard.writeText(text);
  // The promise is passed on as it is: Safari rejects a write that comes some time after the click.
  if (navigator.clipboard?.write) {
    const blob = text.then((words) => new Blob([words], { type: "text/plain" }));
    return navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
  }
  const area = document.createElement("textarea");
  area.value = await text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser did not copy");
}
