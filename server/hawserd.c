/* hawserd: options, the choice of the device, and then the broker. */
#include <errno.h>
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

static void usage(FILE *to)
{
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

static int parse(int argc, char **argv, struct options *o)
{
    static const struct option table[] = {
        {"listen", required_argument, NULL, 'l'},      {"device", required_argument, NULL, 'd'},
        {"mem", required_argument, NULL, 'm'},         {"threads", required_argument, NULL, 't'},
        {"worker-ports", required_argument, NULL, 'w'}, {"ready-fd", required_argument, NULL, 'r'},
        {"lifetime-fd", required_argument, NULL, 'f'}, {"private", no_argument, NULL, 'p'},
        {"help", no_argument, NULL, 'h'},              {"version", no_argument, NULL, 'v'},
        {NULL, 0, NULL, 0}};
    struct broker_settings *b = &o->broker;
    int c;
    while ((c = getopt_long(argc, argv, "", table, NULL)) != -1)
        switch (c) {
        case 'l':
            if (b->n_listen == BROKER_MAX_LISTEN) return -1;
            b->listen[b->n_listen++] = optarg;
            break;
        case 'd':
            o->device = optarg;
            break;
        case 'm':
            setenv("HAWSER_SOFTGPU_MEM", optarg, 1);
            break;
        case 't':
            setenv("HAWSER_SOFTGPU_THREADS", optarg, 1);
            break;
        case 'w':
            if (sscanf(optarg, "%u-%u", &b->ports_lo, &b->ports_hi) != 2 || b->ports_lo < 1 ||
                b->ports_hi > 65535 || b->ports_lo > b->ports_hi) {
                fprintf(stderr, "hawserd: --worker-ports %s: expected LO-HI, from 1 to 65535\n", optarg);
                return -1;
            }
            break;
        case 'r':
            b->ready_fd = atoi(optarg);
            break;
        case 'f':
            b->lifetime_fd = atoi(optarg);
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
            return -1;
        }
    if (optind < argc || b->n_listen == 0) return -1;
    return 0;
}

/* NAME relative to this program's own folder. */
static char *beside(const char *name)
{
    char self[PATH_MAX], path[PATH_MAX + 64];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) return NULL;
    self[n] = 0;
    snprintf(path, sizeof path, "%s/%s", dirname(self), name);
    return strdup(path);
}

static const char *choose_library(const char *device, bool *software)
{
    bool any = !strcmp(device, "auto");
    if (!strcmp(device, "cuda") || any) {
        if (lend_works("libcuda.so.1")) return "libcuda.so.1";
        if (!any) {
            fprintf(stderr, "hawserd: --device cuda: NVIDIA's libcuda.so.1 is missing or finds no GPU\n");
            return NULL;
        }
    } else if (strcmp(device, "soft") != 0) {
        fprintf(stderr, "hawserd: --device %s: expected cuda, soft or auto\n", device);
        return NULL;
    }
    *software = true;
    return beside("../lib/softgpu/libcuda.so.1");
}

int main(int argc, char **argv)
{
    struct options o = {.broker = {.ready_fd = -1, .lifetime_fd = -1}, .device = "auto"};
    hawser_log_name("hawserd");
    if (parse(argc, argv, &o) != 0) {
        usage(stderr);
        return 2;
    }
    lend_environment(o.private); /* a worker is a host process: nothing of a guest's environment may reach it */
    signal(SIGPIPE, SIG_IGN);
    o.broker.worker = beside("hawser-worker");
    o.broker.library = choose_library(o.device, &o.broker.software);
    if (!o.broker.worker || !o.broker.library) return 1;
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
