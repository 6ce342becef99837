"""Python's httpx: python3 client.py URL COUNT [h2] (what is asked: see ../clients.rs)"""

import asyncio
import sys

import httpx

SIZES = [0, 1, 1000, 16384, 102400]
KINDS = ["GET", "HEAD", "POST", "POST", "PUT", "DELETE", "GET", "GET", "POST", "GET"]
CHUNKED, CLOSE, KNOWN = (3, 8), (7, 8), 6


async def pieces(item):
    for at in range(0, len(item), 10_000):
        yield item[at : at + 10_000]


async def ask(client, number, h2):
    kind = number % 10
    method, size = KINDS[kind], SIZES[number // 10 % len(SIZES)]
    line = b"%d\n" % number
    item = (line * (size // len(line) + 1))[:size]
    headers, content = {}, None
    if method in ("POST", "PUT"):
        content = pieces(item) if kind in CHUNKED else item
    if kind in CLOSE and not h2:
        headers["connection"] = "close"
    if kind == KNOWN:
        headers["if-none-match"] = f'"{number}"'
    answer = await client.request(method, f"/{number}/{size}", headers=headers, content=content)
    status = 304 if kind == KNOWN else 204 if method == "DELETE" else 200
    bodiless = status != 200 or method == "HEAD"
    field = answer.headers.get
    assert answer.http_version == ("HTTP/2" if h2 else "HTTP/1.1"), answer.http_version
    assert answer.status_code == status, f"status {answer.status_code}: {answer.text}"
    assert (field("x-number"), field("x-method")) == (str(number), method), "not its answer"
    assert field("etag") == f'"{number}"', field("etag")
    assert method != "HEAD" or field("content-length") == str(size), "length of HEAD"
    got = answer.content
    assert got == (b"" if bodiless else item), f"{len(got)} bytes, not {size}"


async def main(url, count, h2):
    numbers, errors = iter(range(count)), []

    async def lane(client):
        for number in numbers:
            try:
                await ask(client, number, h2)
            except (httpx.HTTPError, AssertionError) as error:
                errors.append(f"{number}: {error!r}")

    async with httpx.AsyncClient(base_url=url, http1=not h2, http2=h2, timeout=60) as client:
        await asyncio.gather(*(lane(client) for _ in range(8)))
    print(f"{count} requests, {len(errors)} errors")
    if errors:
        sys.exit("\n".join(errors[:10]))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:] == ["h2"]))
