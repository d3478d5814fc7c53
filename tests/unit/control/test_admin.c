/*
 * test_admin.c - the admin port, over a real socket: what comes in, what goes out, and callers that do not
 * wait.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <cmocka.h>

#include "control/admin.h"
#include "control/publish.h"
#include "control/reload.h"
#include "control/routes.h"
#include "unit/control/stage.h"
#include "world/config.h"

#define CONF   "strategy = { scheduler = \"scheduler_round_robin\"; };\ncontrol_token = \"sesame\";\n"
#define SESAME "Authorization: Bearer sesame\r\n"

static struct stage *s;
static struct routes routes;
static struct admin *admin;
static unsigned n_applied;

/* One caller. */
static int fd;
static char reply[8192];
static size_t n_reply;
static bool is_head; /* the reply announces a body that does not come */

static void note_applied(void *ctx, struct config *before, struct config *now)
{
    (void)ctx, (void)before, (void)now;
    n_applied++;
}

static int open_admin(void **state)
{
    (void)state;
    char why[256];
    s = stage_open(CONF);
    routes = (struct routes){ .base = s->base, .publish = s->publish, .workers = s->reach };
    routes.reload = reload_new(s->builder, s->builder, s->publish, s->vetting, note_applied, NULL);
    routes_init(&routes);
    struct config config = *s->config;
    config.admin = (char *)(uintptr_t) "127.0.0.1:0";
    admin = admin_open(s->base, &config, &routes, why, sizeof why);
    assert_non_null(admin);
    n_applied = 0;
    fd = -1;
    return 0;
}

static int close_admin(void **state)
{
    (void)state;
    admin_close(admin);
    routes_close(&routes);
    stage_quiet(s);
    reload_free(routes.reload);
    stage_close(s);
    if (fd >= 0)
        close(fd);
    return 0;
}

/* ------------------------------------------------------------------ a caller */

static void call(const char *text)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)admin_port_number(admin)) };
    inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
    if (fd < 0) {
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    }
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
    n_reply = 0;
}

/* A whole reply is there: head, and as many bytes as it announces; or the connection has ended. */
static bool has_reply(struct stage *stage)
{
    (void)stage;
    ssize_t n = recv(fd, reply + n_reply, sizeof reply - 1 - n_reply, MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        return true;
    n_reply += n > 0 ? (size_t)n : 0;
    reply[n_reply] = '\0';
    const char *body = strstr(reply, "\r\n\r\n"), *length = strcasestr(reply, "content-length: ");
    if (!body || !length)
        return false;
    return strlen(body + 4) >= (is_head ? 0 : strtoul(length + 16, NULL, 10));
}

static const char *ask(const char *text)
{
    call(text);
    stage_wait(s, has_reply);
    return reply;
}

static void check_status(const char *text, int status)
{
    char expected[32];
    snprintf(expected, sizeof expected, "HTTP/1.1 %d ", status);
    if (strncmp(text, expected, strlen(expected)) != 0)
        fail_msg("expected %d, got: %s", status, text);
}

static void check_failure(const char *text, int status)
{
    check_status(text, status);
    assert_non_null(strstr(text, "Content-Type: application/json\r\n"));
    assert_non_null(strstr(text, "\r\n\r\n{\"message\":\"<Error> "));
    assert_non_null(strstr(text, ",\"status\":\"failure\"}"));
}

/* ------------------------------------------------------------------ */

static void test_unknown(void **state)
{
    (void)state;
    static const char *const paths[] = { "/",         "/rep",    "/_lb",        "/_lb/",
                                         "/_lb/repp", "/_lbrep", "/_lb/rep%00", "//_lb/rep" };
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char text[128];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
        check_failure(ask(text), 404);
    }
}

static void test_methods(void **state)
{
    (void)state;
    check_failure(ask("GET /_lb/add HTTP/1.1\r\nHost: x\r\n\r\n"), 405);
    assert_non_null(strstr(reply, "Allow: POST\r\n"));
    check_failure(ask("PATCH /_lb/rm HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), 405);
    assert_non_null(strstr(reply, "Allow: DELETE, POST\r\n"));
}

static void test_token(void **state)
{
    (void)state;
    check_failure(ask("POST /_lb/add HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), 403);
}

/* As to a GET, without the body; the next reply on the connection stands where it should. */
static void test_head(void **state)
{
    (void)state;
    is_head = true;
    check_status(ask("HEAD /_lb/nothing HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
    is_head = false;
    assert_string_equal(strstr(reply, "\r\n\r\n"), "\r\n\r\n");
    assert_null(strstr(reply, "Content-Length: 0\r\n"));
    check_failure(ask("GET /_lb/nothing HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
}

/* The body of a DELETE is read, and refused for what it says. */
static void test_body(void **state)
{
    (void)state;
    check_failure(
        ask("DELETE /_lb/rm HTTP/1.1\r\nHost: x\r\n" SESAME "Content-Length: 13\r\n\r\nn=1&surplus=1"), 400);
    assert_non_null(strstr(reply, "unknown field"));
    check_failure(ask("POST /%5flb/%61dd?x=1 HTTP/1.1\r\nHost: x\r\n" SESAME "Content-Length: 3\r\n\r\nn=0"),
                  400);
    assert_non_null(strstr(reply, "n must be above 0"));
}

static void test_too_large_a_body(void **state)
{
    (void)state;
    call("POST /_lb/add HTTP/1.1\r\nHost: x\r\n" SESAME "Content-Length: 100000000\r\n\r\n");
    stage_wait(s, has_reply);
    if (n_reply)
        check_status(reply, 413);
}

/* An answer that has to wait for the builder and the workers; then the next request on the same connection.
 * */
static void test_reload(void **state)
{
    (void)state;
    stage_write(s, CONF "timeouts = { idle = 1234; };\n");
    check_status(ask("POST /_lb/reload HTTP/1.1\r\nHost: x\r\n" SESAME "Content-Length: 0\r\n\r\n"), 200);
    assert_non_null(strstr(reply, "\r\n\r\n{\"message\":{\"generation\":2,\"changed\":[\"timeouts.idle\"],"));
    check_status(ask("POST /_lb/reload HTTP/1.1\r\nHost: x\r\n" SESAME "Content-Length: 0\r\n\r\n"), 200);
    assert_non_null(strstr(reply, "\"changed\":[]"));
    assert_int_equal(n_applied, 1);
}

static bool is_applied(struct stage *stage)
{
    (void)stage;
    return n_applied == 1;
}

static bool is_called(struct stage *stage)
{
    (void)stage;
    return !list_is_empty(&routes.open);
}

/* Who asks for something gets it done, even when he does not wait for the answer. */
static void test_caller_goes_away(void **state)
{
    (void)state;
    s->is_manual = true;
    stage_write(s, CONF "timeouts = { idle = 1234; };\n");
    call("POST /_lb/reload HTTP/1.1\r\nHost: x\r\n" SESAME "Content-Length: 0\r\n\r\n");
    stage_wait(s, is_called);
    close(fd);
    fd = -1;
    s->is_manual = false;
    stage_wait(s, is_applied);
    stage_turn(s);
    assert_true(list_is_empty(&routes.open));
}

static void test_closed_while_a_caller_waits(void **state)
{
    (void)state;
    s->is_manual = true;
    stage_write(s, CONF "timeouts = { idle = 1234; };\n");
    call("POST /_lb/reload HTTP/1.1\r\nHost: x\r\n" SESAME "Content-Length: 0\r\n\r\n");
    stage_wait(s, is_called);
}

static void test_bind_fails(void **state)
{
    (void)state;
    char address[64], why[256];
    struct config config = *s->config;
    config.admin = address;
    snprintf(address, sizeof address, "127.0.0.1:%u", admin_port_number(admin));
    assert_null(admin_open(s->base, &config, &routes, why, sizeof why));
    assert_non_null(strstr(why, address));
    assert_non_null(strstr(why, "in use"));
}

#define TEST(name_) cmocka_unit_test_setup_teardown(name_, open_admin, close_admin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_unknown),
        TEST(test_methods),
        TEST(test_token),
        TEST(test_head),
        TEST(test_body),
        TEST(test_too_large_a_body),
        TEST(test_reload),
        TEST(test_caller_goes_away),
        TEST(test_closed_while_a_caller_waits),
        TEST(test_bind_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
