// The worker before which the clients of this folder stand: node worker.mjs PORT PAUSE_MS
//
// /NUMBER/BYTES is an item: so many bytes of the line "NUMBER". Its ETag is "NUMBER". POST and PUT
// answer with the body that came. Odd numbers are answered in chunks, even ones with a length.
import http from "node:http";

const [port, pause] = process.argv.slice(2).map(Number);

async function answer(request, response) {
  const [, number, bytes] = request.url.split("/").map(Number);
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  await new Promise((resolve) => setTimeout(resolve, pause));
  response.setHeader("x-number", `${number}`);
  response.setHeader("x-method", request.method);
  response.setHeader("etag", `"${number}"`);
  if (request.headers["if-none-match"] === `"${number}"`) return response.writeHead(304).end();
  if (request.method === "DELETE") return response.writeHead(204).end();
  const item = () => Buffer.alloc(bytes, `${number}\n`);
  const body = ["POST", "PUT"].includes(request.method) ? Buffer.concat(pieces) : item();
  if (request.method === "HEAD" || number % 2 === 0) {
    response.setHeader("content-length", body.length);
  } else {
    response.write(body.subarray(0, body.length / 2));
  }
  response.end(request.method === "HEAD" ? undefined : body.subarray(number % 2 && body.length / 2));
}

http.createServer((request, response) => {
  if (request.url === "/") return response.end("ready\n");
  // A request that is cut short has nobody left to answer.
  answer(request, response).catch(() => response.destroy());
}).listen(port, "127.0.0.1");
