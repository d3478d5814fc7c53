/*
 * call.c - one request for a control route, until it is answered.
 *
 * Owns     struct call and the shape of failures.
 * Used by  every handler, the two ports.
 * Uses     jansson.
 * Thread   control.
 */
#include "control/call.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct call *call_new(struct routes *routes, const struct call_port *port, void *carrier)
{
    struct call *call = mem_zero(1, sizeof *call);
    list_init(&call->link);
    call->routes = routes;
    call->port = port;
    call->carrier = carrier;
    call->rest = "";
    call->query = "";
    return call;
}

static void end(struct call *call, const struct answer *answer)
{
    list_remove(&call->link);
    call->port->end(call->carrier, answer);
    if (call->work)
        call->free_work(call->work);
    free(call);
}

void call_drop(struct call *call)
{
    end(call, NULL);
}

void call_answer_typed(struct call *call, int status, const char *content_type, const char *body,
                       size_t body_len)
{
    end(call, &(struct answer){
                  .status = status, .content_type = content_type, .body = body, .body_len = body_len });
}

void call_answer_text(struct call *call, int status, const char *body, size_t body_len)
{
    call_answer_typed(call, status, NULL, body, body_len);
}

void call_answer(struct call *call, int status, json_t *root, size_t flags)
{
    char *text = json_dumps(root, flags);
    json_decref(root);
    if (text)
        call_answer_text(call, status, text, strlen(text));
    else
        call_fail(call, 500, "the answer could not be rendered");
    free(text);
}

json_t *json_failure(const char *sentence)
{
    static const char mark[] = "<Error> ";
    bool marked = strncmp(sentence, mark, sizeof mark - 1) == 0;
    char *message = mem_format("%s%s", marked ? "" : mark, sentence);
    json_t *root = json_object();
    json_object_set_new(root, "message", json_any_text(message));
    json_object_set_new(root, "status", json_string("failure"));
    free(message);
    return root;
}

/* A failure, ready to send. */
static char *render_failure(const char *sentence)
{
    json_t *root = json_failure(sentence);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}

void call_fail(struct call *call, int status, const char *format, ...)
{
    char sentence[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    char *text = render_failure(sentence);
    end(call, &(struct answer){
                  .status = status,
                  .retry_after_s = status == 503 ? 1 : 0,
                  .body = text,
                  .body_len = strlen(text),
              });
    free(text);
}

void call_refuse_method(struct call *call, const char *allow)
{
    char *sentence = mem_format("this route answers %s only", allow);
    char *text = render_failure(sentence);
    end(call, &(struct answer){ .status = 405, .allow = allow, .body = text, .body_len = strlen(text) });
    free(text);
    free(sentence);
}

const char *call_peer(const struct call *call, char *text, size_t room)
{
    char ip[INET6_ADDRSTRLEN] = "?";
    unsigned port = 0;
    if (call->peer.ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)&call->peer;
        inet_ntop(AF_INET, &v4->sin_addr, ip, sizeof ip);
        port = ntohs(v4->sin_port);
    } else if (call->peer.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)&call->peer;
        inet_ntop(AF_INET6, &v6->sin6_addr, ip, sizeof ip);
        port = ntohs(v6->sin6_port);
    }
    snprintf(text, room, strchr(ip, ':') ? "[%s]:%u" : "%s:%u", ip, port);
    return text;
}

/* ------------------------------------------------------------------ text */

json_t *json_any_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *whole = json_string(text);
    if (whole)
        return whole;
    char *copy = mem_text(text);
    for (char *c = copy; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    whole = json_string(copy);
    free(copy);
    return whole;
}
