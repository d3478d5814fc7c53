/*
 * config_texts.h - what an address, a name, a path or a token must look like.
 *
 * Owns     nothing.
 * Used by  config_options.c and config_members.c.
 * Uses     config.h.
 * Thread   any; pure.
 *
 * Each returns NULL when the text is good, else the end of a sentence that begins with the text, and
 * sometimes a hint.
 */
#ifndef WORLD_CONFIG_TEXTS_H
#define WORLD_CONFIG_TEXTS_H

const char *config_check_listen_address(const char *text, const char **hint); /* host:port, :port, port */
const char *config_check_listener(const char *text, const char **hint);       /* the same, perhaps " proxy" */
const char *config_check_member_address(const char *text,
                                        const char **hint);         /* host:port one can connect to */
const char *config_check_host(const char *text, const char **hint); /* a numeric address without a port */
const char *config_check_replica_name(const char *text,
                                      const char **hint); /* CONTRACT: 1 to 63 of some characters */
const char *config_check_name_pattern(const char *text,
                                      const char **hint); /* the same, with {n} in it once */
const char *config_check_url_path(const char *text, const char **hint);
const char *config_check_token(const char *text, const char **hint);
const char *config_check_protocol(const char *text, const char **hint); /* of an Upgrade field, or "*" */

/* "NAME=value". */
const char *config_check_setting(const char *text, const char **hint);

/* A name that the system knows, a number, or "". Asks the system's lists, wherever these come from. */
const char *config_check_user(const char *text, const char **hint);
const char *config_check_group(const char *text, const char **hint);

/* "unix:///var/run/docker.sock", "tcp://host:2375". */
const char *config_check_dns_server(const char *text, const char **hint); /* "" is one */
const char *config_check_engine(const char *text, const char **hint);
/* What can stand in a label and in a container's name; "" too. */
const char *config_check_instance(const char *text, const char **hint);
/* A network that gives each container an address of its own; "" too. */
const char *config_check_docker_network(const char *text, const char **hint);

#endif
