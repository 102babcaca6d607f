/* What a traced program left (trace/trace.h), as text, as tables and as a trace for Chrome's viewer and Perfetto. */
#include "hawser.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FIELDS 16

struct host {
    const char *function;
    bool post;
    uint64_t id, received, started, ended, device_start, device_end;
};

struct call {
    uint64_t id, start, end, waited, sent, answered;
    unsigned calls, posts;
    int thread;
    const char *result, *name, *arguments, *kernel;
    const char *frames[32];
    unsigned n_frames;
    unsigned n_host;
    uint64_t wire, host, device; /* ns */
};

struct process {
    int pid;
    const char *program;
    struct call *calls;
    struct host *hosts;
    size_t n_calls, n_hosts, cap_calls, cap_hosts;
    int64_t offset; /* host's clock minus the guest's, ns */
};

struct trace_record {
    struct process *processes;
    size_t n;
    uint64_t begin; /* of the first call */
};

/* ---- reading ---- */

static char *unescaped(char *text) {
    char *to = text;
    for (const char *at = text; *at; at++) {
        if (*at != '\\' || !at[1]) {
            *to++ = *at;
            continue;
        }
        at++;
        *to++ = *at == 't' ? '\t' : *at == 'n' ? '\n' : *at == 'r' ? '\r' : *at;
    }
    *to = 0;
    return text;
}

static uint64_t number(const char *text) {
    return strtoull(text, NULL, 10);
}

/* Room for one more; false when memory is short. */
static bool grow(void **array, size_t n, size_t *cap, size_t size) {
    if (n < *cap) return true;
    size_t more = *cap ? 2 * *cap : 256;
    void *p = realloc(*array, more * size);
    if (!p) return false;
    *array = p;
    *cap = more;
    return true;
}

static void read_call(struct process *p, char **f, unsigned n) {
    if (n < 14 || !grow((void **)&p->calls, p->n_calls, &p->cap_calls, sizeof *p->calls)) return;
    p->calls[p->n_calls++] = (struct call){.id = number(f[1]),
                                           .thread = atoi(f[2]),
                                           .start = number(f[3]),
                                           .end = number(f[4]),
                                           .waited = number(f[5]),
                                           .sent = number(f[6]),
                                           .answered = number(f[7]),
                                           .calls = (unsigned)number(f[8]),
                                           .posts = (unsigned)number(f[9]),
                                           .result = strdup(f[10]),
                                           .name = strdup(f[11]),
                                           .arguments = strdup(unescaped(f[12])),
                                           .kernel = *f[13] ? strdup(unescaped(f[13])) : NULL};
}

static void read_host(struct process *p, char **f, unsigned n) {
    if (n < 10 || !grow((void **)&p->hosts, p->n_hosts, &p->cap_hosts, sizeof *p->hosts)) return;
    p->hosts[p->n_hosts++] = (struct host){.id = number(f[1]),
                                           .function = strdup(f[2]),
                                           .post = number(f[3]),
                                           .received = number(f[4]),
                                           .started = number(f[5]),
                                           .ended = number(f[6]),
                                           .device_start = number(f[7]),
                                           .device_end = number(f[8])};
}

/* Frames follow their call. */
static void read_frame(struct process *p, char **f, unsigned n) {
    struct call *c = p->n_calls ? &p->calls[p->n_calls - 1] : NULL;
    for (size_t i = p->n_calls; c && i-- > 0 && c->id != number(f[1]);)
        c = &p->calls[i];
    if (n >= 3 && c && c->id == number(f[1]) && c->n_frames < sizeof c->frames / sizeof *c->frames)
        c->frames[c->n_frames++] = strdup(unescaped(f[2]));
}

static void read_line(struct process *p, char *line) {
    char *fields[MAX_FIELDS];
    unsigned n = 0;
    line[strcspn(line, "\n")] = 0;
    for (char *at = line; at && n < MAX_FIELDS;)
        fields[n++] = strsep(&at, "\t");
    if (!strcmp(fields[0], "call")) read_call(p, fields, n);
    if (!strcmp(fields[0], "host")) read_host(p, fields, n);
    if (!strcmp(fields[0], "frame") && n > 2) read_frame(p, fields, n);
    if (!strcmp(fields[0], "process") && n > 2) {
        p->pid = atoi(fields[1]);
        p->program = strdup(unescaped(fields[2]));
    }
}

static int by_start(const void *a, const void *b) {
    const struct call *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static int by_id(const void *a, const void *b) {
    const struct host *x = a, *y = b;
    return x->id != y->id ? x->id < y->id ? -1 : 1 : x->received < y->received ? -1 : x->received > y->received;
}

/* The first of a call's, in sorted hosts; n_hosts if it has none. */
static size_t first_host(const struct process *p, uint64_t id) {
    size_t low = 0, high = p->n_hosts;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (p->hosts[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < p->n_hosts && p->hosts[low].id == id ? low : p->n_hosts;
}

/* Shares of each call, and the clocks: the quickest of the calls with one answer tells best how they differ. */
static void work_out(struct process *p) {
    uint64_t best = UINT64_MAX;
    qsort(p->calls, p->n_calls, sizeof *p->calls, by_start);
    if (p->n_hosts) qsort(p->hosts, p->n_hosts, sizeof *p->hosts, by_id);
    for (size_t i = 0; i < p->n_calls; i++) {
        struct call *c = &p->calls[i];
        uint64_t awaited = 0;
        size_t first = first_host(p, c->id);
        for (size_t k = first; k < p->n_hosts && p->hosts[k].id == c->id; k++) {
            const struct host *h = &p->hosts[k];
            c->n_host++;
            c->host += h->ended - h->started;
            if (h->device_end > h->device_start) c->device += h->device_end - h->device_start;
            if (!h->post) awaited += h->ended - h->received;
        }
        c->wire = c->waited > awaited ? c->waited - awaited : 0;
        if (c->calls != 1 || c->posts || c->n_host != 1) continue;
        const struct host *h = &p->hosts[first];
        if (c->wire < best) {
            best = c->wire;
            p->offset = (int64_t)h->received - (int64_t)(c->sent + c->wire / 2);
        }
    }
}

static bool read_process(struct trace_record *r, const char *path) {
    FILE *f = fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    struct process *all = f ? realloc(r->processes, (r->n + 1) * sizeof *all) : NULL;
    if (!all) {
        if (f) fclose(f);
        return false;
    }
    r->processes = all;
    struct process *p = &all[r->n];
    *p = (struct process){.program = "?"};
    while (getline(&line, &room, f) > 0)
        read_line(p, line);
    free(line);
    fclose(f);
    if (!p->n_calls) return true;
    work_out(p);
    if (!r->n || p->calls[0].start < r->begin) r->begin = p->calls[0].start;
    r->n++;
    return true;
}

struct trace_record *trace_read(const char *folder) {
    char path[8192];
    struct trace_record *r = calloc(1, sizeof *r);
    DIR *d = opendir(folder);
    bool ok = r && d;
    for (struct dirent *e; ok && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        ok = read_process(r, path);
    }
    if (d) closedir(d);
    return ok && r->n ? r : NULL;
}

/* ---- writing ---- */

static FILE *open_output(const char *path) {
    return strcmp(path, "-") ? fopen(path, "we") : stderr;
}

static int close_output(FILE *f) {
    int bad = ferror(f);
    if (f != stderr)
        bad |= fclose(f);
    else
        fflush(f);
    return bad ? -1 : 0;
}

static const char *duration(char out[32], uint64_t ns) {
    double v = (double)ns;
    if (ns == 0)
        snprintf(out, 32, "-");
    else if (ns < 10000)
        snprintf(out, 32, "%.2f us", v / 1e3);
    else if (ns < 1000000)
        snprintf(out, 32, "%.1f us", v / 1e3);
    else if (ns < 10000000000)
        snprintf(out, 32, "%.2f ms", v / 1e6);
    else
        snprintf(out, 32, "%.2f s", v / 1e9);
    return out;
}

static uint64_t guest_time(const struct call *c) {
    uint64_t whole = c->end - c->start;
    return whole > c->waited ? whole - c->waited : 0;
}

int trace_write_text(const struct trace_record *r, const char *path) {
    char t[32];
    FILE *f = open_output(path);
    if (!f) return -1;
    for (size_t i = 0; i < r->n; i++) {
        const struct process *p = &r->processes[i];
        fprintf(f, "process %d: %s\n", p->pid, p->program);
        for (size_t k = 0; k < p->n_calls; k++) {
            const struct call *c = &p->calls[k];
            fprintf(f, "%12.3f ms [%d] %s(%s) = %s", (double)(c->start - r->begin) / 1e6, c->thread, c->name,
                    c->arguments, c->result);
            fprintf(f, "  <guest %s", duration(t, guest_time(c)));
            if (c->calls) fprintf(f, ", wire %s", duration(t, c->wire));
            if (c->n_host) fprintf(f, ", host %s", duration(t, c->host));
            if (c->device) fprintf(f, ", device %s", duration(t, c->device));
            fputs(">\n", f);
            for (unsigned n = 0; n < c->n_frames; n++)
                fprintf(f, "                    at %s\n", c->frames[n]);
        }
    }
    return close_output(f);
}

/* ---- tables ---- */

struct row {
    const char *name;
    size_t calls, failed;
    uint64_t guest, wire, host, device;
};

static struct row *row_of(struct row **rows, size_t *n, const char *name) {
    for (size_t i = 0; i < *n; i++)
        if (!strcmp((*rows)[i].name, name)) return &(*rows)[i];
    struct row *more = realloc(*rows, (*n + 1) * sizeof *more);
    if (!more) return NULL;
    *rows = more;
    more[*n] = (struct row){.name = name};
    return &more[(*n)++];
}

static uint64_t whole(const struct row *r) {
    return r->guest + r->wire + r->host;
}

static int by_time(const void *a, const void *b) {
    uint64_t x = whole(a) + ((const struct row *)a)->device, y = whole(b) + ((const struct row *)b)->device;
    return x > y ? -1 : x < y;
}

static void print_rows(FILE *f, struct row *rows, size_t n, const char *title) {
    char t[4][32];
    qsort(rows, n, sizeof *rows, by_time);
    fprintf(f, "\n%9s %7s %11s %11s %11s %11s  %s\n", "calls", "failed", "guest", "wire", "host", "device", title);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "%9zu %7zu %11s %11s %11s %11s  %s\n", rows[i].calls, rows[i].failed, duration(t[0], rows[i].guest),
                duration(t[1], rows[i].wire), duration(t[2], rows[i].host), duration(t[3], rows[i].device),
                rows[i].name);
}

static void add(struct row *row, const struct call *c) {
    if (!row) return;
    row->calls++;
    row->failed += strcmp(c->result, "CUDA_SUCCESS") && strcmp(c->result, "Success");
    row->guest += guest_time(c);
    row->wire += c->wire;
    row->host += c->host;
    row->device += c->device;
}

int trace_write_summary(const struct trace_record *r, const char *path) {
    FILE *f = open_output(path);
    if (!f) return -1;
    for (size_t i = 0; i < r->n; i++) {
        const struct process *p = &r->processes[i];
        struct row *functions = NULL, *kernels = NULL, *all = NULL;
        size_t n_functions = 0, n_kernels = 0, n_all = 0;
        uint64_t end = 0;
        char t[32];
        for (size_t k = 0; k < p->n_calls; k++) {
            const struct call *c = &p->calls[k];
            add(row_of(&functions, &n_functions, c->name), c);
            add(row_of(&all, &n_all, "all"), c);
            if (c->kernel) add(row_of(&kernels, &n_kernels, c->kernel), c);
            if (c->end > end) end = c->end;
        }
        fprintf(f, "\nprocess %d: %s, %zu calls in %s\n", p->pid, p->program, p->n_calls,
                duration(t, end - p->calls[0].start));
        print_rows(f, functions, n_functions, "function");
        print_rows(f, all, n_all, "");
        if (n_kernels) print_rows(f, kernels, n_kernels, "kernel");
        free(functions);
        free(kernels);
        free(all);
    }
    return close_output(f);
}

/* ---- JSON: the Trace Event Format; times in microseconds ---- */

static void json_text(FILE *f, const char *text) {
    fputc('"', f);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(f, "\\%c", c);
        else if (c < 32 || c > 126)
            fprintf(f, "\\u%04x", c);
        else
            fputc(c, f);
    }
    fputc('"', f);
}

/* Tracks: a process each for the guest's threads, the host and the device. */
enum track { GUEST, HOST, DEVICE };

static long track_id(const struct process *p, enum track t) {
    return p->pid + 10000000L * t;
}

static void json_name(FILE *f, const struct process *p, enum track t, const char *what) {
    fprintf(f, "{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":%ld,\"args\":{\"name\":", track_id(p, t));
    char text[4096];
    snprintf(text, sizeof text, "%s of %d (%s)", what, p->pid, p->program);
    json_text(f, text);
    fputs("}},\n", f);
}

static void json_slice(FILE *f, const struct trace_record *r, const struct process *p, enum track t, int thread,
                       const char *name, int64_t start, int64_t end) {
    fputs("{\"name\":", f);
    json_text(f, name);
    fprintf(f, ",\"ph\":\"X\",\"pid\":%ld,\"tid\":%d,\"ts\":%.3f,\"dur\":%.3f", track_id(p, t), thread,
            (double)(start - (int64_t)r->begin) / 1e3, (double)(end > start ? end - start : 0) / 1e3);
}

static void json_call(FILE *f, const struct trace_record *r, const struct process *p, const struct call *c) {
    json_slice(f, r, p, GUEST, c->thread, c->name, (int64_t)c->start, (int64_t)c->end);
    fputs(",\"cat\":\"call\",\"args\":{\"arguments\":", f);
    json_text(f, c->arguments);
    fputs(",\"result\":", f);
    json_text(f, c->result);
    fputs(",\"backtrace\":[", f);
    for (unsigned i = 0; i < c->n_frames; i++) {
        if (i) fputc(',', f);
        json_text(f, c->frames[i]);
    }
    fputs("]}},\n", f);
    if (!c->calls) return;
    json_slice(f, r, p, GUEST, c->thread, "wire and host", (int64_t)c->sent, (int64_t)c->answered);
    fputs(",\"cat\":\"wire\"},\n", f);
}

/* Work of several streams overlaps: each piece goes to the first track that is free. */
struct lanes {
    uint64_t busy[64];
};

static int lane(struct lanes *l, uint64_t start, uint64_t end) {
    for (int i = 0; i < 63; i++)
        if (l->busy[i] <= start) {
            l->busy[i] = end;
            return i + 1;
        }
    return 64;
}

static int by_device_start(const void *a, const void *b) {
    const struct host *x = *(const struct host *const *)a, *y = *(const struct host *const *)b;
    return x->device_start < y->device_start ? -1 : x->device_start > y->device_start;
}

static const struct call *call_of(const struct call **by_number, size_t n, uint64_t id) {
    return id < n ? by_number[id] : NULL;
}

static void json_process(FILE *f, const struct trace_record *r, const struct process *p) {
    uint64_t most = 0;
    for (size_t i = 0; i < p->n_calls; i++)
        if (p->calls[i].id > most) most = p->calls[i].id;
    const struct call **by_number = calloc((size_t)most + 1, sizeof *by_number);
    const struct host **work = calloc(p->n_hosts + 1, sizeof *work);
    size_t n_work = 0;
    struct lanes lanes = {{0}};
    json_name(f, p, GUEST, "calls");
    json_name(f, p, HOST, "host");
    json_name(f, p, DEVICE, "device");
    for (size_t i = 0; i < p->n_calls; i++) {
        json_call(f, r, p, &p->calls[i]);
        if (by_number) by_number[p->calls[i].id] = &p->calls[i];
    }
    for (size_t i = 0; by_number && work && i < p->n_hosts; i++) {
        const struct host *h = &p->hosts[i];
        const struct call *c = call_of(by_number, (size_t)most + 1, h->id);
        json_slice(f, r, p, HOST, c ? c->thread : 0, h->function, (int64_t)h->started - p->offset,
                   (int64_t)h->ended - p->offset);
        fputs(",\"cat\":\"host\"},\n", f);
        if (h->device_end > h->device_start) work[n_work++] = h;
    }
    if (work) qsort(work, n_work, sizeof *work, by_device_start);
    for (size_t i = 0; by_number && i < n_work; i++) {
        const struct host *h = work[i];
        const struct call *c = call_of(by_number, (size_t)most + 1, h->id);
        int track = lane(&lanes, h->device_start, h->device_end);
        int64_t start = (int64_t)h->device_start - p->offset;
        json_slice(f, r, p, DEVICE, track, c && c->kernel ? c->kernel : h->function, start,
                   (int64_t)h->device_end - p->offset);
        fputs(",\"cat\":\"device\"},\n", f);
        if (!c) continue;
        /* an arrow from the call to its work */
        fprintf(
            f,
            "{\"name\":\"work\",\"cat\":\"work\",\"ph\":\"s\",\"id\":\"%d.%zu\",\"pid\":%ld,\"tid\":%d,\"ts\":%.3f},\n",
            p->pid, i, track_id(p, GUEST), c->thread, (double)(c->start - r->begin) / 1e3);
        fprintf(f,
                "{\"name\":\"work\",\"cat\":\"work\",\"ph\":\"f\",\"bp\":\"e\",\"id\":\"%d.%zu\",\"pid\":%ld,\"tid\":%"
                "d,\"ts\":%.3f},\n",
                p->pid, i, track_id(p, DEVICE), track, (double)(start - (int64_t)r->begin) / 1e3);
    }
    free(by_number);
    free(work);
}

int trace_write_json(const struct trace_record *r, const char *path) {
    FILE *f = open_output(path);
    if (!f) return -1;
    fputs("{\"traceEvents\":[\n", f);
    for (size_t i = 0; i < r->n; i++)
        json_process(f, r, &r->processes[i]);
    fprintf(f, "{\"name\":\"end\",\"ph\":\"M\",\"pid\":0}],\n\"displayTimeUnit\":\"ns\"}\n");
    return close_output(f);
}
