#!/usr/bin/env python3
"""The `websockets` client from pip at GET /v1/stream, sync and async, each by its default constructor.

usage: test_stream_client.py --program build/release/sutra [unittest arguments]
The version is in clients.txt.
"""

import asyncio
import json
import unittest

import websockets
import websockets.sync.client
from serve_case import Server, cli_vectors, main, parse_arguments
from web_socket import vector

PROGRAM, ARGUMENTS = parse_arguments()
TEXT = "The night music of a green garden. Silver paper in héllo water! 日本 " * 20
START = json.dumps({"type": "start", "by": "sentences", "max_tokens": 32, "aggregate": "mean"})
FINISH = json.dumps({"type": "finish"})


class StreamClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server(PROGRAM, "--api-key", "k"))
        cls.url = cls.server.url.replace("http://", "ws://") + "/v1/stream"

    def check(self, messages):
        chunks = [m for m in messages if m["type"] == "chunk"]
        self.assertEqual([vector(m) for m in chunks], cli_vectors(PROGRAM, [m["text"] for m in chunks]))
        self.assertEqual((messages[0]["type"], messages[-1]["type"], messages[-1]["chunks"]), ("started", "end", len(chunks)))
        self.assertEqual((messages[-1]["bytes"], len(messages[-1]["embedding"])), (len(TEXT.encode()), 32))

    def test_sync(self):
        with websockets.sync.client.connect(self.url, additional_headers={"Authorization": "Bearer k"}) as ws:
            ws.send(START)
            ws.send([TEXT.encode()[i:i + 10] for i in range(0, 200, 10)])  # one message in many frames
            ws.send(json.dumps({"type": "text", "text": TEXT.encode()[200:].decode()}))
            ws.send(FINISH)
            messages = [json.loads(ws.recv())]
            while messages[-1]["type"] != "end":
                messages.append(json.loads(ws.recv()))
            self.check(messages)
            ws.ping().wait()

    def test_many_at_once(self):
        async def run():
            async with websockets.connect(self.url, additional_headers={"Authorization": "Bearer k"}) as ws:
                await ws.send(START)
                for i in range(0, len(TEXT), 50):
                    await ws.send(json.dumps({"type": "text", "text": TEXT[i:i + 50]}))
                await ws.send(FINISH)
                messages = []
                async for message in ws:
                    messages.append(json.loads(message))
                    if messages[-1]["type"] == "end":
                        return messages

        async def run_all():
            return await asyncio.gather(*(run() for _ in range(32)))
        for messages in asyncio.run(run_all()):
            self.check(messages)

    def test_without_the_key(self):
        with self.assertRaises(websockets.InvalidStatus) as caught:
            websockets.sync.client.connect(self.url)
        self.assertEqual(caught.exception.response.status_code, 401)


if __name__ == "__main__":
    main(ARGUMENTS)
