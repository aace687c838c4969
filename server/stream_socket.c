#include "stream_socket.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "json_body.h"
#include "server_context.h"
#include "stream_message.h"
#include "websocket.h"

#include <stdatomic.h>
#include <string.h>

enum {
    MOST_MESSAGE = 1 << 20,   /* bytes */
    MOST_READ_HERE = 1 << 16, /* bytes of a message; what is larger is read on the worker */
    MOST_WAITING = 1 << 18,   /* bytes of text, before the client is not read from for a while */
    MOST_UNSENT = 1 << 18,    /* bytes, before no more chunks are taken */
    MOST_AT_A_TIME = 1 << 18  /* bytes that a step writes, about */
};

/* What the client wants done, in this order, once the text before it is with the stream. */
enum { FLUSH = 1, FINISH = 2 };

/* A stream's life: IDLE ──start, text──► OPENING ──► OPEN ──end──► IDLE; ENDING: closed by us. */
typedef enum State { IDLE, OPENING, OPEN, ENDING } State;

typedef struct StreamCall {
    SuWebSocket ws; /* first */
    SuServerContext *context;
    State state;
    int wanted; /* FLUSH, FINISH */
    bool is_closed;
    bool is_last; /* the text that is there ends the last stream; then `close_code` */
    uint16_t close_code;
    const char *close_reason;
    bool is_finishing;           /* the stream's text has come to its end */
    bool is_opening, uses_model; /* is_opening: the table has `waiter` */
    SuStreamWish wish;
    SuModelWaiter waiter;
    SuModelEntry *entry;
    SuReplyText incoming; /* text that came while a step was at work */
    SuProblem wrong;      /* with a message; its status 0: nothing */

    /* A large message: on the worker while is_reading. */
    SuWork read_work;
    SuPost read_done;
    SuReplyText message;
    SuStreamVerb verb;
    json_t *document; /* NULL: unreadable says why */
    SuProblem unreadable;
    bool is_reading;

    /* A step: on the worker, one at a time; is_working says that these are its own. */
    SuWork work;
    SuPost done;
    SutraStream *stream;
    SuReplyText text; /* to be pushed, from `pushed` on */
    size_t pushed;
    SuReplyText lines;  /* messages, a line each */
    SuProblem problem;  /* of the stream; its status 0: none */
    uint64_t num_texts; /* that have a vector */
    int wanted_now;
    bool is_working;
    bool has_more; /* another step would find something to do */
    bool is_over;  /* the last message was "end" */

    /* Chunks that are done: by the engine's threads. */
    SuPost ready;
    _Atomic bool is_posted; /* `ready` is at the loop */
    bool is_ready;
} StreamCall;

#define CALL_OF(member_pointer, member) \
    ((StreamCall *)(void *)((char *)(member_pointer)-offsetof(StreamCall, member)))

/* ---- the end ---- */

static void count(StreamCall *call)
{
    SutraStreamStats stats = {.struct_size = sizeof stats};
    sutra_stream_stats(call->stream, &stats, NULL);
    call->context->metrics.texts += call->num_texts;
    call->context->metrics.tokens += stats.tokens;
    call->num_texts = 0;
}

static void end_stream(StreamCall *call)
{
    if (call->stream) count(call);
    sutra_stream_free(call->stream);
    call->stream = NULL;
    if (call->uses_model) su_model_entry_done(call->entry, call->entry->keep_ns);
    call->uses_model = false;
    json_decref(call->wish.document);
    call->wish = SU_STREAM_WISH_DEFAULT;
    call->text.size = call->pushed = 0;
    call->wanted = call->wanted_now = 0;
    call->is_finishing = false;
}

/* When nobody has it any more: neither the connection nor a step, a post, a message that is being
 * read, or a model's opening. */
static void free_if_done(StreamCall *call)
{
    if (!call->is_closed || call->is_working || call->is_opening || call->is_reading) return;
    end_stream(call);
    if (atomic_load(&call->is_posted)) return; /* on_ready comes again */
    call->context->num_streams--;
    su_reply_free(&call->incoming);
    su_reply_free(&call->message);
    su_reply_free(&call->text);
    su_reply_free(&call->lines);
    su_websocket_free(&call->ws);
    su_free(call);
}

static void send_lines(StreamCall *call)
{
    SuReplyText *lines = &call->lines;
    size_t begin = 0;
    for (size_t i = 0; i < lines->size; i++) {
        if (lines->data[i] != '\n') continue;
        su_websocket_send(&call->ws, (SuText){lines->data + begin, i - begin});
        begin = i + 1;
    }
    lines->size = 0;
}

/* For what is wrong, with the stream or a message; once the step at work has ended. */
static void fail(StreamCall *call)
{
    if (call->state == ENDING || call->is_working) return;
    const SuHttpProblem *problem =
        call->problem.http.status ? &call->problem.http : &call->wrong.http;
    uint16_t code = problem->status >= 500 ? SU_CLOSE_FAILED : SU_CLOSE_POLICY;
    call->state = ENDING;
    end_stream(call);
    if (call->lines.failed) su_reply_free(&call->lines);
    su_stream_write_error(&call->lines, problem);
    send_lines(call);
    su_websocket_close(&call->ws, code, problem->code ? problem->code : "");
}

/* ---- a step: text in, chunks out; on the worker ---- */

static void note(StreamCall *call, const SutraError *err)
{
    if (call->problem.http.status == 0) su_problem_of_engine(&call->problem, err);
}

/* What does not fit waits until chunks were taken; what is wrong is told after them, by
 * sutra_stream_next. */
static void push(StreamCall *call)
{
    size_t taken = 0;
    SutraStatus status = SUTRA_OK;
    if (call->pushed < call->text.size) {
        status = sutra_stream_push(call->stream, call->text.data + call->pushed,
                                   call->text.size - call->pushed, 0, &taken, NULL);
        call->pushed += taken;
    }
    if (status == SUTRA_E_BUSY) return;
    if (status == SUTRA_OK && (call->wanted_now & FLUSH))
        status = sutra_stream_flush(call->stream, NULL);
    if (status == SUTRA_OK && (call->wanted_now & FINISH)) sutra_stream_finish(call->stream, NULL);
    call->wanted_now = 0;
}

static void write_end(StreamCall *call)
{
    SutraStreamStats stats = {.struct_size = sizeof stats};
    uint32_t dim = call->wish.dim ? call->wish.dim : call->entry->info.dim;
    SutraError err = {0};
    float *row = call->wish.aggregate ? su_alloc(dim, sizeof *row) : NULL;
    sutra_stream_stats(call->stream, &stats, NULL);
    bool wants_row = call->wish.aggregate && stats.chunks > 0;
    SutraStatus status = SUTRA_OK;
    if (wants_row && !row)
        status = su_error_set(&err, SUTRA_E_MEMORY, "out of memory for the aggregate");
    else if (wants_row)
        status = sutra_stream_aggregate(call->stream, row, dim * sizeof *row, &err);
    su_stream_write_end(&call->lines, &call->wish, &stats,
                        wants_row && status == SUTRA_OK ? row : NULL, dim,
                        status == SUTRA_OK ? NULL : &err);
    su_free(row);
    call->is_over = true;
}

static void take_chunks(StreamCall *call)
{
    SutraStreamChunk chunk = {.struct_size = sizeof chunk};
    uint32_t dim = call->wish.dim ? call->wish.dim : call->entry->info.dim;
    SutraError err = {0};
    SutraStatus status = SUTRA_OK;
    while (call->lines.size < MOST_AT_A_TIME && !call->lines.failed) {
        status = sutra_stream_next(call->stream, 0, &chunk, &err);
        if (!chunk.text) break;
        su_stream_write_chunk(&call->lines, &call->wish, &chunk, dim, &err);
        if (chunk.item.status == SUTRA_OK) call->num_texts++;
        call->has_more = true; /* there is room for text again */
    }
    if (status == SUTRA_E_END)
        write_end(call);
    else if (status != SUTRA_OK && status != SUTRA_E_TIMEOUT && !chunk.text)
        note(call, &err);
}

static void on_stepped(SuPost *post);

static void step(SuWork *work)
{
    StreamCall *call = CALL_OF(work, work);
    call->has_more = false;
    push(call);
    take_chunks(call);
    if (call->lines.failed && call->problem.http.status == 0)
        su_problem_set(&call->problem, 503, "out_of_memory", NULL, "The server is out of memory.");
    call->done.run = on_stepped;
    su_loop_post(&call->context->http.loop, &call->done);
}

/* ---- the loop ---- */

static void want(StreamCall *call, int what)
{
    call->wanted |= what;
    call->is_finishing |= what == FINISH;
}

/* What comes after a flush, the end or a large message waits until that is done. */
static bool is_full(const StreamCall *call)
{
    return call->state == OPENING || call->wanted || call->is_finishing || call->is_reading ||
           call->incoming.size >= MOST_WAITING;
}

/* Gives the worker a step if there is something to do, and the client reads. */
static void go_on(StreamCall *call)
{
    SuReplyText *text = &call->text, *incoming = &call->incoming;
    if (call->is_working || call->state != OPEN || !su_websocket_is_open(&call->ws)) return;
    if (call->pushed == text->size && call->wanted_now == 0) {
        SuReplyText empty = *text;
        *text = *incoming;
        *incoming = empty;
        incoming->size = call->pushed = 0;
        call->wanted_now = call->wanted;
        call->wanted = 0;
        call->has_more |= text->size > 0 || call->wanted_now;
    }
    su_websocket_pause(&call->ws, is_full(call));
    if (call->is_working || call->state != OPEN) return; /* by what resuming has brought */
    if (su_websocket_unsent(&call->ws) > MOST_UNSENT) return;
    if (!call->has_more && !call->is_ready) return;
    call->is_ready = false;
    call->is_working = true;
    call->work.run = step;
    su_worker_give(&call->context->worker, &call->work);
}

static void on_stepped(SuPost *post)
{
    StreamCall *call = CALL_OF(post, done);
    call->is_working = false;
    if (call->is_closed) {
        free_if_done(call);
        return;
    }
    send_lines(call);
    if (call->problem.http.status || call->wrong.http.status) {
        fail(call);
    } else if (call->is_over) {
        call->is_over = false;
        call->state = IDLE;
        end_stream(call);
        if (call->is_last)
            su_websocket_close(&call->ws, call->close_code, call->close_reason);
        else
            su_websocket_pause(&call->ws, false);
    }
    go_on(call);
}

static void on_ready(SuPost *post)
{
    StreamCall *call = CALL_OF(post, ready);
    atomic_store(&call->is_posted, false);
    call->is_ready = true;
    if (call->is_closed)
        free_if_done(call);
    else
        go_on(call);
}

/* On a thread of the engine, which may still be in here when the stream is free. */
static void tell_ready(void *user)
{
    StreamCall *call = user;
    if (!atomic_exchange(&call->is_posted, true))
        su_loop_post(&call->context->http.loop, &call->ready);
}

/* ---- opening ---- */

static void open_stream(StreamCall *call)
{
    const SuStreamWish *wish = &call->wish;
    SutraError err = {0};
    const SutraEmbedOptions embed = {.struct_size = sizeof embed,
                                     .dim = wish->dim,
                                     .normalize = wish->normalize ? SUTRA_NORMALIZE_YES
                                                                  : SUTRA_NORMALIZE_NO};
    const SutraStreamOptions options = {
        .struct_size = sizeof options,
        .by = (SutraChunkBy)wish->by,
        .max_tokens = wish->max_tokens,
        .overlap = wish->overlap,
        .prompt_name = wish->prompt_name.data,
        .embed = &embed,
        .aggregate = wish->aggregate ? (SutraAggregate)(wish->aggregate - 1) : SUTRA_AGGREGATE_MEAN,
        .ready = tell_ready,
        .user = call};
    if (sutra_stream_open(call->context->engine, call->entry->model, &options, &call->stream,
                          &err) != SUTRA_OK) {
        su_problem_of_engine(&call->wrong, &err);
        fail(call);
        return;
    }
    uint32_t dim = wish->dim ? wish->dim : call->entry->info.dim;
    uint32_t most = wish->max_tokens ? wish->max_tokens : call->entry->info.max_tokens;
    call->state = OPEN;
    su_stream_write_started(&call->lines, call->entry->id, dim, most);
    send_lines(call);
    go_on(call);
}

static void on_opened(SuModelWaiter *waiter)
{
    StreamCall *call = CALL_OF(waiter, waiter);
    SuModelEntry *entry = call->entry;
    call->is_opening = false;
    if (call->is_closed || call->state != OPENING) {
        free_if_done(call);
    } else if (entry->model) {
        call->uses_model = true;
        su_model_entry_use(entry);
        open_stream(call);
    } else {
        su_log(call->context->log, call->context->log_user, SU_LOG_WARNING,
               "model %s cannot be opened: %s", entry->id, entry->err.message);
        su_problem_set(&call->wrong, 503, "model_not_available", "model",
                       "The model `%.100s` cannot be opened now; the server's log says why.",
                       entry->id);
        fail(call);
    }
}

static void begin(StreamCall *call)
{
    SuText name = call->wish.model;
    call->entry = su_model_table_find(&call->context->models, name);
    if (!call->entry) {
        su_problem_set(&call->wrong, 404, "model_not_found", "model",
                       "The model `%.*s` does not exist; GET /v1/models lists those that do.",
                       (int)(name.size < 200 ? name.size : 200), name.data);
        fail(call);
        return;
    }
    call->state = OPENING;
    call->is_opening = true;
    call->waiter.opened = on_opened;
    su_model_entry_want(call->entry, &call->waiter);
}

/* ---- messages ---- */

static void lose_memory(StreamCall *call)
{
    su_problem_set(&call->wrong, 503, "out_of_memory", NULL, "The server is out of memory.");
    fail(call);
}

static void take_text(StreamCall *call, SuText bytes)
{
    if (call->state == IDLE) begin(call);
    su_reply_bytes(&call->incoming, bytes.data, bytes.size);
    if (call->incoming.failed) lose_memory(call);
}

/* Takes the document over. */
static void act(StreamCall *call, SuStreamVerb verb, json_t *document)
{
    if (verb == SU_STREAM_START) {
        if (call->state != IDLE) {
            json_decref(document);
            su_problem_set(
                &call->wrong, 400, "invalid_message", "type",
                "A stream has started already: \"finish\" it, and wait for its \"end\".");
            fail(call);
        } else if (su_stream_wish_read(document, &call->wish, &call->wrong)) {
            begin(call);
        } else {
            fail(call);
        }
        return;
    }
    if (verb == SU_STREAM_TEXT)
        take_text(call, su_json_text(json_object_get(document, "text")));
    else
        take_text(call, (SuText){"", 0});
    if (verb == SU_STREAM_FLUSH) want(call, FLUSH);
    if (verb == SU_STREAM_FINISH) want(call, FINISH);
    json_decref(document);
}

/* What is there of the text is all of it. */
static void end_text(StreamCall *call)
{
    if (call->state == IDLE) su_websocket_close(&call->ws, call->close_code, call->close_reason);
    want(call, FINISH);
    go_on(call);
}

static bool read_message(StreamCall *call, SuText message, SuProblem *problem)
{
    bool good = su_stream_message_read(message, &call->verb, &call->document, problem);
    if (!good) json_decref(call->document);
    if (!good) call->document = NULL;
    return good;
}

static void take_message(StreamCall *call)
{
    json_t *document = call->document;
    call->document = NULL;
    act(call, call->verb, document);
}

static void on_read(SuPost *post)
{
    StreamCall *call = CALL_OF(post, read_done);
    su_reply_free(&call->message);
    if (call->is_closed || call->state == ENDING || call->wrong.http.status) {
        json_decref(call->document);
        call->document = NULL;
    } else if (call->document) {
        take_message(call);
    } else {
        call->wrong = call->unreadable;
        call->wrong.http.message = call->wrong.message;
        fail(call);
    }
    bool was_last = call->is_last;
    call->is_reading = false; /* only now, so that no other message overtakes it */
    if (call->is_closed) {
        free_if_done(call);
    } else if (call->state != ENDING) {
        su_websocket_pause(&call->ws, is_full(call));
        if (was_last) end_text(call);
        go_on(call);
    }
}

static void read_on_worker(SuWork *work)
{
    StreamCall *call = CALL_OF(work, read_work);
    read_message(call, (SuText){call->message.data, call->message.size}, &call->unreadable);
    call->read_done.run = on_read;
    su_loop_post(&call->context->http.loop, &call->read_done);
}

/* The next message comes when this one has been taken. */
static void read_later(StreamCall *call, SuText message)
{
    su_reply_bytes(&call->message, message.data, message.size);
    if (call->message.failed) {
        lose_memory(call);
        return;
    }
    call->is_reading = true;
    call->read_work.run = read_on_worker;
    su_worker_give(&call->context->worker, &call->read_work);
}

static void on_message(SuWebSocket *ws, bool is_text, SuText message)
{
    StreamCall *call = (StreamCall *)ws;
    if (call->state == ENDING || call->is_last || call->wrong.http.status) return;
    if (!is_text)
        take_text(call, message);
    else if (message.size > MOST_READ_HERE)
        read_later(call, message);
    else if (read_message(call, message, &call->wrong))
        take_message(call);
    else
        fail(call);
    if (is_full(call)) su_websocket_pause(ws, true);
    go_on(call);
}

static void on_sent(SuWebSocket *ws) { go_on((StreamCall *)ws); }

/* A message that is being read comes before it. */
static void take_last(StreamCall *call, uint16_t code, const char *reason)
{
    call->is_last = true;
    call->close_code = code;
    call->close_reason = reason;
    if (!call->is_reading) end_text(call);
}

static void on_ended(SuWebSocket *ws) { take_last((StreamCall *)ws, SU_CLOSE_NORMAL, ""); }

static void on_stops(SuWebSocket *ws)
{
    take_last((StreamCall *)ws, SU_CLOSE_AWAY, "the server is being stopped");
}

static void on_closed(SuWebSocket *ws)
{
    StreamCall *call = (StreamCall *)ws;
    call->is_closed = true;
    free_if_done(call);
}

void su_stream_socket(SuExchange *exchange)
{
    SuServerContext *context = exchange->context;
    SuHttpProblem problem;
    if (!su_websocket_accept(exchange, &problem)) {
        su_exchange_fail(exchange, &problem);
        return;
    }
    StreamCall *call = NULL;
    bool stops = context->http.owner.is_draining,
         has_room = context->num_streams < context->max_streams;
    if (!stops && has_room) call = su_calloc(1, sizeof *call);
    if (!call || !su_websocket_open(&call->ws, MOST_MESSAGE)) {
        problem = (SuHttpProblem){503, "overloaded", NULL,
                                  "The server has as many streams as it takes.", 0};
        if (stops) problem.code = "stopping";
        if (stops) problem.message = "The server is being stopped.";
        su_free(call);
        exchange->response.headers.size = 0;
        su_exchange_fail(exchange, &problem);
        return;
    }
    call->context = context;
    call->wish = SU_STREAM_WISH_DEFAULT;
    call->ready.run = on_ready;
    call->ws.message = on_message;
    call->ws.sent = on_sent;
    call->ws.ended = on_ended;
    call->ws.stops = on_stops;
    call->ws.closed = on_closed;
    context->num_streams++;
    call->is_working = true; /* so that it stays until this returns */
    exchange->tunnel = &call->ws.tunnel;
    su_exchange_answer(exchange);
    call->is_working = false;
    if (!call->ws.tunnel.was_open) call->is_closed = true;
    free_if_done(call);
}
