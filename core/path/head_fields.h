/*
 * head_fields.h - what the fields of a head mean to us. Pure. Only head.c includes this; everybody else reads
 * head.h.
 *
 * Owns     field names and the rules for Content-Length, Transfer-Encoding, Connection, Host and Expect.
 * Used by  head.c.
 * Thread   any.
 */
#ifndef PATH_HEAD_FIELDS_H
#define PATH_HEAD_FIELDS_H

#include "path/head.h"

/* The id of a field name; name is a token. */
enum head_name head_name_of(const char *name, size_t len);

/* Fields that say something about the message itself; the others only pass. */
#define HEAD_MEANINGFUL                                                                                \
    (HEAD_SEEN(HEAD_CONTENT_LENGTH) | HEAD_SEEN(HEAD_TRANSFER_ENCODING) | HEAD_SEEN(HEAD_CONNECTION) | \
     HEAD_SEEN(HEAD_HOST) | HEAD_SEEN(HEAD_EXPECT))

/* Takes in a meaningful field that has just been read, before it is counted in h->n_fields. Returns 0, or an error of
 * enum head_result. */
int head_note_field(struct head *h, const char *bytes, const struct head_field *field, bool is_reply);

/* What can only be said when the last field was read. Returns like above. */
int head_settle(struct head *h, const char *bytes, bool is_reply);

#endif
