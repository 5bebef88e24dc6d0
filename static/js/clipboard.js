// Copying: the clipboard is there on https and localhost alone.

/** Put text on the clipboard and say so on the button. */
export async function copyFrom(button, text) {
  const label = button.textContent;
  try {
    await write(text);
    button.textContent = "Copied";
  } catch (error) {
    button.textContent = "Press Ctrl+C";
    console.info("copying was refused", error.message);
  }
  setTimeout(() => {
    button.textContent = label;
  }, 1600);
}

async function write(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("the browser did not copy");
}
