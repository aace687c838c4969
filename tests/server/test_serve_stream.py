#!/usr/bin/env python3
"""`sutra serve`: GET /v1/stream, text in any pieces in, vectors of its chunks out."""

import random
import signal
import socket
import threading
import time
import unittest

from serve_case import Server, cli_vectors, main, parse_arguments
from web_socket import ACCEPT, BINARY, CLOSE, PING, PONG, TEXT, WebSocket, handshake, vector

PROGRAM, ARGUMENTS = parse_arguments()
WORDS = "the night music of a green garden in water, naïve café 東京 💡 paper. New stone! Old".split()


def make_text(seed, words):
    chance = random.Random(seed)
    return " ".join(chance.choice(WORDS) for _ in range(words))


def pour(ws, piece, most=1 << 62):
    """Sends a piece again and again until nothing more goes in: (bytes, what is left of the last piece)."""
    ws.socket.setblocking(False)
    sent, data, still = 0, b"", 0
    while still < 50 and sent < most:
        try:
            data = data or piece
            count = ws.socket.send(data)
            sent, data, still = sent + count, data[count:], 0
        except BlockingIOError:
            still += 1
            time.sleep(0.02)
    return sent, data


class Streams(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server(PROGRAM)
        cls.server.__enter__()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__(None, None, None)

    def check(self, text, messages):
        """Chunks in order, with the vectors of their texts alone."""
        chunks = [m for m in messages if m["type"] == "chunk"]
        data = text.encode()
        self.assertEqual([m["number"] for m in chunks], list(range(len(chunks))))
        for chunk in chunks:
            self.assertEqual(data[chunk["begin"]:chunk["end"]].decode(), chunk["text"])
        self.assertEqual([vector(m) for m in chunks], cli_vectors(PROGRAM, [m["text"] for m in chunks]))
        self.assertEqual(messages[-1]["chunks"], len(chunks))
        self.assertEqual(messages[-1]["bytes"], len(data))
        self.assertEqual(messages[-1]["tokens"], sum(m["tokens"] for m in chunks))
        return chunks

    def test_handshake(self):
        with WebSocket(self.server) as ws:
            self.assertEqual(ws.reply.status, 101)
            self.assertEqual(ws.reply.headers["sec-websocket-accept"], ACCEPT)
            self.assertEqual(ws.reply.headers["upgrade"], "websocket")
            self.assertNotIn("content-length", ws.reply.headers)

    def test_lines_of_connection_are_one_list(self):
        with self.server.connect() as connection:
            connection.send(handshake(Connection="keep-alive").replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\n\r\n"))
            self.assertEqual(connection.answer().status, 101)

    def test_only_get_opens_one(self):
        with self.server.connect() as connection:
            connection.send(handshake().replace(b"GET", b"HEAD", 1))
            self.assertEqual(connection.answer(has_body=False).status, 426)

    def test_other_handshakes_are_refused(self):
        for headers, status in (({"Upgrade": None}, 426), ({"Upgrade": "h2c"}, 426), ({"Connection": "close"}, 426),
                                ({"Sec_WebSocket_Version": "8"}, 426), ({"Sec_WebSocket_Version": None}, 426),
                                ({"Sec_WebSocket_Key": None}, 400), ({"Sec_WebSocket_Key": "short"}, 400),
                                ({"Sec_WebSocket_Key": "a" * 24}, 400), ({"Content_Length": "1"}, 400),
                                ({"Origin": "http://elsewhere.example"}, 403), ({"Host": "elsewhere.example"}, 403)):
            with self.server.connect() as connection:
                connection.send(handshake(**headers) + (b"x" if "Content_Length" in headers else b""))
                answer = connection.answer()
                self.assertEqual(answer.status, status, headers)
                self.assertIn("message", answer.json["error"])
                if status == 426:
                    self.assertTrue(answer.headers.get("upgrade") == "websocket" or
                                    answer.headers.get("sec-websocket-version") == "13", headers)
                if status != 403 and "Connection" not in headers:  # it is HTTP's still
                    connection.send(handshake(Connection="close"))
                    self.assertEqual(connection.answer().status, 426)

    def test_chunks_have_the_vectors_of_their_texts(self):
        for by in ("tokens", "sentences", "paragraphs"):
            for encoding in ("float", "base64"):
                text = make_text(by, 300)
                with WebSocket(self.server) as ws:
                    ws.say("start", by=by, max_tokens=24, overlap=0, encoding_format=encoding, model="base")
                    self.assertEqual(ws.hear(), {"type": "started", "model": "base", "dimensions": 32, "max_tokens": 24})
                    for at in range(0, len(text), 37):
                        ws.say("text", text=text[at:at + 37])
                    ws.say("finish")
                    self.assertGreater(len(self.check(text, ws.until("end"))), 5)

    def test_bytes_may_be_cut_anywhere(self):
        text = make_text(3, 120)
        data, chance = text.encode(), random.Random(4)
        with WebSocket(self.server) as ws:
            at = 0
            while at < len(data):
                size = chance.randint(1, 9)
                ws.send(ws.frame(BINARY, data[at:at + size]))
                at += size
            ws.say("finish")
            messages = ws.until("end")
            self.assertEqual(messages[0]["type"], "started")
            self.check(text, messages)

    def test_a_message_may_come_in_frames_with_pings_between_them(self):
        text = make_text(5, 60)
        data = ('{"type": "text", "text": "%s"}' % text).encode()
        with WebSocket(self.server) as ws:
            ws.send(ws.frame(TEXT, data[:5], final=False) + ws.frame(PING, b"are you there") + ws.frame(0, data[5:90], final=False))
            ws.send(ws.frame(0, data[90:]))
            self.assertEqual(ws.take(), (PONG, b"are you there"))
            ws.say("finish")
            self.check(text, ws.until("end"))

    def test_a_flush_is_the_end_of_a_text_and_streams_follow_each_other(self):
        with WebSocket(self.server) as ws:
            for _ in range(3):
                ws.say("start", return_text=False, aggregate="mean", encoding_format="base64")
                ws.say("text", text="a green garden")
                ws.say("flush")
                messages = ws.until("chunk")
                self.assertEqual([m["type"] for m in messages], ["started", "chunk"])
                self.assertNotIn("text", messages[1])
                self.assertEqual(vector(messages[1]), cli_vectors(PROGRAM, ["a green garden"])[0])
                ws.say("text", text="water")
                ws.say("finish")
                chunk, end = ws.until("end")
                self.assertEqual(vector(chunk), cli_vectors(PROGRAM, ["water"])[0])
                self.assertEqual((end["chunks"], end["bytes"], len(vector(end))), (2, 19, 32 * 4))
            ws.say("finish")  # of a stream without text
            self.assertEqual([m["type"] for m in ws.until("end")], ["started", "end"])

    def test_messages_that_come_at_once_are_taken_in_their_order(self):
        with WebSocket(self.server) as ws:
            ws.send(b"".join(ws.message(*each) for each in (
                ("text", "a "), ("text", "green"), ("flush",), ("flush",), ("text", "garden"), ("finish",),
                ("start",), ("finish",), ("text", "wa"), ("text", "ter"), ("finish",), ("start",))))
            heard = [(m["type"], m.get("text")) for _ in range(3) for m in ws.until("end")]
            self.assertEqual(heard, [("started", None), ("chunk", "a green"), ("chunk", "garden"), ("end", None),
                                     ("started", None), ("end", None), ("started", None), ("chunk", "water"), ("end", None)])
            self.assertEqual(ws.hear()["type"], "started")

    def test_a_large_message_is_not_overtaken(self):
        large = make_text(11, 12000)
        for first in ((), (("start",),), (("text", "a b "),)):
            parts = [m[1] for m in first if m[0] == "text"] + [large, " garden ", large[:-1], "water"]
            with WebSocket(self.server) as ws:
                ws.send(b"".join(ws.message(*each) for each in (*first, *(("text", p) for p in parts[-4:]), ("finish",))))
                messages = ws.until("end")
                text = "".join(parts).encode()
                chunks = [m for m in messages if m["type"] == "chunk"]
                self.assertEqual([m["text"] for m in chunks], [text[m["begin"]:m["end"]].decode() for m in chunks])
                self.assertEqual(messages[-1]["bytes"], len(text))

    def test_a_large_message_that_is_wrong(self):
        blank = " " * 100000
        for message, code in (("{" + blank, None), ('{"type": 1%s}' % blank, "invalid_message"), ('{"type": "start", "by": "x"%s}' % blank, "invalid_message")):
            with WebSocket(self.server) as ws:
                ws.send(ws.frame(TEXT, message.encode()) + ws.message("text", "after it"))
                error = ws.hear()
                self.assertEqual((error["type"], error["error"].get("code")), ("error", code))
                self.assertEqual(ws.closing()[0], 1008)

    def test_who_closes_its_sending_half_gets_what_is_left(self):
        large = make_text(12, 12000)
        for sent in ([("start",), ("text", "a green garden"), ("finish",)], [("text", "a green garden")], [("text", large), ("finish",)],
                     [("text", large)], [("start",), ("finish",), ("start",), ("text", large), ("finish",)]):
            for parts in (1, 50):
                with WebSocket(self.server) as ws:
                    data = b"".join(ws.message(*each) for each in sent)
                    for i in range(parts):
                        ws.send(data[len(data) * i // parts:len(data) * (i + 1) // parts])
                    ws.socket.shutdown(socket.SHUT_WR)
                    for _ in range(max(1, sum(m[0] == "finish" for m in sent))):
                        messages = ws.until("end")
                    self.assertEqual(messages[-1]["bytes"], len([m for m in sent if m[0] == "text"][-1][1].encode()))
                    self.assertEqual(ws.take(), (CLOSE, b"\x03\xe8"))
                    self.assertTrue(ws.is_closed())
        with WebSocket(self.server) as ws:
            ws.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(ws.take(), (CLOSE, b"\x03\xe8"))
            self.assertTrue(ws.is_closed())
        with WebSocket(self.server) as ws:
            ws.send(ws.message("text", "whole") + ws.message("text", "cut")[:9])
            ws.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(ws.until("end")[-1]["bytes"], 5)

    def test_a_wrong_message_while_chunks_are_made(self):
        for _ in range(20):
            with WebSocket(self.server) as ws:
                ws.send(ws.message("text", make_text(7, 3000)) + ws.message("other") + ws.message("finish"))
                messages = ws.until("error", "end")
                self.assertEqual(messages[-1]["error"]["code"], "invalid_message")
                self.assertEqual([m["number"] for m in messages[1:-1]], list(range(len(messages) - 2)))
                self.assertEqual(ws.closing(), (1008, "invalid_message"))

    def test_the_aggregate_of_one_chunk_is_its_vector(self):
        for aggregate in ("mean", "max", "length", "last"):
            with WebSocket(self.server) as ws:
                ws.say("start", aggregate=aggregate, dimensions=16)
                ws.say("text", text="night music")
                ws.say("finish")
                started, chunk, end = ws.until("end")
                self.assertEqual((started["dimensions"], len(chunk["embedding"])), (16, 16))
                for a, b in zip(chunk["embedding"], end["embedding"]):
                    self.assertAlmostEqual(a, b, places=6)

    def test_wrong_messages_are_answered_and_end_the_connection(self):
        many = '{"type": "start", "max_tokens": 100000}'
        for message, code in (("{", None), ("[]", None), ('{"type": 1}', "invalid_message"), ('{"kind": "text"}', "invalid_message"),
                              ('{"type": "text"}', "invalid_message"), ('{"type": "text", "text": 1}', "invalid_message"),
                              ('{"type": "start", "by": "words"}', "invalid_message"), ('{"type": "start", "overlap": -1}', "invalid_message"),
                              ('{"type": "start", "other": 1}', "invalid_message"), ('{"type": "start", "model": "none"}', "model_not_found"),
                              ('{"type": "start", "normalize": "yes"}', "invalid_message"), (many, "context_length_exceeded"),
                              ('{"type": "start", "aggregate": "center"}', "unsupported"), ('{"type": "start", "dimensions": 99}', None),
                              ('{"type": "start", "prompt_name": "none"}', None), ('{"type": "start", "max_tokens": 8, "overlap": 8}', None)):
            with WebSocket(self.server) as ws:
                ws.send(ws.frame(TEXT, message.encode()))
                error = ws.hear()
                self.assertEqual((error["type"], error["error"].get("code")), ("error", code), message)
                self.assertTrue(error["error"]["message"], message)
                self.assertEqual(ws.closing()[0], 1008, message)

    def test_a_stream_that_has_started_cannot_start(self):
        with WebSocket(self.server) as ws:
            ws.say("start")
            ws.say("start")
            self.assertEqual([m["type"] for m in ws.until("error")], ["started", "error"])
            self.assertEqual(ws.closing(), (1008, "invalid_message"))

    def test_text_that_is_not_utf8(self):
        with WebSocket(self.server) as ws:
            ws.send(ws.frame(BINARY, b"good \xff bad"))
            messages = ws.until("error")
            self.assertIn("byte 5", messages[-1]["error"]["message"])
            self.assertEqual(ws.closing()[0], 1008)
        for ending in b"\xff", "é".encode()[:1]:  # chunks that were decided before it are there
            counts = set()
            for _ in range(20):
                with WebSocket(self.server) as ws:
                    ws.say("start", max_tokens=24)
                    ws.send(ws.frame(BINARY, make_text(6, 400).encode() + ending) + ws.message("finish"))
                    counts.add(len(ws.until("error")))
                    self.assertEqual(ws.closing()[0], 1008)
            self.assertEqual(len(counts), 1)
            self.assertGreater(min(counts), 5)
        with WebSocket(self.server) as ws:
            ws.send(ws.frame(BINARY, "é".encode()[:1]))
            ws.say("finish")
            self.assertIn("inside a character", ws.until("error")[-1]["error"]["message"])
        with WebSocket(self.server) as ws:
            ws.send(ws.frame(TEXT, b'{"type": "text", "text": "\xff"}'))
            self.assertEqual(ws.closing()[0], 1007)

    def test_frames_that_are_not_well_formed(self):
        for frame, code in ((lambda ws: ws.frame(TEXT, b"{}", masked=False), 1002), (lambda ws: ws.frame(3, b"a"), 1002),
                            (lambda ws: ws.frame(PING, b"a" * 126), 1002), (lambda ws: ws.frame(0, b"a"), 1002),
                            (lambda ws: ws.frame(BINARY, b"a" * 200000, size=2 << 20), 1009)):
            with WebSocket(self.server) as ws:
                ws.send(frame(ws))
                try:
                    self.assertEqual(ws.closing()[0], code)
                except (EOFError, ConnectionError):
                    pass  # it may also just go

    def test_a_client_that_closes_gets_its_closing_back(self):
        with WebSocket(self.server) as ws:
            ws.send(ws.frame(CLOSE, b"\x03\xe8"))
            self.assertEqual(ws.take(), (CLOSE, b"\x03\xe8"))
            self.assertTrue(ws.is_closed())

    def test_clients_that_leave_do_no_harm(self):
        for i in range(60):
            ws = WebSocket(self.server)
            if i % 3:
                ws.say("text", text=make_text(i, 200 * (i % 4)))
            if i % 2:
                ws.hear() if i % 3 else None
            ws.socket.close()
        while self.server.metric("sutra_open_connections") > 1 or self.server.metric("sutra_open_streams"):
            time.sleep(0.01)
        self.assertEqual(self.server.embed("x").status, 200)

    def test_who_does_not_read_is_not_read_from(self):
        """All chunks are there in the end, and the server has not kept more than it should meanwhile."""
        text = make_text(9, 2000)
        with WebSocket(self.server) as ws:
            ws.say("start", max_tokens=48, return_text=False)
            piece = ws.frame(TEXT, b'{"type": "text", "text": "%s "}' % text.encode())
            sent, data = pour(ws, piece)
            ws.socket.settimeout(300)
            resident = self.server.metric("process_resident_memory_bytes")
            self.assertLess(resident, 300e6)
            rest = threading.Thread(target=lambda: (ws.send(data), ws.say("finish")))
            rest.start()
            messages = ws.until("end")
            rest.join()
            pieces = (sent + len(data)) // len(piece)
            self.assertEqual(messages[-1]["bytes"], pieces * (len(text.encode()) + 1))
            self.assertEqual(sum(m["type"] == "chunk" for m in messages), messages[-1]["chunks"])

    def test_who_does_not_read_pongs_is_not_read_from(self):
        with WebSocket(self.server) as ws:
            sent, _ = pour(ws, ws.frame(PING, b"a" * 125) * 100, 64 << 20)
            self.assertLess(sent, 64 << 20)

    def test_the_frames_of_a_message_take_no_more_than_its_bytes(self):
        with WebSocket(self.server) as ws:
            before = self.server.metric("process_resident_memory_bytes")
            ws.send(ws.frame(BINARY, b"a", final=False) + ws.frame(0, b" ", final=False) * 1000000 + ws.frame(PING))
            self.assertEqual(ws.take(), (PONG, b""))
            self.assertLess(self.server.metric("process_resident_memory_bytes") - before, 40e6)
            ws.send(ws.frame(0, b" " * 50000, final=False))
            self.assertEqual(ws.closing()[0], 1009)


class Limits(unittest.TestCase):
    def test_streams_have_a_number(self):
        with Server(PROGRAM, "--max-streams", 2) as server:
            with WebSocket(server), WebSocket(server):
                refused = WebSocket(server)
                self.assertEqual(refused.reply.status, 503)
                self.assertIn("retry-after", refused.reply.headers)
                refused.socket.close()
            while server.metric("sutra_open_streams") > 0:
                time.sleep(0.01)
            with WebSocket(server) as ws:
                self.assertEqual(ws.reply.status, 101)

    def test_they_need_the_key(self):
        with Server(PROGRAM, "--api-key", "k") as server:
            with WebSocket(server) as ws:
                self.assertEqual(ws.reply.status, 401)
            with WebSocket(server, Authorization="Bearer k") as ws:
                self.assertEqual(ws.reply.status, 101)

    def test_a_silent_client_is_asked_whether_it_is_there(self):
        with Server(PROGRAM, "--idle-ms", 100) as server:
            with WebSocket(server) as ws:
                for _ in range(3):
                    self.assertEqual(ws.take(), (PING, b""))
                    ws.send(ws.frame(PONG))
                ws.say("text", text="still here")
                ws.say("finish")
                while ws.take()[0] == PING:
                    pass
            with WebSocket(server) as ws:
                self.assertEqual(ws.take(), (PING, b""))
                self.assertTrue(ws.is_closed())  # no answer


class Stop(unittest.TestCase):
    def test_what_has_come_is_answered(self):
        with Server(PROGRAM) as server:
            idle, busy = WebSocket(server), WebSocket(server)
            busy.say("start", aggregate="mean")
            busy.say("text", text="the night music")
            self.assertEqual(busy.hear()["type"], "started")
            busy.send(busy.frame(PING))
            self.assertEqual(busy.take()[0], PONG)  # the text is there
            server.signal(signal.SIGTERM)
            self.assertEqual(idle.closing(), (1001, "the server is being stopped"))
            messages = busy.until("end")
            self.assertEqual([m["type"] for m in messages], ["chunk", "end"])
            self.assertEqual(vector(messages[0]), cli_vectors(PROGRAM, ["the night music"])[0])
            self.assertEqual(busy.closing()[0], 1001)
            self.assertEqual(server.wait(), 0)
            idle.socket.close()
            busy.socket.close()

    def test_a_large_message_that_has_come_is_answered(self):
        text = make_text(13, 60000)
        with Server(PROGRAM) as server, WebSocket(server) as ws:
            ws.send(ws.message("text", text) + ws.frame(PING))
            while ws.take()[0] != PONG:
                pass
            server.signal(signal.SIGTERM)
            self.assertEqual(ws.until("end")[-1]["bytes"], len(text.encode()))
            self.assertEqual(ws.closing()[0], 1001)
            self.assertEqual(server.wait(), 0)

    def test_being_asked_twice_ends_streams_at_work(self):
        for _ in range(5):
            with Server(PROGRAM) as server:
                idle, busy = WebSocket(server), [WebSocket(server) for _ in range(16)]
                for ws in busy:
                    ws.say("start", max_tokens=8)
                    ws.say("text", text=make_text(1, 10000))
                readers = [threading.Thread(target=self.read, args=(ws,)) for ws in busy]
                for reader in readers:
                    reader.start()
                server.signal(signal.SIGTERM)
                self.assertEqual(idle.closing()[0], 1001)
                server.signal(signal.SIGTERM)
                self.assertEqual(server.wait(), 0)
                for reader, ws in zip(readers, busy):
                    reader.join()
                    ws.socket.close()
                idle.socket.close()

    def read(self, ws):
        try:
            while ws.receive():
                ws.buffer = b""
        except ConnectionError:
            pass

    def test_none_opens_any_more(self):
        with Server(PROGRAM) as server:
            idle, late = WebSocket(server), server.connect()
            head = handshake()
            late.send(head[:20])
            while server.metric("sutra_open_connections") < 3:
                time.sleep(0.01)
            server.signal(signal.SIGTERM)
            self.assertEqual(idle.closing()[0], 1001)
            late.send(head[20:])
            answer = late.answer()
            self.assertEqual((answer.status, answer.json["error"]["code"]), (503, "stopping"))
            idle.socket.close()
            late.socket.close()
            self.assertEqual(server.wait(), 0)


if __name__ == "__main__":
    main(ARGUMENTS)
