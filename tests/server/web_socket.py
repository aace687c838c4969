"""A WebSocket client of bare sockets, for what a real one would not send."""

import base64
import json
import os
import struct

from serve_case import Connection, request_bytes

KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # the example of RFC 6455
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


def handshake(**headers):
    fields = {"Upgrade": "websocket", "Connection": "keep-alive, Upgrade", "Sec_WebSocket_Key": KEY, "Sec_WebSocket_Version": "13", **headers}
    return request_bytes("GET", "/v1/stream", **fields)


class WebSocket(Connection):
    def __init__(self, server, **headers):
        super().__init__(server.host, server.port)
        self.send(handshake(**headers))
        self.reply = self.answer()

    def frame(self, opcode, data=b"", final=True, masked=True, size=None):
        size = len(data) if size is None else size
        head = bytes([opcode | (0x80 if final else 0)])
        mask = 0x80 if masked else 0
        if size < 126:
            head += bytes([mask | size])
        elif size < 65536:
            head += struct.pack(">BH", mask | 126, size)
        else:
            head += struct.pack(">BQ", mask | 127, size)
        if not masked:
            return head + data
        key = os.urandom(4)
        return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(data))

    def message(self, kind, text=None):
        return self.frame(TEXT, json.dumps({"type": kind, **({} if text is None else {"text": text})}).encode())

    def say(self, kind, **fields):
        self.send(self.frame(TEXT, json.dumps({"type": kind, **fields}).encode()))

    def exactly(self, size):
        while len(self.buffer) < size:
            if not self.receive():
                raise EOFError("closed")
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def take(self):
        """(opcode, payload) of the next frame, which the server neither masks nor cuts."""
        first, size = self.exactly(2)
        assert first & 0xf0 == 0x80 and size < 128, (first, size)
        if size == 126:
            size = struct.unpack(">H", self.exactly(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self.exactly(8))[0]
        return first & 15, self.exactly(size)

    def hear(self):
        """The next message."""
        opcode, data = self.take()
        assert opcode == TEXT, (opcode, data)
        return json.loads(data)

    def until(self, *kinds):
        """All messages up to one of these."""
        messages = [self.hear()]
        while messages[-1]["type"] not in kinds:
            messages.append(self.hear())
        return messages

    def closing(self):
        """(code, reason) of the server's closing handshake; it must then close the connection."""
        opcode, data = self.take()
        assert opcode == CLOSE, (opcode, data)
        self.send(self.frame(CLOSE, data[:2]))
        assert self.is_closed()
        return struct.unpack(">H", data[:2])[0], data[2:].decode()


def vector(message):
    value = message["embedding"]
    return base64.b64decode(value) if isinstance(value, str) else struct.pack(f"<{len(value)}f", *value)
