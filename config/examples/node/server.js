// A server that breaks for good: only a restart helps.
const http = require("node:http");

let broken = false;

http
  .createServer((request, response) => {
    if (request.method === "POST" && request.url === "/break") {
      broken = true;
      response.end("broken from now on\n");
    } else if (broken) {
      response.writeHead(500).end("broken\n");
    } else {
      response.end("open\n");
    }
  })
  .listen(process.env.PORT, "127.0.0.1");
