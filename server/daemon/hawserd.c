/* hawserd: options, the choice of the device, and then the broker. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "lend.h"
#include "log.h"
#include "value.h"

static void usage(FILE *to) {
    fputs("usage: hawserd --listen ENDPOINT [--listen ENDPOINT …] [options]\n"
          "Lends this machine's GPU, or the software GPU, to guests.\n"
          "\n"
          "  --listen ENDPOINT     tcp://HOST:PORT or ipc://PATH; may be given several times\n"
          "  --device KIND         cuda: NVIDIA's driver; soft: the software GPU;\n"
          "                        auto (default): cuda where it works, else soft\n"
          "  --mem SIZE            memory of the software GPU, for example 4G\n"
          "  --threads N           CPU threads of the software GPU\n"
          "  --worker-ports LO-HI  tcp ports for the sessions' workers (default: any)\n"
          "  --ready-fd FD         write one line there when listening\n"
          "  --lifetime-fd FD      end when the other end of this pipe is closed\n"
          "  --private             the server of one run: its socket's folder goes with it\n"
          "  --help, --version\n",
          to);
}

struct options {
    struct broker_settings broker;
    const char *device;
    bool private;
};

enum parsed { RIGHT, TOLD /* what is wrong */, USAGE };

static bool check(const char *option, const char *value) {
    char err[512];
    if (hawser_value_check(option, value, err, sizeof err)) return true;
    fprintf(stderr, "hawserd: %s\n", err);
    return false;
}

/* An open descriptor. */
static bool descriptor(const char *option, const char *value, int *out) {
    long n;
    if (hawser_number(value, 0, INT_MAX, &n) && fcntl((int)n, F_GETFD) >= 0) {
        *out = (int)n;
        return true;
    }
    fprintf(stderr, "hawserd: %s %s: expected the number of an open descriptor\n", option, value);
    return false;
}

static bool ports(const char *value, struct broker_settings *b) {
    int end = 0;
    if (sscanf(value, "%u-%u%n", &b->ports_lo, &b->ports_hi, &end) == 2 && !value[end] && b->ports_lo >= 1 &&
        b->ports_hi <= 65535 && b->ports_lo <= b->ports_hi)
        return true;
    fprintf(stderr, "hawserd: --worker-ports %s: expected LO-HI, from 1 to 65535\n", value);
    return false;
}

static enum parsed parse(int argc, char **argv, struct options *o) {
    static const struct option table[] = {{"listen", required_argument, NULL, 'l'},
                                          {"device", required_argument, NULL, 'd'},
                                          {"mem", required_argument, NULL, 'm'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"worker-ports", required_argument, NULL, 'w'},
                                          {"ready-fd", required_argument, NULL, 'r'},
                                          {"lifetime-fd", required_argument, NULL, 'f'},
                                          {"private", no_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'v'},
                                          {NULL, 0, NULL, 0}};
    struct broker_settings *b = &o->broker;
    int c;
    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1)
        switch (c) {
        case 'l':
            if (b->n_listen == BROKER_MAX_LISTEN) {
                fprintf(stderr, "hawserd: more than %d --listen\n", BROKER_MAX_LISTEN);
                return TOLD;
            }
            b->listen[b->n_listen++] = optarg;
            break;
        case 'd':
            if (!check("--device", optarg)) return TOLD;
            o->device = optarg;
            break;
        case 'm':
            if (!check("--mem", optarg)) return TOLD;
            setenv("HAWSER_SOFTGPU_MEM", optarg, 1);
            break;
        case 't':
            if (!check("--threads", optarg)) return TOLD;
            setenv("HAWSER_SOFTGPU_THREADS", optarg, 1);
            break;
        case 'w':
            if (!ports(optarg, b)) return TOLD;
            break;
        case 'r':
            if (!descriptor("--ready-fd", optarg, &b->ready_fd)) return TOLD;
            break;
        case 'f':
            if (!descriptor("--lifetime-fd", optarg, &b->lifetime_fd)) return TOLD;
            break;
        case 'p':
            o->private = true;
            break;
        case 'h':
            usage(stdout);
            exit(0);
        case 'v':
            printf("hawserd %s\n", HAWSER_VERSION);
            exit(0);
        default:
            return TOLD;
        }
    return optind < argc || b->n_listen == 0 ? USAGE : RIGHT;
}

/* NAME relative to this program's own folder. */
static char *beside(const char *name) {
    char self[PATH_MAX], path[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) {
        fprintf(stderr, "hawserd: cannot tell where hawser is installed: /proc/self/exe: %s\n", strerror(errno));
        return NULL;
    }
    self[n] = 0;
    snprintf(path, sizeof path, "%s/%s", dirname(self), name);
    return strdup(path);
}

static const char *choose_library(const char *device) {
    if (strcmp(device, "soft") != 0 && lend_works("libcuda.so.1")) return "libcuda.so.1";
    if (!strcmp(device, "cuda")) {
        fprintf(stderr, "hawserd: --device cuda: NVIDIA's libcuda.so.1 is missing or finds no GPU\n");
        return NULL;
    }
    return beside("../lib/softgpu/libcuda.so.1");
}

int main(int argc, char **argv) {
    struct options o = {.broker = {.ready_fd = -1, .lifetime_fd = -1}, .device = "auto"};
    hawser_log_name("hawserd");
    enum parsed parsed = parse(argc, argv, &o);
    if (parsed == USAGE) usage(stderr);
    if (parsed != RIGHT) return 2;
    lend_environment(o.private); /* a worker is a host process: nothing of a guest's environment may reach it */
    signal(SIGPIPE, SIG_IGN);
    o.broker.worker = beside("hawser-worker");
    if (!o.broker.worker) return 1;
    o.broker.library = choose_library(o.device);
    if (!o.broker.library) return 1;
    o.broker.software = lend_software(o.broker.library);
    lend_by_name(o.broker.library);
    int status = broker_run(&o.broker);
    if (o.private && !strncmp(o.broker.listen[0], "ipc://", 6)) {
        char *folder = strdup(o.broker.listen[0] + 6);
        if (folder && rmdir(dirname(folder)) != 0 && errno != ENOENT)
            hawser_log(HAWSER_WARN, "%s is left behind: %s", folder, strerror(errno));
        free(folder);
    }
    return status;
}
