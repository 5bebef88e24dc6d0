// A new agent's key follows its name until somebody types a key.

const form = document.querySelector("[data-key-from-name]");
if (form) {
  const { name, key } = form.elements;
  let follows = key.value === "";
  key.addEventListener("input", () => {
    follows = key.value === "";
  });
  name.addEventListener("input", () => {
    if (follows) key.value = keyFrom(name.value, key.maxLength);
  });
}

function keyFrom(name, maxLength) {
  const plain = name
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase();
  return plain
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, maxLength);
}
