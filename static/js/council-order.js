// @ts-check
// The council's order beside the conversation: saved at once, put back if the server refuses. The event `council-order`
// passes a saved order, as the agents' keys, to the page.
import { ApiError, getJson, patchJson } from "./api.js";
import { Reorder } from "./reorder.js";

export class CouncilOrder {
  constructor(list) {
    this.list = list;
    this.path = `rooms/${list.dataset.council}`;
    this.status = document.querySelector("[data-council-status]");
    this.saved = [...list.children];
    this.saving = false;
    for (const handle of list.querySelectorAll("[data-handle]")) handle.hidden = false;
    new Reorder(list, { nameOf: (row) => row.dataset.agentName, onMoved: () => this.save() });
  }

  /** Save the order; what is moved meanwhile is saved after it. */
  async save() {
    if (this.saving) return;
    this.saving = true;
    this.status.textContent = "Saving…";
    try {
      while (!isSame(this.saved, [...this.list.children])) await this.send([...this.list.children]);
      this.status.textContent = "Order saved. It takes effect from the next message.";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.list.append(...this.saved);
      this.status.textContent = `Saving the order failed. ${error.message}`;
    } finally {
      this.saving = false;
    }
  }

  async send(rows) {
    const ids = rows.map((row) => row.dataset.agentId);
    const { agents } = await getJson(this.path);
    if (!isSame(agents.map(({ id }) => id).sort(), [...ids].sort())) {
      // An order of former members must not add or remove members.
      throw new ApiError({
        status: 409,
        code: "council_changed",
        message: "The room's agents changed elsewhere. Reload the page.",
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
