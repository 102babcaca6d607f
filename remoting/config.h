/*
 * Which server a program uses when none is named on the command line: HAWSER_SERVER, else the line
 * "server = ENDPOINT" of the first configuration file that exists: $HAWSER_CONFIG,
 * $XDG_CONFIG_HOME/hawser/config, ~/.config/hawser/config, /etc/hawser/config. In such a file each line
 * is "key = value"; "#" begins a comment. Thread-safe as far as getenv is.
 */
#ifndef HAWSER_CONFIG_H
#define HAWSER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "endpoint.h"

/* True when a server is named; its endpoint, unchecked, goes to out. */
bool hawser_config_server(char *out, size_t size);

/* The value of a key in the configuration file; false when no file has it. */
bool hawser_config_get(const char *key, char *out, size_t size);

/* The same in a given file (for tests and hawser doctor). */
bool hawser_config_get_from(const char *path, const char *key, char *out, size_t size);

/* The path of the configuration file in force; false when there is none. */
bool hawser_config_path(char *out, size_t size);

#endif
