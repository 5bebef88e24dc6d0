// Copying: the clipboard is there on https and localhost alone.

const TOLD_MS = 1600;
const labels = new WeakMap();

/** Put text, or what a promise of it brings, on the clipboard; say on the button, and return, whether that was done. */
export async function copyFrom(button, text) {
  let told = "Copied";
  try {
    await write(text);
  } catch (error) {
    told = typeof text === "string" ? "Press Ctrl+C" : "Not copied";
    console.info("copying was refused", error.message);
  }
  tell(button, told);
  return told === "Copied";
}

function tell(button, told) {
  const known = labels.get(button);
  const label = known?.label ?? [...button.childNodes];
  clearTimeout(known?.timer);
  button.replaceChildren(told);
  const timer = setTimeout(() => {
    button.replaceChildren(...label);
    labels.delete(button);
  }, TOLD_MS);
  labels.set(button, { label, timer });
}

async function write(text) {
  if (typeof text === "string" && navigator.clipboard) return navigator.clipboard.writeText(text);
  // A promise is handed over as it is: Safari takes what is written later for no wish of the reader's.
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
