#include "http_body.h"

#include "base/memory.h"

#include <string.h>

static SuBodyStep refuse(SuBodyRefusal *refusal, int status, const char *reason)
{
    *refusal = (SuBodyRefusal){status, reason};
    return SU_BODY_REFUSED;
}

/* Room for `size` more bytes of the body, which will have `most` at most; MORE: it is there. */
static SuBodyStep grow(SuExchange *exchange, size_t size, uint64_t most, uint64_t max_received,
                       SuBodyRefusal *refusal)
{
    size_t capacity = exchange->body_capacity, wanted = exchange->body.size + size;
    if (wanted <= capacity) return SU_BODY_MORE;
    if (wanted < 2 * capacity) wanted = 2 * capacity < most ? 2 * capacity : (size_t)most;
    if (*exchange->received - capacity + wanted > max_received)
        return refuse(refusal, 503, "The server is receiving as much as it has room for.");
    char *grown = su_realloc(exchange->body_text, wanted, 1);
    if (!grown) return refuse(refusal, 503, "The server is out of memory.");
    exchange->body.data = exchange->body_text = grown;
    exchange->body_capacity = wanted;
    *exchange->received += wanted - capacity;
    return SU_BODY_MORE;
}

static SuBodyStep take_plain(SuExchange *exchange, struct evbuffer *in, uint64_t max_received,
                             SuBodyRefusal *refusal)
{
    uint64_t whole = exchange->head.content_length;
    size_t there = evbuffer_get_length(in), left = (size_t)whole - exchange->body.size;
    if (there > left) there = left;
    if (there && grow(exchange, there, whole, max_received, refusal) == SU_BODY_REFUSED)
        return SU_BODY_REFUSED;
    if (there) evbuffer_remove(in, exchange->body_text + exchange->body.size, there);
    exchange->body.size += there;
    return there == left ? SU_BODY_WHOLE : SU_BODY_MORE;
}

static SuBodyStep take_chunk(SuExchange *exchange, SuText data, uint64_t max_body,
                             uint64_t max_received, SuBodyRefusal *refusal)
{
    if (exchange->body.size + data.size > max_body)
        return refuse(refusal, 413, "The body is larger than this server takes.");
    SuBodyStep step = grow(exchange, data.size, max_body, max_received, refusal);
    if (step == SU_BODY_REFUSED) return step;
    memcpy(exchange->body_text + exchange->body.size, data.data, data.size);
    exchange->body.size += data.size;
    return SU_BODY_MORE;
}

static SuBodyStep take_chunked(SuExchange *exchange, SuChunked *chunked, struct evbuffer *in,
                               uint64_t max_body, uint64_t max_received, SuBodyRefusal *refusal)
{
    while (evbuffer_get_length(in) > 0) {
        size_t size = evbuffer_get_contiguous_space(in), used;
        if (size == 0) size = 1;
        const char *bytes = (const char *)evbuffer_pullup(in, (ev_ssize_t)size);
        if (!bytes) return SU_BODY_LOST;
        SuText data;
        SuChunkedStep step = su_chunked_read(chunked, bytes, size, &used, &data);
        if (step == SU_CHUNKED_DATA &&
            take_chunk(exchange, data, max_body, max_received, refusal) == SU_BODY_REFUSED)
            return SU_BODY_REFUSED;
        evbuffer_drain(in, used);
        if (step == SU_CHUNKED_END) return SU_BODY_WHOLE;
        if (step == SU_CHUNKED_BAD)
            return refuse(refusal, 400, "The body's chunks are not well-formed.");
    }
    return SU_BODY_MORE;
}

SuBodyStep su_body_take(SuExchange *exchange, SuChunked *chunked, struct evbuffer *in,
                        uint64_t max_body, uint64_t max_received, SuBodyRefusal *refusal)
{
    return exchange->head.is_chunked
               ? take_chunked(exchange, chunked, in, max_body, max_received, refusal)
               : take_plain(exchange, in, max_received, refusal);
}
