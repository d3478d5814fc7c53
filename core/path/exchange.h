/*
 * exchange.h - one request and its reply, its steps in order.
 *
 * Owns     everything that lives from the first byte of a request to the last byte of its reply.
 * Used by  client.c (begins, runs, ends it), upstream.c and worker.c (wake it).
 * Uses     head.c, route.c, key.c, pick.c, upstream.c, relay.c, tally.c, forward.c.
 * Thread   the worker.
 *
 *   READ_HEAD -> ROUTE -> MAKE_KEY -> PICK -> CONNECT -> SEND -> REPLY_HEAD -> RELAY -> FINISH
 *      |           |                   ^  \      |         |         |           |
 *    ANSWER       CALL            tried|   \--+-- before the first reply byte -+-- ANSWER; after it: close
 *                                                                 \-- 101 -- TUNNEL -- FINISH
 *
 * exchange.c            the driver, READ_HEAD to PICK, FINISH
 * exchange_attempt.c    one try on one replica: CONNECT to RELAY, and what becomes of a failed one
 * exchange_pace.c       clients that are too slow
 * exchange_tunnel.c     what comes after a 101: TUNNEL
 * exchange_answer.c     what the balancer says itself: ANSWER; and control routes: CALL
 */
#ifndef PATH_EXCHANGE_H
#define PATH_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hint.h"
#include "lb_plugin.h"
#include "path/access.h"
#include "path/head.h"
#include "path/key.h"
#include "path/relay.h"
#include "world/message.h"

struct client;
union proxy_address;
struct held_view;
struct load;
struct pool;
struct replica;
struct seat;
struct upstream;
struct worker;

/* The step list, written once: the enum, the names in logs and state, a histogram a step, the functions.
 * STEP(NAME, function, text) */
#define EXCHANGE_STEPS(STEP)                                                                                 \
    STEP(READ_HEAD, exchange_read_head, "read_head") /* until the request's head is whole */                 \
    STEP(ROUTE, exchange_route, "route")             /* a replica's or a control route? */                   \
    STEP(MAKE_KEY, exchange_make_key, "make_key")    /* what the request is known by */                      \
    STEP(PICK, exchange_pick, "pick")                /* a member that is ready and not tried */              \
    STEP(CONNECT, exchange_connect, "connect")       /* until a socket to it is there */                     \
    STEP(SEND, exchange_send, "send")                /* until the request is sent, or a reply comes early */ \
    STEP(REPLY_HEAD, exchange_reply_head, "reply_head") /* until the final reply's head is whole */          \
    STEP(RELAY, exchange_relay, "relay")                /* until the reply's body is written */              \
    STEP(TUNNEL, exchange_tunnel, "tunnel")             /* after a 101: until both sides have ended */       \
    STEP(CALL, exchange_call, "call")                   /* until control has answered */                     \
    STEP(ANSWER, exchange_answer, "answer")             /* until our own answer is written */                \
    STEP(FINISH, exchange_finish, "finish")             /* count, and decide what becomes of the connection */

enum exchange_step {
#define STEP_ENUM(name_, function_, text_) STEP_##name_,
    EXCHANGE_STEPS(STEP_ENUM)
#undef STEP_ENUM
        STEP_COUNT
};
extern const char *const exchange_step_names[STEP_COUNT + 1]; /* ends with NULL */

enum step_result {
    STEP_MORE,   /* go on with the step that stands in x->step */
    STEP_PARKED, /* wait for an event */
    STEP_DONE,   /* over: x->ending says what becomes of the client */
};

/* What becomes of the client connection. */
enum exchange_ending {
    ENDING_KEEP,   /* the next request */
    ENDING_CLOSE,  /* at once */
    ENDING_LINGER, /* say goodbye, and read what it still sends, so that it sees our answer */
};

#define EXCHANGE_IP        46 /* room for an address as a text */
#define EXCHANGE_TRIED_MAX 16 /* replicas one request may fail on, free retries included */

struct exchange {
    struct client *client;
    struct worker *worker;
    enum exchange_step step;
    enum exchange_ending ending;
    uint64_t started_ns, step_ns;

    /* the request */
    uint32_t head_len; /* in client->in, leading empty line included */
    enum framing request_framing;
    bool keep_alive;   /* as far as the request and we are concerned */
    bool replied;      /* a byte of a final reply or answer may have gone to the client */
    bool aborted;      /* the client is to be closed at once */
    bool client_ended; /* the client has sent its end; it may still read */
    bool trusted;      /* that peer is in trust_forwarded */

    /* whom it goes to */
    struct held_view *view; /* until no retry is possible */
    const struct pool *pool;
    struct lb_key key;
    uint64_t hash;
    uint32_t member;     /* of the attempt under way */
    struct seat *seat;   /* reserved; NULL between attempts */
    struct load *load;   /* where that is counted; outlives the view */
    struct upstream *up; /* borrowed */
    uint64_t picked_ns;
    uint8_t n_tried;
    uint8_t attempts;   /* that cost: the first one and budgeted retries */
    bool retrying;      /* counts in worker.n_retrying */
    bool settled;       /* the scheduler knows how this attempt went */
    bool timed_out;     /* the last attempt ended by a deadline */
    bool fresh_only;    /* a kept socket failed us: take a new one */
    bool upward_broken; /* the replica stopped reading; its reply may still come */

    /* Upgrade */
    bool upgrades;                   /* the attempt under way offers the replica to switch protocols */
    bool tunnel;                     /* it has: the client's buffer is the relay's */
    char *tunnel_head;               /* the request's head, for the access log */
    bool upward_over, downward_over; /* directions of the tunnel */

    /* the bodies */
    bool upward_begun, upward_done;
    struct buffer *reply_in; /* the reply's bytes until downward takes over */
    uint8_t interim;         /* 1xx replies so far */
    bool head_request;

    /* control routes and own answers */
    char *call_body; /* of a control route's request */
    size_t call_len;
    struct chunk call_chunk;
    bool call_begun, call_read; /* its body is being, has been read */
    bool parked;
    uint32_t parked_slot;
    struct letter_answer *answer; /* what control said */
    const char *own_body;         /* of the answer under way */
    size_t own_len, own_sent;
    struct access_note note;
    uint64_t kept; /* counts in worker->kept_bytes */

    /* limits.min_rate: exchange_pace.c */
    struct deadline pace;
    uint64_t pace_moved; /* when the window began */
    bool pace_out;       /* it reads from us; else it sends */

    uint32_t retry_after_s; /* of a 503; 0: one second */

    struct head_field *request_fields, *reply_fields; /* behind the struct */

    /* From here on nothing is cleared at the beginning: it is two thirds of the struct, and each part is written before it
     * is read. */
    struct head request;                /* exchange_begin */
    struct relay upward, downward;      /* exchange_begin; their bodies later */
    struct head reply;                  /* SEND */
    uint32_t tried[EXCHANGE_TRIED_MAX]; /* n_tried of them */
    char key_text[KEY_TEXT];            /* MAKE_KEY */
    char client_ip[EXCHANGE_IP]; /* MAKE_KEY: the client's peer, or whom its PROXY header names; "" before */
    char request_id[33];         /* made when the request had none; else "" */
    char own_text[256];
};

/* A request's first bytes are in client->in (or nothing yet). */
struct exchange *exchange_begin(struct client *client);

/* Takes as many steps as can be taken now. */
enum step_result exchange_run(struct exchange *x);

/* The deadline it waited for has passed; to be followed by exchange_run. */
RARELY void exchange_expired(struct exchange *x, enum deadline_class class);

struct conn;
/* 503 with Retry-After, and that the connection ends, to a client for which nothing else can be done: the request was not
 * even looked at. What does not fit into the socket at once is not sent. */
RARELY void exchange_turn_away(struct conn *to, const char *sentence);
/* The replica it is with must not be used any longer; to be followed by exchange_run. */
RARELY void exchange_cut(struct exchange *x);
/* The replica it is with answers no heartbeats. If the request may be repeated and somebody else is there, it is sent to him; to be
 * followed by exchange_run. is_dead: at no cost from the retry budget. */
RARELY void exchange_move(struct exchange *x, bool is_dead);

/* Control's answer; to be followed by exchange_run. Takes the letter over. */
void exchange_answered(struct exchange *x, struct letter_answer *answer);

/* Lets go of everything it holds, whatever it was doing. The last call. */
void exchange_end(struct exchange *x);

/* The bytes one exchange takes, fields included. */
size_t exchange_size(uint16_t max_fields);

/* ------------------------------------------------------------------ between the exchange files */

/* Goes on with another step and notes how long this one took. */
enum step_result exchange_go(struct exchange *x, enum exchange_step step);

/* Answers with an error of our own: {"message":"<Error> SENTENCE","status":"failure"}. After a byte of a
 * reply has gone out it can only close. */
RARELY enum step_result exchange_fail(struct exchange *x, int status, const char *sentence);

/* It needs more than limits.memory_mib leaves: 503, or closed. */
RARELY enum step_result exchange_no_memory(struct exchange *x);

/* Ends the exchange by closing the client connection at once. */
RARELY enum step_result exchange_abort(struct exchange *x);

/* Drops the attempt under way: socket, seat, reservation. clean: the socket may be kept. */
void exchange_drop_attempt(struct exchange *x, bool clean);

/* Tells the scheduler how the attempt under way went; once for each. */
void exchange_settle(struct exchange *x, enum lb_outcome outcome, int status);

/* Fills client_ip in. */
void exchange_print_client(struct exchange *x);

/* For the access log: whom the request comes from, in out or in client_ip, which is filled in. */
const char *exchange_print_from(struct exchange *x, char out[EXCHANGE_IP]);

/* The bytes of the request's head; NULL: they are gone. A tunnel has given its buffer away. */
const char *exchange_head(const struct exchange *x);
/* A 101 has come: STEP_MORE and a tunnel, if it takes up what was offered; else STEP_PARKED, and nothing was done. */
enum step_result exchange_switch(struct exchange *x, int head_len);

/* Whom the request comes from: the client's peer, or whom proxies that are trusted name; *room is filled then. Sets
 * x->trusted. */
const struct sockaddr *exchange_from(struct exchange *x, union proxy_address *room);

/* No retry is possible any more. */
void exchange_release_view(struct exchange *x);

/* A deadline of CONNECT, SEND, REPLY_HEAD or RELAY ran out. */
RARELY enum step_result exchange_attempt_expired(struct exchange *x, enum deadline_class class);

/* The request's body has been read to its end (there may have been none). */
bool exchange_body_is_read(const struct exchange *x);

/* Waits for an event, at most as long as the class allows. */
enum step_result exchange_wait(struct exchange *x, enum deadline_class class);

/* The same while the client alone is waited for: out, until it has read; else until it has sent. It must keep
 * limits.min_rate meanwhile. */
enum step_result exchange_wait_for_client(struct exchange *x, enum deadline_class class, bool out);

/* Such a window is over. The exchange, and its client, may be gone afterwards. */
RARELY void exchange_pace_expired(struct exchange *x);

#define STEP_DECLARE(name_, function_, text_) enum step_result function_(struct exchange *x);
EXCHANGE_STEPS(STEP_DECLARE)
#undef STEP_DECLARE

#endif
