// @ts-check
// The events of one turn, each once and in order, over any number of connections.
//
// The browser reconnects by itself with Last-Event-ID; if it gives up (an error answer, a sleeping phone) this opens
// a new stream after the last event. The stream is done at a terminal event, or at the snapshot of a final turn. A
// hidden page holds no connection: it checks now and then whether the turn has ended, and resumes when it is shown.
import { ApiError, getJson } from "./api.js";
import { facts } from "./facts.js";
import { StreamPlace } from "./stream-place.js";

const FINAL = new Set(facts.finalStatuses);
const QUIET_MS = 25_000; // the server sends something at least every 15 s
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 15_000;
const HIDDEN_LOOK_MS = 15_000;
const LOOK_TIMEOUT_MS = 10_000;

export class TurnStream {
  /** `onEvent(event)`; `onConnection(connected)`; `onLost(error, turn)` if the events are unavailable: the final turn, or the error. */
  constructor(turnId, { onEvent, onConnection, onLost }) {
    this.turnId = turnId;
    this.onEvent = onEvent;
    this.onConnection = onConnection;
    this.onLost = onLost;
    this.lastId = 0;
    this.done = false;
    this.source = null;
    this.retryMs = FIRST_RETRY_MS;
    this.place = new StreamPlace({ onTaken: () => this.open(), onYielded: () => this.disconnect() });
    this.listening = new AbortController();
    const { signal } = this.listening;
    const attend = () => this.attend();
    for (const type of ["online", "pageshow", "focus"]) addEventListener(type, attend, { signal });
    document.addEventListener("visibilitychange", attend, { signal });
    this.attend();
  }

  /** Hold a connection if the page is visible, none if it is hidden. */
  attend() {
    if (document.hidden) this.rest();
    else if (!this.source || performance.now() - this.receivedAt > QUIET_MS) this.place.take();
  }

  rest() {
    this.place.leave();
    this.disconnect();
    this.lookLater();
  }

  open() {
    this.disconnect();
    this.receivedAt = performance.now();
    const after = this.lastId ? `?after=${this.lastId}` : "";
    const source = new EventSource(`/api/v1/turns/${this.turnId}/events${after}`);
    source.onopen = () => this.connected();
    source.onmessage = (message) => this.receive(message);
    source.onerror = () => this.failed();
    this.source = source;
  }

  disconnect() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  close() {
    this.done = true;
    this.disconnect();
    this.place.close();
    this.listening.abort();
  }

  connected() {
    this.receivedAt = performance.now();
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

  failed() {
    this.onConnection(false);
    if (this.source.readyState !== EventSource.CLOSED) return; // the browser connects again
    this.source = null;
    this.lookAtTurn();
  }

  /** Check, while no events are read, whether the turn has ended. */
  async lookAtTurn() {
    let refusal = null;
    try {
      const turn = await getJson(`turns/${this.turnId}`, AbortSignal.timeout(LOOK_TIMEOUT_MS));
      if (this.done) return;
      if (FINAL.has(turn.status)) {
        this.close();
        this.onLost(null, turn);
        return;
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refusal = error;
    }
    if (this.done || this.source) return;
    if (refusal && [401, 403, 404].includes(refusal.status)) {
      this.close();
      this.onLost(refusal, null);
      return;
    }
    clearTimeout(this.timer);
    if (document.hidden) {
      this.lookLater();
      return;
    }
    this.timer = setTimeout(() => this.place.take(), this.retryMs);
    this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS);
  }

  lookLater() {
    this.timer = setTimeout(() => this.lookAtTurn(), HIDDEN_LOOK_MS);
  }
}
