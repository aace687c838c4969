/* stream_socket.h - GET /v1/stream, a WebSocket: text in any pieces in, vectors of its chunks out.
 *
 * Messages are JSON objects; binary ones are bytes of the text, UTF-8 cut anywhere.
 *
 *   {"type": "start", "model", "by": "tokens" | "sentences" | "paragraphs", "max_tokens", "overlap",
 *    "prompt_name", "normalize", "dimensions", "encoding_format": "float" | "base64",
 *    "aggregate": "mean" | "max" | "length" | "last", "return_text": true}     all but type optional;
 *                                            without it the first piece of text starts a stream
 *   {"type": "text", "text": "…"}
 *   {"type": "flush"}                        what came so far becomes chunks
 *   {"type": "finish"}                       the text ends here; a "start" may follow
 *
 *   {"type": "started", "model", "dimensions", "max_tokens"}
 *   {"type": "chunk", "number", "begin", "end", "tokens", "latency_ms", "text", "embedding"}
 *       begin and end are bytes of the text; "error" in place of "embedding" where there is none
 *   {"type": "end", "chunks", "tokens", "bytes", "embedding"}      the aggregate, if one was asked for
 *   {"type": "error", "error": {"message", "code"}}  and the connection is closed: 1008, 1011, 1001
 *
 * Who closes its sending half has said that its text ends here, gets the rest, and 1000. Who does not
 * read gets no more chunks made, and is not read from: memory is bounded. When the
 * server ends, the text is taken to end as well. */
#ifndef SU_STREAM_SOCKET_H
#define SU_STREAM_SOCKET_H

#include "http_exchange.h"

void su_stream_socket(SuExchange *exchange);

#endif
