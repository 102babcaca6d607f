/*
 * Which server a program uses when none is named on the command line: HAWSER_SERVER, else the line
 * "server = ENDPOINT" of the first configuration file that exists: $HAWSER_CONFIG,
 * $XDG_CONFIG_HOME/hawser/config, ~/.config/hawser/config, /etc/hawser/config. In such a file each line
 * is "KEY = VALUE"; "#" begins a comment. What is wrong in it is told, never passed over: a program would run
 * elsewhere than its user means. Thread-safe as far as getenv is.
 */
#ifndef HAWSER_CONFIG_H
#define HAWSER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "endpoint.h"

enum hawser_config {
    HAWSER_CONFIG_NONE, /* no server is named */
    HAWSER_CONFIG_NAMED,
    HAWSER_CONFIG_WRONG, /* err has one line that names the file and the line in it */
};

/* The server's endpoint goes to out. */
enum hawser_config hawser_config_server(char out[HAWSER_ENDPOINT_MAX], char *err, size_t err_size);

#endif
