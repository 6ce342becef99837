// Node's fetch: node client.mjs URL COUNT (what is asked: see ../clients.rs)
const [url, count] = [process.argv[2], Number(process.argv[3])];
const SIZES = [0, 1, 1000, 16384, 102400];
const KINDS = ["GET", "HEAD", "POST", "POST", "PUT", "DELETE", "GET", "GET", "POST", "GET"];
const CHUNKED = [3, 8], CLOSE = [7, 8], KNOWN = 6;

async function ask(number) {
  const kind = number % 10, method = KINDS[kind];
  const bytes = SIZES[Math.floor(number / 10) % SIZES.length];
  const item = Buffer.alloc(bytes, `${number}\n`);
  const init = { method, headers: {} };
  if (method === "POST" || method === "PUT") {
    init.body = CHUNKED.includes(kind) ? new Blob([item]).stream() : item;
    init.duplex = "half";
  }
  if (CLOSE.includes(kind)) init.headers.connection = "close";
  if (kind === KNOWN) init.headers["if-none-match"] = `"${number}"`;
  const answer = await fetch(`${url}/${number}/${bytes}`, init);
  const body = Buffer.from(await answer.arrayBuffer());
  const status = kind === KNOWN ? 304 : method === "DELETE" ? 204 : 200;
  const bodiless = status !== 200 || method === "HEAD";
  const field = (name) => answer.headers.get(name);
  if (answer.status !== status) throw new Error(`status ${answer.status}: ${body}`);
  if (field("x-number") !== `${number}` || field("x-method") !== method) throw new Error("not its answer");
  if (field("etag") !== `"${number}"`) throw new Error(`etag ${field("etag")}`);
  if (method === "HEAD" && field("content-length") !== `${bytes}`) throw new Error("length of HEAD");
  if (!body.equals(bodiless ? Buffer.alloc(0) : item)) throw new Error(`${body.length} bytes, not ${bytes}`);
}

let next = 0;
const errors = [];
async function lane() {
  while (next < count) {
    const number = next++;
    await ask(number).catch((error) => errors.push(`${number}: ${error} ${error.cause ?? ""}`));
  }
}
await Promise.all(Array.from({ length: 8 }, lane));
console.log(`${count} requests, ${errors.length} errors`);
if (errors.length > 0) {
  console.error(errors.slice(0, 10).join("\n"));
  process.exitCode = 1;
}
