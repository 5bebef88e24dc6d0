// @ts-check
// The places that all pages of a browser share for their streams: at most three are taken at once.
//
// Over HTTP/1.1 a browser opens six connections to a server, and a stream keeps one as long as its turn runs. Streams
// in six windows would leave none to load a page, send a message or stop a turn. So a page that takes a place tells the
// others, and a page after which three others have taken one gives its own up and takes one again a little later. With
// more windows than places, each shows its words a few seconds late at most.
//
// Once the messages have arrived, no more than three are taken: among any four pages with a place, one had no message
// from the other three when it took its place ("received before taking" cannot form a circle), so it receives all three
// afterwards and gives way. A page that crashed leaves nothing behind. Web Locks do not exist on plain http.
import { newKey } from "./api.js";

const PLACES = 3;
const FIRST_PAUSE_MS = 2_000;
const LAST_PAUSE_MS = 4_000;

export class StreamPlace {
  /** `onTaken()`: a connection may be opened. `onYielded()`: it has to be closed, until `onTaken` is called again. */
  constructor({ onTaken, onYielded }) {
    this.onTaken = onTaken;
    this.onYielded = onYielded;
    this.id = newKey();
    this.isTaken = false;
    this.takenLater = new Set(); // places of other pages
    this.channel = new BroadcastChannel("pantheon-stream-places");
    this.channel.onmessage = ({ data }) => this.receive(data);
  }

  take() {
    clearTimeout(this.timer);
    this.takenLater.clear();
    this.set(true);
    this.onTaken();
  }

  leave() {
    clearTimeout(this.timer);
    if (this.isTaken) this.set(false);
  }

  close() {
    this.leave();
    this.channel.close();
  }

  set(isTaken) {
    this.isTaken = isTaken;
    this.channel.postMessage({ id: this.id, isTaken });
  }

  receive({ id, isTaken }) {
    if (isTaken) this.takenLater.add(id);
    else this.takenLater.delete(id);
    if (this.isTaken && this.takenLater.size >= PLACES) this.giveWay();
  }

  giveWay() {
    this.leave();
    this.onYielded();
    // At random, so that pages that gave way to each other do not do so again.
    const pauseMs = FIRST_PAUSE_MS + Math.random() * (LAST_PAUSE_MS - FIRST_PAUSE_MS);
    this.timer = setTimeout(() => this.take(), pauseMs);
  }
}
