// @ts-check
// Files dragged into the window: the conversation takes them, and says so while they are above it.

const LEFT_AFTER_MS = 120; // some browsers report leaving for every element that is passed

/** `onFiles(files)` takes what was dropped; `onRefused(sentence)` says why something was not. */
export function startDropZone(/** @type {HTMLElement} */ area, { onFiles, onRefused }) {
  const zone = /** @type {HTMLElement} */ (area.querySelector("[data-drop-zone]"));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let leaving;

  const hide = () => (zone.hidden = true);
  const isOver = (/** @type {Event} */ { target }) =>
    target instanceof Node && area.contains(target) && !document.querySelector("dialog[open]");

  // Elsewhere the browser would leave the page and open the file.
  document.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    clearTimeout(leaving);
    if (isOver(event)) zone.hidden = false;
    else {
      if (event.dataTransfer) event.dataTransfer.dropEffect = "none";
      hide();
    }
  });
  document.addEventListener("dragleave", (event) => {
    if (!hasFiles(event)) return;
    clearTimeout(leaving);
    leaving = setTimeout(hide, LEFT_AFTER_MS);
  });
  document.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    hide();
    if (!isOver(event)) return;
    const { files, folders } = droppedOf(event);
    if (files.length) onFiles(files);
    if (folders) onRefused("Folders can't be attached. Attach the files in them.");
  });
}

function hasFiles(/** @type {DragEvent} */ { dataTransfer }) {
  return Boolean(dataTransfer?.types.includes("Files"));
}

function droppedOf(/** @type {DragEvent} */ { dataTransfer }) {
  const items = [...(dataTransfer?.items ?? [])].filter(({ kind }) => kind === "file");
  const isFolder = (/** @type {DataTransferItem} */ item) => Boolean(item.webkitGetAsEntry?.()?.isDirectory);
  const files = items.filter((item) => !isFolder(item)).map((item) => item.getAsFile());
  return { files: files.filter((file) => file !== null), folders: items.some(isFolder) };
}
