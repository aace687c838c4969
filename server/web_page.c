#include "web_page.h"

#include "ollama_catalogue.h"
#include "server_context.h"
#include "web_files.h"

#include <string.h>

/* A page may load and ask nothing but its own server, and stands in no other page. */
static const char headers[] =
    "Cache-Control: no-cache\r\n"
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n";

static const SuWebFile *find_file(SuText name)
{
    for (size_t i = 0; i < su_num_web_files; i++)
        if (su_text_is(name, su_web_files[i].name)) return &su_web_files[i];
    return NULL;
}

static SuText trimmed(SuText text)
{
    for (; text.size && strchr(" \t", *text.data); text.size--) text.data++;
    while (text.size && strchr(" \t", text.data[text.size - 1])) text.size--;
    return text;
}

/* The next of what commas separate, without spaces around it; false: there is none. */
static bool next_item(SuText *list, SuText *item)
{
    if (list->size == 0) return false;
    const char *comma = memchr(list->data, ',', list->size);
    size_t size = comma ? (size_t)(comma - list->data) : list->size, used = size + (comma != NULL);
    *item = trimmed((SuText){list->data, size});
    *list = (SuText){list->data + used, list->size - used};
    return true;
}

static bool accepts_html(const SuHttpHead *head)
{
    SuText list = su_http_header(head, "accept"), item;
    while (next_item(&list, &item)) {
        const char *end = item.size ? memchr(item.data, ';', item.size) : NULL;
        if (end) item.size = (size_t)(end - item.data);
        if (su_text_is_word(trimmed(item), "text/html")) return true;
    }
    return false;
}

static bool has_tag(const SuHttpHead *head, const char *tag)
{
    SuText list = su_http_header(head, "if-none-match"), item;
    while (next_item(&list, &item)) {
        if (item.size > 2 && memcmp(item.data, "W/", 2) == 0)
            item = (SuText){item.data + 2, item.size - 2};
        if (su_text_is(item, tag) || su_text_is(item, "*")) return true;
    }
    return false;
}

static void send_file(SuExchange *exchange, const SuWebFile *file)
{
    static const SuHttpProblem none = {404, "unknown_url", NULL, "There is nothing at this path.",
                                       0};
    SuHttpResponse *response = &exchange->response;
    if (!file) {
        su_exchange_fail(exchange, &none);
        return;
    }
    response->content_type = file->content_type;
    su_reply_string(&response->headers, headers);
    su_response_header(response, "ETag", file->tag);
    su_reply_bytes(&response->body, file->data, file->size);
    if (has_tag(&exchange->head, file->tag)) response->status = 304;
    su_exchange_answer(exchange);
}

static void send_named(SuExchange *exchange, const char *name)
{
    send_file(exchange, find_file((SuText){name, strlen(name)}));
}

static bool has_page(const SuExchange *exchange)
{
    return !((const SuServerContext *)exchange->context)->no_page;
}

void su_web_root(SuExchange *exchange)
{
    bool is_browser = has_page(exchange) && accepts_html(&exchange->head);
    su_response_header(&exchange->response, "Vary", "Accept");
    if (is_browser)
        send_named(exchange, "page.html");
    else
        su_ollama_root(exchange);
}

void su_web_docs(SuExchange *exchange)
{
    send_named(exchange, has_page(exchange) ? "docs.html" : "");
}

void su_web_openapi(SuExchange *exchange) { send_named(exchange, "openapi.json"); }

void su_web_file(SuExchange *exchange)
{
    send_file(exchange, has_page(exchange) ? find_file(exchange->rest) : NULL);
}
