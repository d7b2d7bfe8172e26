"""The lightest HTTP server there is: one answer to everything; prints its port."""

import asyncio

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class OneAnswer(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(ANSWER * data.count(b"\r\n\r\n"))


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(OneAnswer, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  the test reads it
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
