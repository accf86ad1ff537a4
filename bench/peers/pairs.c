/*
 * The load of pairs: each sender has a message under way to its receiver, over connections that are logged in already.
 *
 * A program in C because at 50,000 messages a second an interpreter would measure itself. It knows just enough of each
 * protocol to tell messages and answers apart; everything it sends was made beforehand, everything that arrives is kept
 * and looked at afterwards (pairs.py writes the plan, starts this, and reads the findings).
 *
 *     pairs PLAN FINDINGS
 *
 * Closed: a pair sends its next message when the one before is answered (where the protocol answers), delivered, and, if
 * asked for, acknowledged by a message back from the receiver. Open: messages leave at fixed times whatever comes back,
 * and this program spins instead of sleeping, because sleeps are late by up to a millisecond in a virtual machine.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WEBSOCKET, XMPP, MQTT, NATS };
enum { ANSWERS = 1, BACK = 2 };
enum { SENDER, RECEIVER };

struct plan {
    uint32_t protocol, open, flags, pairs, messages, answer_max, before, unused;
    double seconds, rate;
};

struct bytes {
    uint8_t *data;
    size_t size, room;
};

struct times {
    double *at;
    uint32_t n, room;
};

struct pair {
    int fd[2];
    const uint8_t **frames[2]; /* each: 4 bytes size, then the frame */
    struct bytes in[2];        /* not parsed yet */
    struct bytes kept[2];
    struct times sent, answered, delivered, back;
    int done;
};

static struct plan plan;
static struct pair *pairs;
static double last_arrival;

static void fail(const char *what) {
    fprintf(stderr, "pairs: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static double processor(void) {
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

static void *grown(void *old, size_t size) {
    void *got = realloc(old, size);
    if (!got) fail("memory");
    return got;
}

static void add(struct bytes *to, const void *data, size_t size) {
    if (to->size + size > to->room) {
        to->room = (to->size + size) * 2;
        to->data = grown(to->data, to->room);
    }
    memcpy(to->data + to->size, data, size);
    to->size += size;
}

static void mark(struct times *to, double at) {
    if (to->n == to->room) {
        to->room = to->room ? to->room * 2 : 1024;
        to->at = grown(to->at, to->room * sizeof(double));
    }
    to->at[to->n++] = at;
}

static void put(int fd, const uint8_t *data, size_t size) {
    if (send(fd, data, size, MSG_NOSIGNAL) != (ssize_t)size) fail("the server takes nothing more");
}

static void put_frame(struct pair *p, int role, uint32_t n) {
    const uint8_t *frame = p->frames[role][n];
    uint32_t size;
    memcpy(&size, frame, 4);
    put(p->fd[role], frame + 4, size);
}

/* What one item at the start of the input is: its size, or 0 while it is not whole. */
static size_t item(const uint8_t *d, size_t have, int *is_message, int *is_answer) {
    size_t head = 2, size;
    *is_message = *is_answer = 0;
    if (plan.protocol == WEBSOCKET) {
        if (have < 2) return 0;
        size = d[1] & 0x7f;
        if (size == 126) {
            if (have < 4) return 0;
            size = (size_t)d[2] << 8 | d[3], head = 4;
        } else if (size == 127) {
            errno = EMSGSIZE;
            fail("a frame");
        }
        if (have < head + size) return 0;
        /* Both are sealed; an answer is told from a message by its size. */
        if (d[0] == 0x82) *(size > plan.answer_max ? is_message : is_answer) = 1;
        return head + size;
    }
    if (plan.protocol == MQTT) {
        int shift = 0;
        head = 1, size = 0;
        do {
            if (have <= head) return 0;
            size |= (size_t)(d[head] & 0x7f) << shift, shift += 7;
        } while (d[head++] & 0x80);
        if (have < head + size) return 0;
        *is_message = d[0] >> 4 == 3;
        *is_answer = d[0] >> 4 == 4;
        return head + size;
    }
    if (plan.protocol == NATS) {
        const uint8_t *end = memmem(d, have, "\r\n", 2);
        if (!end) return 0;
        head = end + 2 - d;
        if (memcmp(d, "MSG ", 4)) return head;
        const uint8_t *space = memrchr(d, ' ', end - d);
        size = strtoul((const char *)space + 1, NULL, 10) + 2;
        if (have < head + size) return 0;
        *is_message = 1;
        return head + size;
    }
    /* Between messages only what stream management (XEP-0198) says: `<a …/>` and `<r …/>`. */
    int short_one = have > 2 && d[2] == ' ' && (d[1] == 'a' || d[1] == 'r');
    const char *last = short_one ? "/>" : "</message>";
    const uint8_t *end = memmem(d, have, last, strlen(last));
    if (!end) return 0;
    *is_message = !short_one;
    *is_answer = short_one && d[1] == 'a';
    return end + strlen(last) - d;
}

/* XEP-0198: the server asks, the client says how many stanzas it has had. */
static void count_stanzas(int fd, uint32_t had) {
    char answer[64];
    int size = snprintf(answer, sizeof answer, "<a xmlns='urn:xmpp:sm:3' h='%u'/>", had);
    put(fd, (uint8_t *)answer, size);
}

/* MQTT wants each message of quality 1 acknowledged, by its number, to the server. */
static void acknowledge(int fd, const uint8_t *d) {
    size_t at = 1;
    while (d[at++] & 0x80);
    size_t topic = (size_t)d[at] << 8 | d[at + 1];
    uint8_t puback[4] = {0x40, 2, d[at + 2 + topic], d[at + 3 + topic]};
    put(fd, puback, 4);
}

static void send_next(struct pair *p, double at) {
    if (p->sent.n == plan.messages) {
        p->done = 1;
        return;
    }
    mark(&p->sent, at);
    put_frame(p, SENDER, p->sent.n - 1);
}

static void take(struct pair *p, int role, const uint8_t *d, size_t size, int is_message, int is_answer) {
    double at = now();
    last_arrival = at;
    if (plan.protocol == WEBSOCKET) {
        uint32_t whole = size;
        add(&p->kept[role], &whole, 4);
    }
    add(&p->kept[role], d, size);
    if (is_message && plan.protocol == MQTT) acknowledge(p->fd[role], d);
    if (!is_message && !is_answer && plan.protocol == XMPP)
        count_stanzas(p->fd[role], plan.before + (role == RECEIVER ? p->delivered.n : p->back.n));
    if (role == RECEIVER && is_message) {
        if (plan.flags & BACK) put_frame(p, RECEIVER, p->delivered.n);
        mark(&p->delivered, at);
    } else if (role == SENDER && is_message) {
        mark(&p->back, at);
    } else if (role == SENDER && is_answer) {
        mark(&p->answered, at);
    }
}

static int settled(const struct pair *p) {
    uint32_t n = p->sent.n;
    return p->delivered.n >= n && (!(plan.flags & ANSWERS) || p->answered.n >= n) &&
           (!(plan.flags & BACK) || p->back.n >= n);
}

static void readable(struct pair *p, int role) {
    static uint8_t block[262144];
    struct bytes *in = &p->in[role];
    ssize_t got = recv(p->fd[role], block, sizeof block, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) fail("the server closed a connection");
    add(in, block, got);
    size_t at = 0;
    for (;;) {
        int is_message, is_answer;
        size_t size = item(in->data + at, in->size - at, &is_message, &is_answer);
        if (!size) break;
        take(p, role, in->data + at, size, is_message, is_answer);
        at += size;
    }
    in->size -= at;
    memmove(in->data, in->data + at, in->size);
}

static void read_plan(const char *path) {
    FILE *f = fopen(path, "rb");
    if (!f) fail(path);
    fseek(f, 0, SEEK_END);
    size_t size = ftell(f);
    rewind(f);
    uint8_t *all = grown(NULL, size), *at = all;
    if (fread(all, 1, size, f) != size) fail(path);
    fclose(f);
    memcpy(&plan, at, sizeof plan), at += sizeof plan;
    pairs = calloc(plan.pairs, sizeof *pairs);
    for (uint32_t i = 0; i < plan.pairs; i++) {
        int32_t fds[2];
        memcpy(fds, at, 8), at += 8;
        for (int role = SENDER; role <= RECEIVER; role++) {
            pairs[i].fd[role] = fds[role];
            if (role == RECEIVER && !(plan.flags & BACK)) continue;
            pairs[i].frames[role] = grown(NULL, plan.messages * sizeof(uint8_t *));
            for (uint32_t n = 0; n < plan.messages; n++) {
                uint32_t frame;
                memcpy(&frame, at, 4);
                pairs[i].frames[role][n] = at;
                at += 4 + frame;
            }
        }
    }
}

static void write_times(FILE *f, const struct times *t) {
    fwrite(&t->n, 4, 1, f);
    fwrite(t->at, sizeof(double), t->n, f);
}

static void write_bytes(FILE *f, const struct bytes *b) {
    uint64_t size = b->size;
    fwrite(&size, 8, 1, f);
    fwrite(b->data, 1, b->size, f);
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: pairs PLAN FINDINGS\n");
        return 2;
    }
    read_plan(argv[1]);
    int poll = epoll_create1(0);
    for (uint32_t i = 0; i < plan.pairs; i++)
        for (int role = SENDER; role <= RECEIVER; role++) {
            struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)i * 2 + role};
            if (epoll_ctl(poll, EPOLL_CTL_ADD, pairs[i].fd[role], &e)) fail("epoll");
        }

    double own = processor(), started = now(), ended = 0;
    uint64_t scheduled = 0, all = (uint64_t)plan.pairs * plan.messages;
    int sending = 1;
    last_arrival = started;
    if (!plan.open)
        for (uint32_t i = 0; i < plan.pairs; i++) send_next(&pairs[i], now());
    for (;;) {
        double t = now();
        if (sending && t - started >= plan.seconds) sending = 0, ended = t, own = processor() - own;
        if (plan.open && sending) {
            /* Counted from when it should have left, so that being late is not hidden. */
            double due = started + scheduled / plan.rate;
            if (t >= due && scheduled < all) {
                send_next(&pairs[scheduled % plan.pairs], due);
                scheduled++;
            }
        }
        if (!sending) {
            uint32_t open = 0;
            for (uint32_t i = 0; i < plan.pairs; i++) open += !settled(&pairs[i]);
            if (!open || t - last_arrival > 1.0 || t - ended > 20.0) break;
        }
        struct epoll_event events[256];
        int n = epoll_wait(poll, events, 256, plan.open && sending ? 0 : 20);
        for (int i = 0; i < n; i++) {
            struct pair *p = &pairs[events[i].data.u64 / 2];
            readable(p, events[i].data.u64 % 2);
            if (!plan.open && sending && !p->done && settled(p)) {
                send_next(p, now());
                /* As long as all are sending: who is done first ends the time that counts. */
                if (p->done) sending = 0, ended = now(), own = processor() - own;
            }
        }
    }

    FILE *f = fopen(argv[2], "wb");
    if (!f) fail(argv[2]);
    double head[3] = {started, ended, own};
    fwrite(head, sizeof head, 1, f);
    for (uint32_t i = 0; i < plan.pairs; i++) {
        write_times(f, &pairs[i].sent), write_times(f, &pairs[i].answered);
        write_times(f, &pairs[i].delivered), write_times(f, &pairs[i].back);
        for (int role = SENDER; role <= RECEIVER; role++) write_bytes(f, &pairs[i].kept[role]);
    }
    if (fclose(f)) fail(argv[2]);
    return 0;
}
