// Keeps the order books of some markets, as a client that knows nothing of this project would:
//
//     npm install
//     node client.mjs ws://127.0.0.1:9000 http://127.0.0.1:9000 SOL_USDC BTC_USDC_PERP
//
// It listens until the server closes the connection, then prints its books as one line of JSON:
// prices and quantities in units of 1e-9, best first. What does not fit together ends it.
import WebSocket from "ws";

const DIGITS = 9;
const [wsUrl, restUrl, ...symbols] = process.argv.slice(2);

// "98.970" and "98.97" are one price: 98970000000n.
function scaled(text) {
  const [whole, fraction = ""] = text.split(".");
  return BigInt(whole + fraction.padEnd(DIGITS, "0"));
}

class Book {
  frames = 0;
  updateId = null; // null: there is no snapshot yet, and deltas wait for it
  waiting = [];
  bids = new Map();
  asks = new Map();

  take(delta) {
    this.frames += 1;
    if (this.updateId === null) this.waiting.push(delta);
    else this.apply(delta);
  }

  join(snapshot) {
    this.change(this.bids, snapshot.bids);
    this.change(this.asks, snapshot.asks);
    this.updateId = Number(snapshot.lastUpdateId);
    for (const delta of this.waiting.splice(0)) this.apply(delta);
  }

  apply({ U, u, b, a }) {
    if (u <= this.updateId) return; // older than the snapshot
    if (U > this.updateId + 1) throw new Error(`a gap: ${U} came after ${this.updateId}`);
    this.change(this.bids, b);
    this.change(this.asks, a);
    this.updateId = u;
  }

  change(side, levels) {
    for (const [price, quantity] of levels) {
      if (scaled(quantity) === 0n) side.delete(scaled(price));
      else side.set(scaled(price), scaled(quantity));
    }
  }

  told() {
    const ascending = (side) => [...side].sort(([one], [two]) => (one < two ? -1 : 1));
    const texts = (levels) => levels.map((level) => level.map(String));
    const bids = texts(ascending(this.bids).reverse());
    return { frames: this.frames, updateId: this.updateId, bids, asks: texts(ascending(this.asks)) };
  }
}

async function join(symbol) {
  const reply = await fetch(`${restUrl}/api/v1/depth?symbol=${symbol}&limit=1000`);
  if (!reply.ok) throw new Error(`${symbol}: ${reply.status} ${await reply.text()}`);
  books[symbol].join(await reply.json());
}

const books = Object.fromEntries(symbols.map((symbol) => [symbol, new Book()]));
const socket = new WebSocket(wsUrl, { perMessageDeflate: true });

socket.on("open", () => {
  const params = symbols.map((symbol) => `depth.${symbol}`);
  socket.send(JSON.stringify({ method: "SUBSCRIBE", params }));
});

socket.on("message", (text) => {
  const { data } = JSON.parse(text);
  const book = books[data.s];
  book.take(data);
  if (book.frames === 1) join(data.s); // what it throws ends the process
});

socket.on("close", (code) => {
  const told = Object.entries(books).map(([symbol, book]) => [symbol, book.told()]);
  const deflate = socket.extensions.includes("permessage-deflate");
  console.log(JSON.stringify({ code, deflate, books: Object.fromEntries(told) }));
});
