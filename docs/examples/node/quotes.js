// Prices from the bus in Node.js, written from bus/EVENTS.md and asyncapi.json alone:  node quotes.js SPY QQQ
"use strict";
const crypto = require("node:crypto");
const fs = require("node:fs");
const zmq = require("zeromq");
const { Decoder, Encoder } = require("@msgpack/msgpack");

const UID = process.getuid();
const OWN = fs.existsSync(`/run/user/${UID}`) ? `/run/user/${UID}` : `/tmp/quotebus-${UID}`;
const NAME = (process.env.BUS_URL || "ipc://quotebus").replace("ipc://", "");
const FOLDER = `${process.env.BUS_RUNTIME_DIR || OWN}/${NAME}`;
const SUBSCRIBE = process.env.BUS_SUBSCRIBE_URL || `ipc://${FOLDER}/subscribe`;
const REQUEST = process.env.BUS_REQUEST_URL || `ipc://${FOLDER}/request`;
const SYMBOLS = process.argv.slice(2).map((symbol) => symbol.toUpperCase());
const LIFE = crypto.randomBytes(3).toString("hex");
const CLIENT = `node-example-${LIFE}`;
const SOURCE = `node-example-${LIFE}`;
const LEASE_MS = 15000;

const decoder = new Decoder({ useBigInt64: true }); // nanoseconds need 61 bits
const encoder = new Encoder({ useBigInt64: true });
const state = { health: null, heardMs: 0, symbols: new Map(), seq: 0, acknowledged: false };

const topic = (name) => Buffer.concat([Buffer.from(name), Buffer.from([0])]);
const number = (value) => (typeof value === "bigint" ? Number(value) : value);

function frame(name, fields) {
  state.seq += 1;
  const stamp = BigInt(Date.now()) * 1000000n;
  return Buffer.concat([topic(name), encoder.encode([1, SOURCE, state.seq, stamp, ...fields])]);
}

function onQuote(quote) {
  const [, source, seq, , symbol, bid, , ask] = quote;
  const [flags, connection] = [quote[16], quote[17]];
  state.symbols.set(symbol, { ...state.symbols.get(symbol), source, seq: number(seq), bid, ask, flags, connection });
  const why = reasons(symbol);
  console.log(`${symbol} ${bid} ${ask} ${why.length ? why.join(", ") : "usable"}`);
}

// A part of "when a price may be used": enough for a display, not for orders.
function reasons(symbol) {
  const [held, health] = [state.symbols.get(symbol), state.health];
  const why = [];
  if (!state.acknowledged) why.push("unconfirmed");
  if (!health) return [...why, "no_health"];
  if (Date.now() - state.heardMs > 3000) why.push("health_silent");
  if (health[6] !== "streaming") why.push("not_streaming");
  if (!held || held.bid === undefined) return [...why, "no_quote"];
  if (held.source !== health[1]) why.push("other_source");
  if (number(held.connection) !== number(health[10])) why.push("other_connection");
  if (!["live", "quiet"].includes(held.state)) why.push("not_live");
  if (held.halt === "halted") why.push("halted");
  if (held.announced > held.seq) why.push("lost_newer");
  if (number(held.flags)) why.push(`flags ${held.flags}`);
  return why;
}

function onAnswer(answer) {
  if (!String(answer[5]).startsWith(LIFE)) return;
  state.acknowledged = true;
  for (const [symbol, standing, , lastQuote, , halt] of answer[6]) {
    state.symbols.set(symbol, { ...state.symbols.get(symbol), state: standing, halt });
    if (lastQuote) onQuote(decoder.decode(lastQuote));
  }
}

async function main() {
  const reader = new zmq.Subscriber();
  const sender = new zmq.Publisher({ linger: 500 });
  reader.connect(SUBSCRIBE);
  sender.connect(REQUEST);
  reader.subscribe(Buffer.from("health."));
  for (const symbol of SYMBOLS) reader.subscribe(topic(`quote.${symbol}`), topic(`symbol.${symbol}`));
  reader.subscribe(topic(`symbols.acknowledged.${CLIENT}`)); // last: an answer proves all the others
  let asked = 0;
  const ask = (symbols) => {
    asked += 1;
    const fields = [CLIENT, `${LIFE}-${asked}`, symbols, ["quotes"], 0, LEASE_MS, true];
    return sender.send(frame("symbols.requested", fields));
  };
  let next = 0;
  const timer = setInterval(() => {
    if (Date.now() < next) return;
    next = Date.now() + (state.acknowledged ? LEASE_MS / 3 : 500);
    ask(SYMBOLS).catch(() => {});
  }, 100);
  process.once("SIGINT", async () => {
    clearInterval(timer);
    await ask([]); // release at once, not when the lease ends
    reader.close();
    sender.close();
  });
  for await (const [message] of reader) {
    const end = message.indexOf(0);
    const name = message.subarray(0, end).toString();
    const event = decoder.decode(message.subarray(end + 1));
    if (event[0] !== 1 || String(event[1]).startsWith("replay:")) continue;
    if (name.startsWith("quote.")) onQuote(event);
    else if (name.startsWith("symbols.acknowledged.")) onAnswer(event);
    else if (name.startsWith("health.") && !name.endsWith(".orders")) [state.health, state.heardMs] = [event, Date.now()];
    else if (name.startsWith("symbol.")) {
      const held = state.symbols.get(event[4]);
      state.symbols.set(event[4], { ...held, state: event[5], halt: event[11], announced: number(event[10]) });
    }
  }
}

main();
