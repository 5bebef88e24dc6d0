// A copy button on every code block.

export function addCopyButtons(root) {
  for (const label of root.querySelectorAll(".code-block > .code-language")) {
    if (label.querySelector("button")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button button-quiet button-small";
    button.textContent = "Copy";
    button.addEventListener("click", () => copy(button, label.parentElement.querySelector("code").textContent));
    label.append(button);
  }
}

async function copy(button, code) {
  try {
    await write(code);
    button.textContent = "Copied";
  } catch (error) {
    button.textContent = "Press Ctrl+C";
    console.info("copying was refused", error.message);
  }
  setTimeout(() => {
    button.textContent = "Copy";
  }, 1600);
}

// The clipboard is there on https and localhost alone.
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
