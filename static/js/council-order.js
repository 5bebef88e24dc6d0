// The council's order beside the conversation: saved at once, put back where the server refuses. A saved order is told to
// the page by the event `council-order`, with the agents' keys.
import { ApiError, getJson, patchJson } from "./api.js";
import { Reorder } from "./reorder.js";

export class CouncilOrder {
  constructor(list) {
    this.list = list;
    this.path = `rooms/${list.dataset.council}`;
    this.told = document.querySelector("[data-council-told]");
    this.saved = [...list.children];
    this.saving = false;
    for (const handle of list.querySelectorAll("[data-handle]")) handle.hidden = false;
    new Reorder(list, { nameOf: (row) => row.dataset.agentName, onMoved: () => this.save() });
  }

  /** Save the order; what is moved meanwhile is saved after it. */
  async save() {
    if (this.saving) return;
    this.saving = true;
    this.told.textContent = "Saving…";
    try {
      while (!isSame(this.saved, [...this.list.children])) await this.send([...this.list.children]);
      this.told.textContent = "The order is saved, and applies from the next message.";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.list.append(...this.saved);
      this.told.textContent = `The order could not be saved. ${error.message}`;
    } finally {
      this.saving = false;
    }
  }

  async send(rows) {
    const ids = rows.map((row) => row.dataset.agentId);
    const { agents } = await getJson(this.path);
    if (!isSame(agents.map(({ id }) => id).sort(), [...ids].sort())) {
      // Nobody is brought back, or sent away, by an order of those who sat here before.
      throw new ApiError({
        status: 409,
        code: "council_changed",
        message: "The council has changed elsewhere: load the page again.",
      });
    }
    await patchJson(this.path, { agents: ids });
    this.saved = rows;
    document.dispatchEvent(new CustomEvent("council-order", { detail: rows.map((row) => row.dataset.agent) }));
  }
}

function isSame(some, others) {
  return some.length === others.length && some.every((each, index) => each === others[index]);
}
