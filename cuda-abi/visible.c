/*
 * CUDA_VISIBLE_DEVICES as the CUDA Programming Guide describes it. Where it is silent, the rules are those by which
 * frameworks read the variable before they ask the driver, for the two must agree: numbers end at the first
 * character that is no digit, the first entry decides whether numbers or names follow, and a device that stands twice
 * leaves none.
 */
#include "visible.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char blanks[] = " \t";

/* One entry, without the blanks around it. */
struct entry {
    const char *text;
    size_t size;
};

static struct entry next_entry(const char **list) {
    *list += strspn(*list, blanks);
    struct entry e = {*list, strcspn(*list, ",")};
    *list += e.size;
    if (**list) ++*list;
    while (e.size && strchr(blanks, e.text[e.size - 1]))
        e.size--;
    return e;
}

static bool is_name(struct entry e) {
    return e.size >= 4 && (!strncmp(e.text, "GPU-", 4) || !strncmp(e.text, "MIG-", 4));
}

/* The device of which this is the name or the beginning of the name, if it is the only one; else -1. */
static int named(struct entry e, const struct hawser_names *all) {
    int found = -1;
    for (unsigned i = 0; i < all->n; i++) {
        if (strncmp(all->text[i], e.text, e.size) != 0) continue;
        if (found >= 0) return -1;
        found = (int)i;
    }
    return found;
}

/* 1, +1 and 1st are 1. */
static int numbered(struct entry e, unsigned n) {
    const char *digits = e.text + (e.size && *e.text == '+');
    if (!e.size || !isdigit((unsigned char)*digits)) return -1;
    unsigned long value = strtoul(digits, NULL, 10);
    return value < n ? (int)value : -1;
}

unsigned hawser_visible_devices(const char *list, const struct hawser_names *all, unsigned out[HAWSER_MAX_DEVICES]) {
    bool seen[HAWSER_MAX_DEVICES] = {0};
    unsigned n = 0;
    for (unsigned i = 0; !list && i < all->n; i++)
        out[n++] = i;
    const char *rest = list ? list : "";
    const char *first = rest;
    bool names = is_name(next_entry(&first));
    while (*rest) {
        struct entry e = next_entry(&rest);
        int device = is_name(e) != names ? -1 : names ? named(e, all) : numbered(e, all->n);
        if (device < 0) break;
        if (seen[device]) return 0;
        seen[device] = true;
        out[n++] = (unsigned)device;
    }
    return n;
}

bool hawser_container_hides(const char *list) {
    return list && *list && strcmp(list, "all") && strcmp(list, "void");
}

bool hawser_container_devices(const char *list, const struct hawser_names *all, bool out[HAWSER_MAX_DEVICES]) {
    bool hides = hawser_container_hides(list), known = true;
    for (unsigned i = 0; i < all->n; i++)
        out[i] = !hides;
    if (!hides || !strcmp(list, "none")) return true;
    while (*list) {
        struct entry e = next_entry(&list);
        int device = is_name(e) ? named(e, all) : numbered(e, all->n);
        if (device >= 0) out[device] = true;
        known = known && device >= 0;
    }
    return known;
}
