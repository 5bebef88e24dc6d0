// The events of one turn, each once and in order, over any number of connections.
//
// The browser reconnects by itself with Last-Event-ID; where it gives up (an error answer, a sleeping phone) this opens
// a new stream after the last event. The stream is done at a terminal event, or at the snapshot of a final turn.
import { getJson } from "./api.js";

const FINAL = new Set(["completed", "partial", "failed", "cancelled"]);
const QUIET_MS = 25_000; // the server speaks at least every 15 s
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 15_000;

export class TurnStream {
  /** `onEvent(event)`; `onConnection(connected)`; `onLost(error, turn)` when the events cannot be had: the final turn instead, or why not. */
  constructor(turnId, { onEvent, onConnection, onLost }) {
    this.turnId = turnId;
    this.onEvent = onEvent;
    this.onConnection = onConnection;
    this.onLost = onLost;
    this.lastId = 0;
    this.done = false;
    this.retryMs = FIRST_RETRY_MS;
    this.wake = () => this.reopenIfQuiet();
    addEventListener("online", this.wake);
    addEventListener("pageshow", this.wake);
    document.addEventListener("visibilitychange", this.wake);
    this.open();
  }

  open() {
    this.source?.close();
    clearTimeout(this.retryTimer);
    this.heardAt = performance.now();
    const after = this.lastId ? `?after=${this.lastId}` : "";
    const source = new EventSource(`/api/v1/turns/${this.turnId}/events${after}`);
    source.onopen = () => this.connected();
    source.onmessage = (message) => this.receive(message);
    source.onerror = () => this.failed(source);
    this.source = source;
  }

  close() {
    this.done = true;
    this.source.close();
    clearTimeout(this.retryTimer);
    removeEventListener("online", this.wake);
    removeEventListener("pageshow", this.wake);
    document.removeEventListener("visibilitychange", this.wake);
  }

  connected() {
    this.heardAt = performance.now();
    this.retryMs = FIRST_RETRY_MS;
    this.onConnection(true);
  }

  receive(message) {
    if (this.done) return;
    this.connected();
    const event = JSON.parse(message.data);
    const id = Number(message.lastEventId);
    const isSnapshot = event.type === "turn.snapshot";
    if (id <= this.lastId && !isSnapshot) return;
    this.lastId = Math.max(id, this.lastId);
    const final = event.type === `turn.${event.status}` || (isSnapshot && FINAL.has(event.turn.status));
    if (final) this.close();
    this.onEvent(event);
  }

  failed(source) {
    if (this.done || source !== this.source) return;
    this.onConnection(false);
    if (source.readyState === EventSource.CLOSED) this.lookAtTurn();
  }

  /** The server refused the stream: find out from the turn itself whether there is anything left to wait for. */
  async lookAtTurn() {
    let refusal = null;
    try {
      const turn = await getJson(`turns/${this.turnId}`);
      if (this.done) return;
      if (FINAL.has(turn.status)) {
        this.close();
        this.onLost(null, turn);
        return;
      }
    } catch (error) {
      refusal = error;
    }
    if (this.done) return;
    if (refusal && [401, 403, 404].includes(refusal.status)) {
      this.close();
      this.onLost(refusal, null);
      return;
    }
    this.retryTimer = setTimeout(() => this.open(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS);
  }

  reopenIfQuiet() {
    if (this.done || document.hidden) return;
    const quiet = performance.now() - this.heardAt > QUIET_MS;
    if (quiet || this.source.readyState !== EventSource.OPEN) this.open();
  }
}
