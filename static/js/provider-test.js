// The test of a provider, in place: the page that the form leads to has the result, which is taken out of it.
import { announce } from "./announce.js";

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("[data-provider-test]");
  if (!form) return;
  event.preventDefault();
  const row = form.closest("[data-provider]");
  const button = form.querySelector("button");
  const result = row.querySelector("[data-result]");
  button.disabled = true;
  result.className = "row-note";
  result.textContent = "Testing…";
  try {
    const response = await fetch(form.action, { method: "POST", body: new FormData(form), credentials: "same-origin" });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const found = page.querySelector(`[data-provider="${row.dataset.provider}"] [data-result]`);
    result.className = found?.className ?? "notice notice-bad";
    result.textContent =
      (found ?? page.querySelector("main p"))?.textContent.trim() ?? `The server answered ${response.status}.`;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    result.className = "notice notice-bad";
    result.textContent = "The server can't be reached.";
  } finally {
    button.disabled = false;
  }
  announce(result.textContent);
});
