// The events of the server, and how long it has said nothing. It connects again by itself, for as long as the page is open.

const SILENT_MS = 3500;
const RETRY_MS = 1000;

export class Stream {
  constructor(handlers) {
    this.handlers = handlers;
    this.heard = performance.now();
    this.offset = null;
    this.everHeard = false;
    this.open();
    setInterval(() => this.watch(), 500);
  }

  open() {
    const source = new EventSource("/events");
    this.source = source;
    this.opened = performance.now();
    for (const name of ["head", "rows", "timeline", "activity", "programs"]) {
      source.addEventListener(name, (event) => this.take(source, name, event.data));
    }
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) this.retry(source);
    };
  }

  take(source, name, data) {
    if (source !== this.source) return;
    const value = JSON.parse(data);
    this.heard = performance.now();
    this.everHeard = true;
    if (name === "head") this.offset = value.now - this.heard;
    this.handlers[name](value);
  }

  // The server's time now, as far as it is known.
  now() { return this.offset === null ? Date.now() : performance.now() + this.offset; }

  silence() { return performance.now() - this.heard; }

  get cut() { return !this.everHeard || this.silence() > SILENT_MS; }

  watch() {
    // A connection that is open and says nothing may be dead: a proxy keeps it, or the machine slept.
    if (this.silence() > 2 * SILENT_MS && performance.now() - this.opened > 2 * SILENT_MS) this.retry(this.source);
  }

  retry(source) {
    if (source !== this.source) return;
    source.close();
    this.source = null;
    setTimeout(() => {
      // 401 after a restart with another token: the page itself asks for the new one.
      fetch("/api/sparks?symbols=", { cache: "no-store" }).then(
        (answer) => { if (answer.status === 401) location.reload(); },
        () => {},
      ).finally(() => this.open());
    }, RETRY_MS);
  }
}
